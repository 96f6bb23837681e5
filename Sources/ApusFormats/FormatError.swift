/// Why a file could not be read or written, in one line: the file, what was wanted, what was found, what to do.
public struct FormatError: Error, CustomStringConvertible, Equatable, Sendable {
    /// What kind of fault it is, for callers that act on it.
    public enum Code: Equatable, Sendable {
        /// The file or folder is absent, not a regular file, or the system refused to read it.
        case unreadable
        /// The bytes break the rules of the format.
        case malformed
        /// The file ends before its own header says it does.
        case truncated
        /// Well formed, but of a version, type or kind that is not supported.
        case unsupported
        /// A tensor, key or shard that is needed is not there.
        case missing
        /// Two parts of the file, or a file and what is asked of it, disagree.
        case mismatch
        /// A path inside the file points outside the folder it belongs to.
        case unsafePath
        /// The system refused to write.
        case unwritable
    }

    /// The kind of fault.
    public let code: Code
    /// The path of the file at fault.
    public let file: String
    /// What was wanted, what was found and what to do, without the file.
    public let message: String

    /// Creates an error; line breaks and other control characters that came from the file are shown escaped, and of a
    /// name of many megabytes its beginning.
    public init(_ code: Code, file: String, _ message: String) {
        self.code = code
        self.file = file
        self.message = message.shortened.escapingControlCharacters
    }

    /// The file and the message in one line.
    public var description: String { "\(file.escapingControlCharacters): \(message)" }
}

extension String {
    /// The same text, or the two ends of one that nobody would read: the last words say what to do.
    fileprivate var shortened: String {
        let (beginning, ending) = (1500, 300)
        guard utf8.count > 2 * (beginning + ending) else { return self }
        return "\(prefix(beginning)) … \(suffix(ending))"
    }

    /// The same text on one line: names inside a damaged file may hold anything.
    fileprivate var escapingControlCharacters: String {
        guard unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else { return self }
        return unicodeScalars.reduce(into: "") { result, scalar in
            if scalar.value < 0x20 || scalar.value == 0x7F {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
    }
}
