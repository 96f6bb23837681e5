import ApusFormats

/// Rows of an Arrow table, as a stream (what `datasets.save_to_disk` writes) or as a file (Feather version 2): one record
/// batch after another. Buffers are those of the file; compressed ones are held decompressed, a batch at a time. What
/// becomes of the types is told at ``ColumnType``.
///
/// Not read, and refused by name: intervals, unions, run-end encoded columns, list views, big-endian tables, Feather
/// version 1.
package struct ArrowReader: RowReader {
    package let rowCount: Int?
    package var reasonForNoRows: String { "the table has no rows" }

    /// The columns with their types: `question: text`, `messages: list of {role: text, content: text}`.
    package var columns: [(name: String, type: String)] { messages.schema.fields.map { ($0.name, $0.typeName) } }

    private static let stepSize = 256
    private let file: String
    private let source: TableBytes
    private let messages: ArrowMessages
    private let limits: TableLimits
    /// The columns that are read, by their places.
    private let selected: [Int]
    private let names: [String]
    private let memory = ByteBuffer()
    private var dictionaries: [Int64: (values: [JSONValue], textSize: Int)] = [:]
    private var message = 0
    private var group = -1
    private var batch: ArrowBatch?
    /// The next row of the batch that no values are made of, and how many are made at once.
    private var position = 0
    private var step = stepSize
    /// Values of some rows, column by column, and the next of them.
    private var values: [[JSONValue]] = []
    private var valueCount = 0
    private var index = 0
    private var row = 0

    /// Opens a file.
    ///
    /// - Parameter columns: the columns that rows get, all for nil.
    /// - Throws: ``DataError``: `unreadable`, `damaged`, `unsupportedFormat`, and `missingColumn` for a name that is none.
    package init(path: String, columns: [String]? = nil) throws(DataError) {
        try self.init(try TableBytes(path: path), file: path, columns: columns)
    }

    /// The same of bytes in memory, which messages call `file`.
    init(
        _ source: TableBytes, file: String, columns: [String]? = nil, _ limits: TableLimits = TableLimits()
    ) throws(DataError) {
        do throws(TableFailure) {
            messages = try source.withBytes { (bytes) throws(TableFailure) in try ArrowMessages(bytes) }
        } catch {
            throw error.located(file: file, nil)
        }
        self.file = file
        self.source = source
        self.limits = limits
        let fields = messages.schema.fields
        selected = try Array(fields.indices).selected(columns, file: file) { fields[$0].name }
        names = selected.map { fields[$0].name }
        // Without a column there is nothing to tell rows apart by.
        rowCount = selected.isEmpty ? 0 : messages.rowCount
    }

    /// The next row; nil after the last one.
    ///
    /// - Throws: ``DataError`` naming the record batch and the column.
    package mutating func next() throws(DataError) -> Row? {
        while index == valueCount {
            guard try fill() else { return nil }
        }
        var members: [JSONValue.Member] = []
        members.reserveCapacity(names.count)
        for (name, values) in zip(names, values) { members.append(JSONValue.Member(key: name, value: values[index])) }
        index += 1
        row += 1
        return try Row(.object(members), at: RowPlace(file: file, .row(row)))
    }

    /// Makes values of the next rows, of the next batch where this one is used up; false after the last.
    private mutating func fill() throws(DataError) -> Bool {
        while batch.map({ position == $0.count }) ?? true {
            guard message < messages.messages.count, !selected.isEmpty else { return false }
            do throws(TableFailure) { try readMessage() } catch {
                throw error.located(file: file, .part(group: max(0, group)))
            }
        }
        guard let batch else { return false }
        let rows = position..<min(position + step, batch.count)
        do throws(DataError) {
            values = try makeValues(of: batch, rows)
        } catch {
            guard rows.count > 1 else { throw error }
            // Row by row, what is too much for one is told from what is too much for many.
            step = 1
            return try fill()
        }
        position = rows.upperBound
        (index, valueCount) = (0, rows.count)
        return true
    }

    private func makeValues(of batch: ArrowBatch, _ rows: Range<Int>) throws(DataError) -> [[JSONValue]] {
        var all: [[JSONValue]] = []
        for index in selected {
            do throws(TableFailure) {
                let column = batch.columns[index]
                all.append(try values(of: column, rows, in: batch).values)
            } catch {
                throw error.located(file: file, .part(group: group, column: messages.schema.fields[index].name))
            }
        }
        return all
    }

    /// The values with the bytes of text that they took.
    private func values(
        of column: ArrowColumn, _ rows: Range<Int>, in batch: ArrowBatch
    ) throws(TableFailure) -> (values: [JSONValue], textSize: Int) {
        try batch.withBytes(source) { (bytes) throws(TableFailure) in
            var maker = ArrowValues(
                bytes: bytes, dictionaries: dictionaries.mapValues { $0.values }, valuesLeft: limits.valuesPerRow,
                textLeft: limits.textPerRow)
            let values = try maker.values(column, rows)
            return (values, limits.textPerRow - maker.textLeft)
        }
    }

    /// Reads the next message: a batch, or a dictionary that later batches point into.
    private mutating func readMessage() throws(TableFailure) {
        let current = messages.messages[message]
        message += 1
        if batch != nil { source.discard(messages.messages[message - 2].body) }
        let schema = messages.schema
        let memory = memory
        let limits = limits
        var dictionary: (id: Int64, isDelta: Bool)?
        let read = try source.withBytes { (bytes) throws(TableFailure) in
            var (kind, table) = try current.content(bytes)
            var fields = schema.fields
            if kind == .dictionary {
                let id = try table.integer(0, default: Int64(0))
                guard let field = schema.dictionaries[id], let data = try table.table(1) else {
                    throw .damaged(wanted: "a dictionary of a column", found: "one with the number \(id)")
                }
                dictionary = (id, try table.bool(2))
                (fields, table) = ([field], data)
            }
            return try ArrowBatch(table, fields, body: current.body, of: bytes, memory: memory, limits)
        }
        if let dictionary { return try keep(read, as: dictionary.id, isDelta: dictionary.isDelta) }
        group += 1
        batch = read
        (position, step) = (0, Self.stepSize)
    }

    private mutating func keep(_ read: ArrowBatch, as id: Int64, isDelta: Bool) throws(TableFailure) {
        batch = nil
        guard let column = read.columns.first else { return }
        let (values, textSize) = try values(of: column, 0..<column.count, in: read)
        let kept = isDelta ? dictionaries.removeValue(forKey: id) : nil
        dictionaries[id] = nil
        let others = dictionaries.values.reduce((kept?.values.count ?? 0, kept?.textSize ?? 0)) { sum, dictionary in
            (sum.0 + dictionary.values.count, sum.1 + dictionary.textSize)
        }
        // Together they are bounded as a row is: nulls and views let a few bytes claim many values.
        guard others.0 + values.count <= limits.valuesPerRow, others.1 + textSize <= limits.textPerRow else {
            throw .unsupported("found very large dictionaries", "write the table without them")
        }
        dictionaries[id] = ((kept?.values ?? []) + values, (kept?.textSize ?? 0) + textSize)
    }
}
