import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTables

/// A small table that another program wrote, with the rows that pyarrow reads from it (parquet_golden.py).
struct TableFixture: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    /// Nil where the file is to be refused by name.
    let rows: [JSONValue]?

    var testDescription: String { name }
    var isParquet: Bool { name.hasSuffix(".parquet") }

    static let all: [TableFixture] = {
        guard let bytes = try? [UInt8](Fixture.data("tables/tables.bin")),
            let list = try? JSONValue(json: Fixture.data("tables/tables.json"))
        else { return [] }
        return (list.array ?? []).compactMap { entry in
            guard let name = entry["name"]?.string, let offset = entry["offset"]?.integer,
                let size = entry["size"]?.integer
            else { return nil }
            return TableFixture(name: name, bytes: Array(bytes[offset..<offset + size]), rows: entry["rows"]?.array)
        }
    }()

    static func named(_ name: String) throws -> TableFixture { try #require(all.first { $0.name == name }) }

    func reader(_ limits: TableLimits = TableLimits()) throws(DataError) -> any RowReader {
        if isParquet { return try ParquetReader(.memory(bytes), file: name, limits) }
        return try ArrowReader(.memory(bytes), file: name, limits)
    }

    /// The rows up to the end or to what is wrong.
    func read(_ limits: TableLimits = TableLimits()) -> (rows: [JSONValue], error: DataError?) {
        var rows: [JSONValue] = []
        do throws(DataError) {
            var reader = try reader(limits)
            while let row = try reader.next() { rows.append(row.value) }
            return (rows, nil)
        } catch {
            return (rows, error)
        }
    }

    /// The same table of other bytes.
    func with(_ bytes: [UInt8]) -> TableFixture { TableFixture(name: name, bytes: bytes, rows: rows) }
}

extension DataError {
    /// Whether the message keeps to one line.
    var isOnOneLine: Bool { !description.contains { $0.isNewline } }
}

/// Rows as text, which tells whole numbers from others and one order of keys from another.
func text(_ rows: some Sequence<JSONValue>) -> [String] { rows.map { JSONWriter.ordered.write($0) } }
