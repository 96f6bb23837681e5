import FuzzDriver

@testable import ApusFormats

fuzz { start, count in
    let bytes = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    for isLenient in [false, true] {
        guard let value = try? JSONValue(json: bytes, isLenient: isLenient) else { continue }
        let text = JSONWriter().write(value)
        guard let again = try? JSONValue(json: text.utf8, isLenient: isLenient) else {
            preconditionFailure("what was written cannot be read")
        }
        precondition(JSONWriter().write(again) == text, "read back as another")
    }
    expectOneLine { () throws(FormatError) in _ = try ShardIndex(bytes, path: "input") }
    return 0
}
