/// What is wrong with a part of a table, before the reader adds its place.
struct TableFailure: Error {
    let code: DataError.Code
    let message: String

    init(_ code: DataError.Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Bytes that are not what their format says.
    static func damaged(wanted: String, found: String) -> TableFailure {
        TableFailure(.damaged, "wanted \(wanted), found \(found); the file is damaged, copy or write it again")
    }

    /// A part of the format that is not read; `remedy` is what to do about it.
    static func unsupported(_ what: String, _ remedy: String) -> TableFailure {
        TableFailure(.unsupportedFormat, "\(what), which is not read; \(remedy)")
    }

    func located(file: String, _ position: DataError.Position?) -> DataError {
        DataError(code, file: file, at: position, message: message)
    }
}

extension String {
    /// A name out of a file for a message: on one line, and no longer than a line has room for.
    var inMessage: String { String(onOneLine.prefix(80)) }
}
