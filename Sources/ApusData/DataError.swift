/// Why a dataset cannot be used, as one line: the place, what was wanted, what was found and what to do.
public struct DataError: Error, CustomStringConvertible, Equatable, Sendable {
    /// What kind of fault it is.
    public enum Code: Sendable, Equatable {
        /// The file is missing, not readable or not a file.
        case unreadable
        /// The file's extension names no format that is read.
        case unsupportedFormat
        /// The text is not UTF-8.
        case invalidText
        /// The text is not JSON.
        case invalidJSON
        /// A row lacks a column that the mapping asks for.
        case missingColumn
        /// A column holds the wrong kind of value.
        case wrongType
        /// There is no row at all.
        case empty
    }

    /// What kind of fault it is.
    public let code: Code
    /// The file, as the caller named it.
    public let file: String
    /// The line the fault is on, counted from 1; nil when it concerns the whole file.
    public let line: Int?
    /// What was wanted, what was found and what to do.
    public let message: String

    /// `file:line: message`, always on one line.
    public var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        return "\(place): \(message)"
    }

    /// An error with all its parts.
    package init(_ code: Code, file: String, line: Int? = nil, message: String) {
        self.code = code
        self.file = file
        self.line = line
        self.message = message
    }
}
