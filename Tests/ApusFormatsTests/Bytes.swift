import ApusFormats
import Foundation
import Testing

/// The bytes of hexadecimal text.
func bytes(hex: String) -> [UInt8] {
    let digits = hex.utf8.map { UInt8(Character(Unicode.Scalar($0)).hexDigitValue ?? 0) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// The error of a call that must fail with a one-line `FormatError`.
@discardableResult
func expectFormatError(
    _ code: FormatError.Code? = nil, containing text: String = "", sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> some Any
) -> FormatError? {
    do {
        _ = try body()
        Issue.record("no error was thrown", sourceLocation: sourceLocation)
    } catch let error as FormatError {
        if let code { #expect(error.code == code, "\(error)", sourceLocation: sourceLocation) }
        #expect(text.isEmpty || error.description.contains(text), "\(error)", sourceLocation: sourceLocation)
        #expect(!error.description.contains("\n"), sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
    return nil
}

/// A safetensors file from the text of its header and its data.
func safetensors(_ header: String, data: [UInt8] = []) -> Data {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8) + Data(data)
}
