/// Where a row stands, for messages.
package struct RowPlace: Sendable {
    /// The file, as the caller named it.
    package let file: String
    /// Where in it.
    package let position: DataError.Position

    /// A place in a file.
    package init(file: String, _ position: DataError.Position) {
        self.file = file
        self.position = position
    }

    /// What is wrong with the row.
    package func error(_ code: DataError.Code, _ message: String) -> DataError {
        DataError(code, file: file, at: position, message: message)
    }
}
