import ApusFormats

/// Where a row stands, for messages.
struct RowPlace {
    let file: String
    let line: Int

    func error(_ code: DataError.Code, _ message: String) -> DataError {
        DataError(code, file: file, line: line, message: message)
    }

    /// The object that one line holds.
    func row(_ bytes: ArraySlice<UInt8>) throws(DataError) -> JSONValue {
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw error(.invalidText, "wanted UTF-8 text, found other bytes; save the file as UTF-8")
        }
        let value: JSONValue
        do throws(JSONReader.Failure) {
            value = try JSONValue(json: bytes)
        } catch {
            let found = "\(error.message.onOneLine) at byte \(error.offset + 1) of the line"
            throw self.error(.invalidJSON, "\(found); each line must be one object")
        }
        return try checked(value)
    }

    /// A row, which has to be an object.
    func checked(_ value: JSONValue) throws(DataError) -> JSONValue {
        guard case .object = value else {
            throw error(.wrongType, "wanted a row that is an object such as {\"question\": …}, found \(value.kindName)")
        }
        return value
    }
}
