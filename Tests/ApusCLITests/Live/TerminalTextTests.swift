import Testing

@testable import ApusCLI

struct TerminalTextTests {
    @Test(arguments: [
        ("abc", 3), ("é", 1), ("e\u{301}", 1), ("漢字", 4), ("ｱ", 1), ("Ａ", 2), ("한", 2), ("👍", 2), ("👩‍👩‍👧", 2),
        ("❤️", 2), ("█▍░", 3), ("…⏎", 2), ("\u{200B}", 0), ("", 0),
    ]) func cellsAreCounted(text: String, width: Int) {
        #expect(CellWidth.of(text) == width)
    }

    @Test func textIsCutByCells() {
        #expect(CellWidth.truncated("漢字漢字", to: 6, mark: "…") == "漢字…")
        #expect(CellWidth.truncated("漢字漢字", to: 8, mark: "…") == "漢字漢字")
        #expect(CellWidth.truncated("abcdef", to: 4, mark: "…") == "abc…")
        #expect(CellWidth.truncated("abc", to: 0, mark: "…") == "")
        var line = StyledLine("abc", .bold)
        line.append("defg", .warning)
        #expect(line.truncated(to: 5, mark: "~").text == "abcd~")
        #expect(line.truncated(to: 2, mark: "~").coloredText == "\u{1B}[1ma~\u{1B}[0m")
    }

    @Test func barsHaveTheirWidth() {
        for width in 0...20 {
            for share in [-1, 0, 0.01, 0.5, 0.999, 1, 2, Double.nan] where !share.isNaN {
                let bar = Glyphs.unicode.bar(share, width: width)
                #expect(CellWidth.of(bar.done + bar.left) == width)
            }
        }
        #expect(Glyphs.ascii.bar(0.5, width: 4) == ("##", ".."))
        #expect(Glyphs.unicode.bar(0.5625, width: 2) == ("█▏", ""))
    }

    @Test func sparklinesShowTheWholeCourse() {
        #expect(Glyphs.unicode.sparkline([0, 1, 2, 3, 4, 5, 6, 7], width: 80) == "▁▂▃▄▅▆▇█")
        #expect(Glyphs.unicode.sparkline([0, 0, 8, 8], width: 2) == "▁█")
        #expect(Glyphs.unicode.sparkline([3, 3, 3], width: 5) == "▅▅▅")
        #expect(Glyphs.unicode.sparkline([.nan, 1], width: 5) == "▅")
        #expect(Glyphs.unicode.sparkline([], width: 5) == "" && Glyphs.unicode.sparkline([1], width: 0) == "")
        #expect(CellWidth.of(Glyphs.ascii.sparkline((0..<1000).map(Double.init), width: 77)) == 77)
    }

    private func traits(_ environment: [String: String], isTerminal: Bool = true) -> TerminalTraits {
        TerminalTraits(isTerminal: isTerminal, environment: environment)
    }

    @Test("Bad input 48: TERM=dumb, no terminal, NO_COLOR and CI get plain output")
    func plainOutput() {
        let usual = ["TERM": "xterm-256color", "LANG": "en_US.UTF-8"]
        #expect(traits(usual).redraws && traits(usual).showsColor && traits(usual).isUTF8)
        #expect(!traits(usual, isTerminal: false).redraws && !traits(usual, isTerminal: false).showsColor)
        for term in ["dumb", ""] {
            let found = traits(usual.merging(["TERM": term]) { $1 })
            #expect(!found.redraws && !found.showsColor)
        }
        #expect(!traits(["LANG": "C.UTF-8"]).redraws)
        #expect(traits(usual.merging(["NO_COLOR": "1"]) { $1 }).redraws)
        #expect(!traits(usual.merging(["NO_COLOR": "1"]) { $1 }).showsColor)
        #expect(traits(usual.merging(["NO_COLOR": ""]) { $1 }).showsColor)
        #expect(!traits(usual.merging(["CI": "true"]) { $1 }).redraws)
        #expect(traits(usual.merging(["CI": "false"]) { $1 }).redraws)
    }

    @Test(
        "Bad input 48: the locale decides what characters there are",
        arguments: [
            (["LANG": "en_US.UTF-8"], true), (["LANG": "C.utf8"], true), (["LANG": "C"], false), ([:], false),
            (["LANG": "de_DE.UTF-8", "LC_ALL": "C"], false), (["LANG": "C", "LC_CTYPE": "UTF-8"], true),
            (["LANG": "ja_JP.eucJP"], false), (["LC_ALL": "", "LANG": "en_GB.UTF-8"], true),
        ] as [([String: String], Bool)])
    func locale(environment: [String: String], isUTF8: Bool) {
        #expect(traits(environment).isUTF8 == isUTF8)
    }

    @Test func aPanelReplacesItself() {
        var screen = PanelScreen()
        let first = screen.drawing([StyledLine("one", .bold), StyledLine("two")], columns: 80, isColored: false)
        #expect(first == "\u{1B}[?25l\u{1B}[?7lone\ntwo\n\u{1B}[?7h\u{1B}[?25h")
        let second = screen.drawing([StyledLine("three", .bold)], columns: 80, isColored: true)
        #expect(second == "\u{1B}[?25l\r\u{1B}[2A\u{1B}[J\u{1B}[?7l\u{1B}[1mthree\u{1B}[0m\n\u{1B}[?7h\u{1B}[?25h")
        #expect(screen.erasure(columns: 80) == "\r\u{1B}[1A\u{1B}[J")
        #expect(screen.erasure(columns: 80) == "")
    }

    @Test func aTerminalThatBecameNarrowerHasBrokenTheLines() {
        var screen = PanelScreen()
        _ = screen.drawing(
            [StyledLine(String(repeating: "x", count: 79)), StyledLine("")], columns: 80, isColored: false)
        #expect(screen.erasure(columns: 40) == "\r\u{1B}[3A\u{1B}[J")
    }
}
