import ApusFormats

@testable package import ApusTables

/// As in a run but smaller: no allocation may be above a megabyte here.
package let smallTables = TableLimits(
    pageSize: 1 << 16, batchSize: 1 << 18, valuesPerRow: 1 << 12, textPerRow: 1 << 16)

/// Reads the rows of an input, which may be refused in one line.
///
/// - Parameter limit: where an input can ask for more rows than it has bytes.
package func exerciseRows(upTo limit: Int = .max, _ open: () throws(DataError) -> any RowReader) {
    do throws(DataError) {
        var reader = try open()
        var rows = 0
        while rows < limit, let row = try reader.next() {
            rows += 1
            precondition(row.value.members != nil)
        }
        if rows < limit, let count = reader.rowCount { precondition(count == rows, "\(rows) of \(count) rows") }
        if rows == 0 { precondition(!reader.reasonForNoRows.isEmpty) }
    } catch {
        precondition(!error.description.utf8.contains(UInt8(ascii: "\n")), "an error of several lines")
        precondition(error.description.utf8.count < 2000, "an error of many words")
    }
}
