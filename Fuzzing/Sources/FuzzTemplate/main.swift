import ApusFormats
import FuzzDriver

@testable import ApusText

/// What stands behind the first zero byte is the data that the template reads.
let limits = ChatTemplate.Limits(steps: 20_000, depth: 100, outputBytes: 1 << 16, textBytes: 1 << 18)

fuzz { start, count in
    let bytes = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    let data =
        parts.count > 1 ? (try? JSONValue(json: Array(parts[1])))?.object ?? [:] : ["x": "ab", "l": [1, "two", .null]]
    do throws(TextError) {
        _ = try ChatTemplate(source: String(decoding: parts[0], as: UTF8.self)).render(data, limits: limits)
    } catch {
        precondition(!error.description.utf8.contains(UInt8(ascii: "\n")), "an error of several lines")
    }
    return 0
}
