/// Why a dataset cannot be used, as one line: the place, what was wanted, what was found and what to do.
public struct DataError: Error, CustomStringConvertible, Equatable, Sendable {
    /// What kind of fault it is.
    public enum Code: Sendable, Equatable {
        /// The file is missing, not readable or not a file.
        case unreadable
        /// The file's extension names no format that is read, or the file uses a part of its format that is not.
        case unsupportedFormat
        /// The text is not UTF-8.
        case invalidText
        /// The text is not JSON.
        case invalidJSON
        /// The table is damaged: a header, a page or a record is not what its format says.
        case damaged
        /// A row lacks a column that the mapping asks for.
        case missingColumn
        /// A column holds the wrong kind of value.
        case wrongType
        /// A template over columns cannot be read, or fails on a row.
        case invalidTemplate
        /// There is no row at all.
        case empty
    }

    /// Where in a file the fault is.
    public enum Position: Sendable, Equatable {
        /// A line of a text, or a row that is at hand, counted from 1.
        case line(Int)
        /// A row of a table, counted from 1.
        case row(Int)
        /// A part of a table: a row group or record batch, counted from 0 as other tools do, and in it a column and a page.
        case part(group: Int, column: String? = nil, page: Int? = nil)
    }

    /// What kind of fault it is.
    public let code: Code
    /// The file, as the caller named it.
    public let file: String
    /// Where in the file; nil when it concerns the whole file.
    public let position: Position?
    /// What was wanted, what was found and what to do.
    public let message: String

    /// The line the fault is on, counted from 1; nil where it is no line.
    public var line: Int? { if case .line(let line)? = position { line } else { nil } }

    /// `file:line: message`, always on one line.
    public var description: String {
        switch position {
        case nil: "\(file): \(message)"
        case .line(let line)?: "\(file):\(line): \(message)"
        case .row(let row)?: "\(file): row \(row): \(message)"
        case .part(let group, let column, let page)?:
            (["\(file)", "row group \(group)"] + (column.map { ["column '\($0.onOneLine)'"] } ?? [])
                + (page.map { ["page \($0)"] } ?? [])).joined(separator: ": ") + ": \(message)"
        }
    }

    /// An error with all its parts.
    package init(_ code: Code, file: String, at position: Position? = nil, message: String) {
        self.code = code
        self.file = file
        self.position = position
        self.message = message
    }
}
