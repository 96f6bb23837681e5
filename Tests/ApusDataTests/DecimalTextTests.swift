import Testing

@testable import ApusData

@Suite("Numbers as people write them")
struct DecimalTextTests {
    private func number(_ text: String) -> DecimalText? { DecimalText(PythonText(text)) }

    @Test(
        "Equal numbers are equal however they are spelt",
        arguments: [
            ("1080", "1,080"), ("$1,080.50.", "1080.5"), ("-$5", "$-5"), ("\u{2212}5", "-5"), ("-0", "0"),
            ("007", "7"), ("42.", " 42 "), ("+3.0", "3"), ("0.50", "0.5"),
        ])
    func equal(first: String, second: String) throws {
        let value: DecimalText = try #require(number(first))
        #expect(value == number(second))
    }

    @Test("Different numbers differ", arguments: [("1080", "108"), ("5", "-5"), ("0.5", "0.05"), ("10", "1")])
    func different(first: String, second: String) throws {
        let value: DecimalText = try #require(number(first))
        let other: DecimalText = try #require(number(second))
        #expect(value != other)
    }

    @Test(
        "Everything else is no number",
        arguments: [
            "", "-", "$", ".", ".5", "1,08", "1,0800", ",080", "1,,080", "1e3", "2 apples", "--5", "$$5", "1.2.3",
            "5..", "٤٢",
        ])
    func none(text: String) {
        #expect(number(text) == nil)
    }
}
