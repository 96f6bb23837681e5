import ApusTestSupport
import Testing

@testable import ApusText

@Suite("Regular expressions decide what Python's re decides")
struct PythonPatternTests {
    private static let enough = 100_000_000

    private func flags(_ letters: String) -> PythonPattern.Flags {
        let known: [Character: PythonPattern.Flags] = [
            "i": .ignoreCase, "m": .multiline, "s": .dotAll, "x": .verbose, "a": .ascii,
        ]
        return letters.reduce(into: []) { $0.formUnion(known[$1] ?? []) }
    }

    /// In the letters of the goldens.
    private func verdict(_ pattern: String, _ letters: String, _ text: String) throws -> String {
        guard let pattern = try? PythonPattern(pattern, flags: flags(letters)) else { return "error" }
        let anchors: [(String, PythonPattern.Anchor)] = [("s", .search), ("m", .match), ("f", .fullmatch)]
        return try anchors.filter { try pattern.matches(text, $0.1, steps: Self.enough) }.map(\.0).joined()
    }

    private func message(_ pattern: String) -> String? {
        do throws(PatternError) {
            _ = try PythonPattern(pattern)
            return nil
        } catch {
            return error.description
        }
    }

    @Test("Every pattern on every awkward text, and every error")
    func goldens() throws {
        let cases = try Fixture.json("data/python_re_golden.json", as: [[String]].self)
        #expect(cases.count > 5000)
        var verdicts: Set<String> = []
        for row in cases {
            let (pattern, letters, text, expected) = (row[0], row[1], row[2], row[3])
            let found = try verdict(pattern, letters, text)
            #expect(found == expected, "\(pattern.debugDescription) \(letters) on \(text.debugDescription)")
            verdicts.insert(expected)
        }
        #expect(verdicts.isSuperset(of: ["error", "", "s", "sm", "smf"]))
    }

    @Test("Letters are told apart by code points, not by canonical equivalence")
    func codePoints() throws {
        #expect(try verdict("\u{E9}", "", "e\u{301}") == "")
        #expect(try verdict("e.", "", "e\u{301}") == "smf")
        #expect(try verdict("(?P<\u{E9}>a)(?P<e\u{301}>b)", "", "ab") == "smf")
        #expect(try verdict("[\u{1F71}x]", "i", "\u{386}") == "")
    }

    @Test("A pattern that would take for ever is given up", arguments: ["(a+)+$", #"^(\w+\s?)+$"#, "(a|aa)*?b"])
    func catastrophe(pattern: String) throws {
        let slow = try PythonPattern(pattern)
        let text = String(repeating: "a", count: 60) + "!"
        #expect(throws: PatternError.tooSlow(steps: 200_000)) { try slow.matches(text, .search, steps: 200_000) }
        #expect(PatternError.tooSlow(steps: 5).description.hasPrefix("the pattern took more than 5 steps"))
        // Each match has steps of its own.
        #expect(try !slow.matches("!", .search, steps: 200_000))
    }

    @Test("Steps are few where the text is long and the pattern simple")
    func steps() throws {
        let pattern = try PythonPattern(#"<reasoning>.*?</reasoning>\s*<answer>.*?</answer>"#, flags: .dotAll)
        let words = String(repeating: "so 3 < 4, and\n", count: 150)
        let text = "<reasoning>\(words)</reasoning>\n<answer>\(words)</answer>"
        #expect(try pattern.matches(text, .search, steps: 3 * text.count))
        #expect(throws: PatternError.tooSlow(steps: 100)) { try pattern.matches(text, .search, steps: 100) }
    }

    @Test(
        "The length of a text is no danger",
        arguments: [
            ".*", ".*?$", "(?:a|b)*", "(a|b)*", "(?:ab|a|b)*?$", "(?:a|b)*+", "(?>(?:ab)*)*", "(?=(?:ab)*$).*",
            "((?:ab)+?)*", "(?:(?!x).)*", "(?:ab){50000}", #"(.)(?:(?!\1).\1?)*"#,
        ])
    func length(pattern: String) throws {
        let text = String(repeating: "ab", count: 50_000)
        #expect(try PythonPattern(pattern).matches(text, .fullmatch, steps: Self.enough))
    }

    @Test("What a match keeps in memory has a bound")
    func memory() throws {
        let pattern = try PythonPattern("(?:){4000000000}")
        #expect(throws: PatternError.tooMuchMemory) { try pattern.matches("", .match, steps: Self.enough) }
    }

    @Test("Groups are nested fifty deep and no deeper", arguments: ["(", "(?:", "(?=", "(?<=", "(?>", "(?i:", "(?(1)"])
    func nesting(open: String) throws {
        func pattern(_ depth: Int) -> String {
            "(z)?" + String(repeating: open, count: depth) + "a" + String(repeating: ")", count: depth)
        }
        _ = try PythonPattern(pattern(50)).matches("aa", .search, steps: Self.enough)
        for depth in [51, 15_000] {
            #expect(message(pattern(depth))?.contains("groups within more than 50 groups are not supported") == true)
        }
    }

    @Test("Repetitions are counted, not written out")
    func repetitions() throws {
        let opened = String(repeating: "(?:a{4294967294}", count: 20)
        let pattern = try PythonPattern(opened + String(repeating: "){4294967294}", count: 20))
        #expect(try !pattern.matches("aaa", .search, steps: 1000))
        #expect(try PythonPattern("(?:a{0,4294967294}){1,4294967294}b").matches("aab", .match, steps: 1000))
        #expect(message("a{4294967295}") == "the repetition number is too large at position 1")
        let long = String(repeating: "a", count: 100_001)
        #expect(message(long) == "patterns of more than 100000 characters are not supported, at position 100000")
    }

    @Test(
        "Errors say what is wrong and where",
        arguments: [
            ("*a", "nothing to repeat at position 0"), ("a**", "multiple repeat at position 2"),
            ("(a", "missing ), unterminated subpattern at position 0"), ("a)", "unbalanced parenthesis at position 1"),
            ("x[a", "unterminated character set at position 1"), ("[z-a]", "bad character range z-a at position 1"),
            (#"\q"#, #"bad escape \q at position 0"#), (#"(a)\2"#, "invalid group reference 2 at position 3"),
            ("a(?<=b*)", "look-behind requires fixed-width pattern at position 1"),
            ("a(?i)", "global flags not at the start of the expression at position 1"),
            ("(?P<a>b)(?P<a>c)", "redefinition of group name 'a' at position 8"),
            ("[\n-\t]", #"bad character range \n-\t at position 1"#),
            (#"\N{DIGIT ONE}"#, #"characters by name (\N{…}) are not supported, at position 0"#),
        ])
    func errors(pattern: String, expected: String) {
        #expect(message(pattern) == expected)
    }
}
