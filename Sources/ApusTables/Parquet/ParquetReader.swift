import ApusFormats

/// Rows of a Parquet file (github.com/apache/parquet-format, 2.12), read row group by row group and in it page by page:
/// of each column one page is held, decompressed, with its dictionary. What becomes of the types is told at ``ColumnType``.
///
/// Not read, and refused by name: encrypted files, Brotli and LZO, intervals, variants and geometries, structs without
/// fields, and values of fixed length 0. Checksums of pages are not compared.
package struct ParquetReader: RowReader {
    package let rowCount: Int?
    package var reasonForNoRows: String { "the table has no rows" }

    /// The columns with their types: `question: text`, `messages: list of {role: text, content: text}`.
    package var columns: [(name: String, type: String)] {
        schema.fields.map { ($0.name, $0.typeName(schema.leaves)) }
    }

    private let file: String
    private let source: TableBytes
    private let metadata: FileMetadata
    private let schema: ParquetSchema
    private let limits: TableLimits
    /// The fields that are read.
    private let fields: [ParquetField]
    private var assembler: RowAssembler
    private var groupOffset: Int
    private var group = -1
    private var leftInGroup = 0
    private var row = 0
    /// The bytes of the row group at hand.
    private var groupBytes = 0..<0

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
        let metadata: FileMetadata
        do throws(TableFailure) {
            metadata = try source.withBytes { (bytes) throws(TableFailure) in try FileMetadata(bytes) }
            schema = try ParquetSchema(metadata.schema)
        } catch {
            throw error.located(file: file, nil)
        }
        self.file = file
        self.source = source
        self.metadata = metadata
        self.limits = limits
        fields = try schema.fields.selected(columns, file: file) { $0.name }
        // Without a column there is nothing to tell rows apart by.
        rowCount = fields.isEmpty ? 0 : metadata.rowCount
        groupOffset = metadata.groupsOffset
        assembler = RowAssembler(leafCount: schema.leaves.count, limits)
    }

    /// The next row; nil after the last one.
    ///
    /// - Throws: ``DataError`` naming the row group, the column and the page.
    package mutating func next() throws(DataError) -> Row? {
        while leftInGroup == 0 {
            guard try beginGroup() else { return nil }
        }
        leftInGroup -= 1
        row += 1
        let value = try assembler.row(fields)
        return try Row(value, at: RowPlace(file: file, .row(row)))
    }

    private mutating func beginGroup() throws(DataError) -> Bool {
        try assembler.checkEnd(fields)
        source.discard(groupBytes)
        group += 1
        guard group < metadata.groupCount, !fields.isEmpty else {
            guard row == rowCount else {
                let failure = TableFailure.damaged(wanted: "\(rowCount ?? 0) rows, as the footer says", found: "\(row)")
                throw failure.located(file: file, nil)
            }
            group = metadata.groupCount
            return false
        }
        let rowGroup: RowGroup
        do throws(TableFailure) { rowGroup = try readGroup() } catch {
            throw error.located(file: file, .part(group: group))
        }
        for leaf in fields.flatMap({ Array($0.leaves) }) {
            assembler.cursors[leaf] = try ColumnCursor(
                rowGroup.columns[leaf], schema.leaves[leaf], group: group, of: source, file: file,
                end: metadata.footer.lowerBound, limits)
        }
        leftInGroup = rowGroup.rowCount
        return true
    }

    private mutating func readGroup() throws(TableFailure) -> RowGroup {
        let offset = groupOffset
        let footer = metadata.footer
        let (rowGroup, next) = try source.withBytes { (bytes) throws(TableFailure) in
            var reader = ThriftReader(bytes.part(0..<footer.upperBound), at: offset)
            let rowGroup = try RowGroup(&reader)
            return (rowGroup, reader.offset)
        }
        guard rowGroup.columns.count == schema.leaves.count else {
            throw .damaged(wanted: "\(schema.leaves.count) columns in a row group", found: "\(rowGroup.columns.count)")
        }
        guard rowGroup.rowCount <= metadata.rowCount - row else {
            throw .damaged(
                wanted: "\(metadata.rowCount) rows in all row groups", found: "\(rowGroup.rowCount) after \(row)")
        }
        groupOffset = next
        let starts = rowGroup.columns.map(\.offset)
        let ends = rowGroup.columns.map { min($0.offset, footer.lowerBound) + min($0.size, footer.lowerBound) }
        groupBytes = (starts.min() ?? 0)..<max(starts.min() ?? 0, ends.max() ?? 0)
        return rowGroup
    }
}

extension Array {
    /// The elements with some names, in their own order; all for nil.
    ///
    /// - Throws: ``DataError`` with code `missingColumn`.
    func selected(
        _ names: [String]?, file: String, _ name: (Element) -> String
    ) throws(DataError) -> [Element] {
        guard let names else { return self }
        let known = map(name)
        for wanted in names where !known.contains(wanted) {
            let found = known.prefix(20).map { $0.inMessage }.joined(separator: ", ")
            throw DataError(
                .missingColumn, file: file, message: "wanted the column '\(wanted.inMessage)', found \(found)")
        }
        return filter { names.contains(name($0)) }
    }
}
