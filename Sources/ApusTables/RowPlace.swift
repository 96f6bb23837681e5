/// Where a row stands, for messages.
package struct RowPlace: Sendable {
    package let file: String
    package let position: DataError.Position

    package init(file: String, _ position: DataError.Position) {
        self.file = file
        self.position = position
    }

    package func error(_ code: DataError.Code, _ message: String) -> DataError {
        DataError(code, file: file, at: position, message: message)
    }
}
