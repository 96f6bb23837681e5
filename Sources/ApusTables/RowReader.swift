package import ApusFormats

/// A row of a file.
package struct Row {
    /// An object with its columns in the order of the file.
    package let value: JSONValue
    /// Where it stands, for messages.
    package let place: RowPlace

    /// A row that has to be an object.
    ///
    /// - Throws: ``DataError`` for any other value.
    package init(_ value: JSONValue, at place: RowPlace) throws(DataError) {
        guard case .object = value else {
            throw place.error(
                .wrongType, "wanted a row that is an object such as {\"question\": …}, found \(value.kindName)")
        }
        self.value = value
        self.place = place
    }
}

/// The rows of one file, one after another, of which no more is held than its format needs.
package protocol RowReader {
    /// How many rows the file says it has; nil where only reading it through tells.
    var rowCount: Int? { get }

    /// Why there was no row, once the end is reached without one: "the file is empty".
    var reasonForNoRows: String { get }

    /// The next row; nil after the last one.
    ///
    /// - Throws: ``DataError`` naming the place of what is wrong.
    mutating func next() throws(DataError) -> Row?
}
