import ApusFormats

/// The rows of a table in text: a line of names, then a record a row. Values are separated by commas, or by tabs.
///
/// The file is read twice: what a column holds is known when its last cell was seen.
struct CSVReader: RowReader {
    let rowCount: Int?
    let reasonForNoRows: String
    private let file: String
    private let names: [String]
    private var columns: [CSVColumn]
    private var records: CSVRecords

    /// - Parameters:
    ///   - file: what messages call it.
    ///   - open: reads it from its beginning.
    init(
        file: String, separator: UInt8 = UInt8(ascii: ","), _ open: () throws(DataError) -> LineReader
    ) throws(DataError) {
        self.file = file
        records = CSVRecords(try open(), separator: separator, file: file)
        guard let header = try records.next() else {
            (names, columns, rowCount, reasonForNoRows) = ([], [], 0, "the file is empty")
            return
        }
        names = try Self.names(header, in: file)
        columns = Array(repeating: .empty, count: names.count)
        rowCount = try Self.survey(&columns, names, CSVRecords(try open(), separator: separator, file: file), file)
        reasonForNoRows = "nothing follows the line of names"
    }

    mutating func next() throws(DataError) -> Row? {
        guard let record = try records.next() else { return nil }
        let place = RowPlace(file: file, .line(record.line))
        var members: [JSONValue.Member] = []
        members.reserveCapacity(names.count)
        for ((name, column), field) in zip(zip(names, columns), record.fields) {
            let text = try Self.text(field, at: place)
            members.append(JSONValue.Member(key: name, value: column.value(of: field, text)))
        }
        return try Row(.object(members), at: place)
    }

    /// Widens columns to what their cells need, and counts the rows.
    private static func survey(
        _ columns: inout [CSVColumn], _ names: [String], _ records: consuming CSVRecords, _ file: String
    ) throws(DataError) -> Int {
        _ = try records.next()
        var count = 0
        while let record = try records.next() {
            guard record.fields.count == names.count else {
                throw DataError(
                    .damaged, file: file, at: .line(record.line),
                    message: "wanted \(names.count) fields as in the first line, found \(record.fields.count); put "
                        + "fields that hold the separator in quotes")
            }
            for index in columns.indices { columns[index].widen(to: record.fields[index]) }
            count += 1
        }
        return count
    }

    /// Names of columns; one without gets the name that pandas gives it, which is that of a written index.
    private static func names(_ header: CSVRecords.Record, in file: String) throws(DataError) -> [String] {
        let place = RowPlace(file: file, .line(header.line))
        var names: [String] = []
        var seen: Set<String> = []
        for (index, field) in header.fields.enumerated() {
            let name = try field.bytes.isEmpty ? "Unnamed: \(index)" : text(field, at: place)
            guard seen.insert(name).inserted else {
                throw place.error(
                    .damaged, "wanted each column once, found '\(name.onOneLine)' twice; rename one of them")
            }
            names.append(name)
        }
        return names
    }

    private static func text(_ field: CSVRecords.Field, at place: RowPlace) throws(DataError) -> String {
        guard let text = String(validating: field.bytes, as: UTF8.self) else {
            throw place.error(.invalidText, "wanted UTF-8 text, found other bytes; save the file as UTF-8")
        }
        return text
    }
}
