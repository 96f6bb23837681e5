import FuzzDriver

@testable import ApusText

/// What stands behind the first zero byte is the text to encode. A file with 'config' is a tekken.json.
fuzz { start, count in
    let bytes = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    // A text may grow so much that a longer one would be over the limit of an allocation.
    let text = parts.count > 1 ? String(decoding: parts[1].prefix(500), as: UTF8.self) : nastyText
    exercise(text) { () throws(TextError) in
        let file = try TokenizerFile(Array(parts[0]), name: "input", unusedLimit: 4096)
        guard file.root["config"] != nil else { return try file.definition() }
        return try TekkenFile(Array(parts[0]), name: "input", specialLimit: 4096).definition()
    }
    return 0
}
