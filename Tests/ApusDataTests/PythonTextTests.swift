import ApusTestSupport
import Testing

@testable import ApusData

@Suite("Text as Python sees it")
struct PythonTextTests {
    struct Golden: Decodable {
        let unicode: String
        let space: [[UInt32]]
        let digit: [[UInt32]]

        static func scalars(_ ranges: [[UInt32]]) -> Set<Unicode.Scalar> {
            Set(ranges.flatMap { ($0[0]...$0[1]).compactMap(Unicode.Scalar.init) })
        }
    }

    private static let all = (UInt32(0)..<0x11_0000).compactMap(Unicode.Scalar.init)

    @Test("White space is exactly Python's")
    func space() throws {
        let golden = try Fixture.json("data/unicode_golden.json", as: Golden.self)
        #expect(Set(Self.all.filter(\.isPythonSpace)) == Golden.scalars(golden.space))
    }

    @Test("Digits are Python's, apart from scripts that Unicode added later")
    func digits() throws {
        let golden = try Fixture.json("data/unicode_golden.json", as: Golden.self)
        let python = Golden.scalars(golden.digit)
        let ours = Set(Self.all.filter(\.isPythonDigit))
        #expect(python.subtracting(ours).isEmpty)
        for scalar in ours.subtracting(python) {
            let age = try #require(scalar.properties.age)
            #expect(age.major > 14, "U+\(String(scalar.value, radix: 16))")
        }
    }

    @Test("Occurrences do not overlap, and parts are split off at the right one")
    func splitting() {
        #expect(PythonText("aaaa").count("aa") == 2)
        #expect(PythonText("\n<answer>\n<answer>\n").count("\n<answer>\n") == 1)
        #expect(PythonText("a#b#c").afterLast("#") == PythonText("c"))
        #expect(PythonText("a#b#c").beforeFirst("#") == PythonText("a"))
        #expect(PythonText("abc").afterLast("#").string == "abc")
        #expect(PythonText("").lines.map(\.string) == [""])
        #expect(PythonText("a\r\nb\n").lines.map(\.string) == ["a\r", "b", ""])
    }

    @Test("Equality is by code point, not by canonical equivalence")
    func equality() {
        #expect("\u{E9}" == "e\u{301}")
        #expect(PythonText("\u{E9}") != PythonText("e\u{301}"))
        #expect(PythonText("e\u{301}").count == 2)
    }

    @Test(
        "Stripping",
        arguments: [("", ""), (" \u{1C}\u{85}", ""), ("\u{A0}a b\u{3000}", "a b"), ("\u{200B}a", "\u{200B}a")])
    func strip(text: String, stripped: String) {
        #expect(PythonText(text).stripped.string == stripped)
    }
}
