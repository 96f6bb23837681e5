import Testing

@testable import ApusCLI

/// What reaches a terminal of text that a model, a file or a user wrote.
@Suite struct PrintableTextTests {
    /// Puts text into the clipboard of the terminals that allow it.
    static let clipboard = "\u{1B}]52;c;cm0gLXJmIH4=\u{7}"

    @Test(arguments: [
        ("plain text\twith a tab\nand a line", "plain text\twith a tab\nand a line"),
        (clipboard, "^[]52;c;cm0gLXJmIH4=^G"),
        ("\u{1B}[2J\u{1B}[1;1H\u{1B}[31mred", "^[[2J^[[1;1H^[[31mred"),
        // What begins a sequence in one character, and what ends a command to the operating system.
        ("\u{9B}31m\u{9D}0;title\u{9C}", "<U+009B>31m<U+009D>0;title<U+009C>"),
        ("right\rwrong\u{8}\u{7F}", "right^Mwrong^H^?"), ("a\r\nb", "a^M\nb"), ("\0\u{B}\u{C}\u{85}", "^@^K^L<U+0085>"),
        // Overrides, embeddings and isolates of the writing direction.
        ("\u{202E}gnp.exe\u{202C}", "<U+202E>gnp.exe<U+202C>"), ("\u{2066}a\u{2069}", "<U+2066>a<U+2069>"),
    ]) func whatSteersIsSpelledOut(text: String, printable: String) {
        #expect(text.printable == printable)
        #expect(printable.printable == printable)
    }

    @Test(arguments: ["Ærøskøbing, 漢字, 한글", "👩‍👩‍👧 ❤️ e\u{301}", "می\u{200C}خواهم", "שלום \u{200F}123", "\u{61C}عربي", ""])
    func scriptsStayWhatTheyAre(text: String) {
        #expect(text.printable == text)
    }

    @Test func aSequenceInPiecesIsHarmlessToo() {
        let pieces = ["\u{1B}", "]52;c;", "cm0gLXJmIH4=", "\u{7}"].map(\.printable)
        #expect(pieces.joined() == Self.clipboard.printable)
    }

    @Test func oneLineHasMarksForItsBreaks() {
        #expect("a\r\nb\u{1B}[31mc\u{7}\td\u{9B}".printable(lineBreak: "⏎") == "a⏎b^[[31mc^G d<U+009B>")
        #expect("a\rb\u{202E}".printable(lineBreak: "|") == "a|b<U+202E>")
    }

    @Test func onlyATerminalGetsOtherText() {
        func rendered(isTerminal: Bool, _ environment: [String: String], _ style: StyledLine.Style = .plain) -> String {
            TerminalTraits(isTerminal: isTerminal, environment: environment).rendered(
                StyledLine(Self.clipboard, style))
        }
        #expect(rendered(isTerminal: false, ["TERM": "xterm"], .bold) == Self.clipboard)
        #expect(rendered(isTerminal: true, [:]) == Self.clipboard.printable)
        #expect(rendered(isTerminal: true, ["TERM": "dumb"], .bold) == Self.clipboard.printable)
        #expect(
            rendered(isTerminal: true, ["TERM": "xterm"], .bold) == "\u{1B}[1m\(Self.clipboard.printable)\u{1B}[0m")
    }
}
