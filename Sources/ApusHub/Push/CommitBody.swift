import ApusFormats
import Foundation

/// What the hub makes a commit of, one JSON object a line: in a file without a name, since small files are in it.
final class CommitBody: Sendable {
    /// Of the open file.
    let descriptor: Int32
    /// In bytes.
    let count: Int

    /// Writes the lines.
    ///
    /// - Parameter parent: the commit that the branch has to be at; nil for any.
    /// - Throws: ``HubError`` with code `badFolder`, `diskFull` or `unwritable`.
    init(_ plan: PushPlan, message: String, parent: String?) throws(HubError) {
        var lines = try CommitLines()
        let text = message.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        var header: [JSONValue.Member] = [
            .init(key: "summary", value: .string(String(text.first ?? ""))),
            .init(
                key: "description",
                value: .string(text.count > 1 ? text[1].trimmingCharacters(in: .whitespacesAndNewlines) : "")),
        ]
        if let parent { header.append(.init(key: "parentCommit", value: .string(parent))) }
        do throws(HubError) {
            try lines.append("header", .object(header))
            for item in plan.small { try lines.append(item.file) }
            for item in plan.large {
                try lines.append(
                    "lfsFile",
                    .object(
                        [
                            .init(key: "path", value: .string(item.file.path)), .init(key: "algo", value: "sha256"),
                            .init(key: "oid", value: .string(item.checksum)),
                            .init(key: "size", value: .integer(item.file.size)),
                        ]))
            }
            try lines.flush()
        } catch {
            close(lines.descriptor)
            throw error
        }
        (descriptor, count) = (lines.descriptor, lines.count)
    }

    deinit { close(descriptor) }
}

/// Lines that are written into a file without a name.
private struct CommitLines {
    let descriptor: Int32
    private(set) var count = 0
    private var rest = Data()

    private var place: String { "a file in \(FileManager.default.temporaryDirectory.path(percentEncoded: false))" }

    init() throws(HubError) {
        let folder = FileManager.default.temporaryDirectory
        let path = folder.appending(path: "apus-push-\(UUID().uuidString)").path(percentEncoded: false)
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system(errno, path, "cannot be written") }
        unlink(path)
    }

    mutating func append(_ key: String, _ value: JSONValue) throws(HubError) {
        let line: JSONValue = .object([.init(key: "key", value: .string(key)), .init(key: "value", value: value)])
        try append(JSONWriter.ordered.write(line) + "\n")
    }

    /// A file with its content, which is read and encoded piece by piece.
    mutating func append(_ file: PushFolder.File) throws(HubError) {
        let path = JSONWriter.ordered.write(JSONValue.string(file.path))
        try append(#"{"key":"file","value":{"path":\#(path),"encoding":"base64","content":""#)
        let reader = try PushReader(file)
        // Three bytes are four letters: pieces of a multiple of three can be joined.
        try reader.read(by: 3 << 16) { (piece) throws(HubError) in
            try append(piece.base64EncodedString())
            return true
        }
        try reader.checkUnchanged()
        try append("\"}}\n")
    }

    private mutating func append(_ text: String) throws(HubError) {
        rest.append(contentsOf: text.utf8)
        if rest.count >= 1 << 20 { try flush() }
    }

    mutating func flush() throws(HubError) {
        while !rest.isEmpty {
            // The system call takes the address of the bytes, which stay where they are for the call.
            let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw .system(errno, place, "cannot be written") }
            count += written
            rest = Data(rest.dropFirst(written))
        }
    }
}
