import Foundation
import Testing

@testable import ApusData

@Suite("The JSON reader")
struct JSONParserTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONParser.parse(Array(text.utf8)[...]) }

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
            #expect(throws: JSONParser.Failure.self, "\(length)") { try JSONParser.parse(bytes[..<length]) }
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
                    let value = try? JSONParser.parse(changed[...])
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
        #expect(throws: JSONParser.Failure.self) { try parse(text) }
    }

    @Test("Nesting is bounded, so that no file can overflow the stack")
    func depth() throws {
        let deep = JSONParser.maximumDepth
        #expect(throws: Never.self) {
            try parse(String(repeating: "[", count: deep) + String(repeating: "]", count: deep))
        }
        for opening in ["[", "{\"a\":"] {
            #expect(throws: JSONParser.Failure.self) { try parse(String(repeating: opening, count: 100_000)) }
        }
    }
}
