import ApusFormats
import Foundation
import Testing

@testable import ApusData

@Suite("The JSON reader")
struct JSONParserTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(json: text.utf8) }

    private static let document =
        #" {"a": [1, -2.5e-3, 0, -0, 1E+2], "b\"\\\/\b\f\n\r\t\u0041": {"é": "\ud83d\ude00€", "": []}, "c": [true, false, null, {}]} "#

    @Test("Agrees with Foundation's decoder on a document with everything in it")
    func foundation() throws {
        let value = try parse(Self.document)
        #expect(value == (try JSONDecoder().decode(JSONValue.self, from: Data(Self.document.utf8))))
        #expect(try parse(String(decoding: JSONEncoder().encode(value), as: UTF8.self)) == value)
    }

    @Test("A document cut off at any byte is refused")
    func truncated() {
        let bytes = Array(Self.document.utf8)
        for length in 0..<bytes.count - 1 {
            #expect(throws: JSONReader.Failure.self, "\(length)") { try JSONValue(json: bytes[..<length]) }
        }
    }

    @Test("A document with any byte exchanged is read or refused, and what is read Foundation reads too")
    func mutated() throws {
        let bytes = Array(Self.document.utf8)
        var read = 0
        for position in bytes.indices {
            for byte in [0x00, 0x22, 0x2C, 0x2D, 0x30, 0x5B, 0x5C, 0x5D, 0x65, 0x7B, 0x7D] as [UInt8] {
                var changed = bytes
                changed[position] = byte
                guard String(validating: changed, as: UTF8.self) != nil,
                    let value = try? JSONValue(json: changed)
                else { continue }
                read += 1
                #expect(value == (try JSONDecoder().decode(JSONValue.self, from: Data(changed))))
            }
        }
        #expect(read > 100)
    }

    @Test(
        "Everything outside RFC 8259 is refused",
        arguments: [
            "", "01", "-", "1.", ".5", "1e", "+1", "0x1", "1e999", "tru", "True", "[1 2]", "[,]", "{1:2}", "{\"a\" 1}",
            "\"\\x\"",
            "\"\\u12g4\"", "\"\\udc00\"", "\"\\ud83d\\u0041\"", "\"\\ud83dx\"", "\"a", "\"\u{1}\"", "1 2", "\u{A0}1",
            "nul",
        ])
    func refused(text: String) {
        #expect(throws: JSONReader.Failure.self) { try parse(text) }
    }

    @Test(
        "Integers keep every digit, read and written, also by way of Foundation",
        arguments: [
            "9007199254740993", "-9007199254740993", "9223372036854775807", "18446744073709551615",
            "18446744073709551616", "100000000000000000000", "12345678901234567890123",
            "1" + String(repeating: "0", count: 37) + "1",
        ])
    func integers(text: String) throws {
        let value = try parse(text)
        #expect(JSONWriter.compact.write(value) == text)
        #expect(try parse("{\"a\":[\(text)]}").object?["a"]?.array == [value])
        #expect(String(decoding: try JSONEncoder().encode(value), as: UTF8.self) == text)
        #expect(try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) == value)
        #expect(value.number == Double(text) && value.kindName == "a number" && value.brief == text)
    }

    @Test("Numbers are equal as Python's are, however they are written, and come back through Foundation")
    func doubles() throws {
        for text in ["9007199254740992", "0", "-0", "1e0", "1e20", "1.2345678901234567e+22", "1e300", "5e-324", "0.1"] {
            let value = try parse(text)
            #expect(value == .number(try #require(Double(text))))
            #expect(try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(value)) == value)
            #expect(try parse(JSONWriter.compact.write(value)) == value)
        }
        #expect(try parse("3") == parse("3.0") && parse("3") != parse("3.5"))
        #expect(JSONWriter().write(JSONValue.array([3, 3.0, .number(.nan)])) == "[3, 3.0, NaN]")
        #expect(
            JSONWriter.compact.write(JSONValue.array([.number(.nan), 0.5, 3.0, .number(1e20)]))
                == "[null,0.5,3.0,1e+20]")
    }

    @Test("An integer that is too long for Foundation is text there, and whole everywhere else")
    func longIntegers() throws {
        let digits = String(repeating: "7", count: 400)
        let value = try parse(digits)
        #expect(JSONWriter.compact.write(value) == digits)
        #expect(String(decoding: try JSONEncoder().encode(value), as: UTF8.self) == "\"\(digits)\"")
        #expect(throws: JSONReader.Failure.self) { try parse(String(repeating: "7", count: 4301)) }
    }

    @Test("Nesting is bounded, so that no file can overflow the stack")
    func depth() throws {
        let deep = JSONReader.maximumDepth
        #expect(throws: Never.self) {
            try parse(String(repeating: "[", count: deep) + String(repeating: "]", count: deep))
        }
        for opening in ["[", "{\"a\":"] {
            #expect(throws: JSONReader.Failure.self) { try parse(String(repeating: opening, count: 100_000)) }
        }
    }
}
