import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTables

@Suite("Tables are read by name, by column, and refused with their place")
struct TableReaderTests {
    private func write(_ name: String, to folder: TemporaryFolder, as file: String) throws -> String {
        try folder.write(Data(TableFixture.named(name).bytes), as: file)
    }

    @Test("Files are told by their extension, and rows know their number")
    func filesByExtension() throws {
        let folder = try TemporaryFolder()
        for (name, file) in [("row groups.parquet", "a.parquet"), ("many batches.arrow", "b.ARROW")] {
            let fixture = try TableFixture.named(name)
            var reader = try RowFile.reader(try write(name, to: folder, as: file))
            #expect(reader.rowCount == fixture.rows?.count)
            let first = try #require(try reader.next())
            #expect(first.place.position == .row(1) && first.value == fixture.rows?.first)
            #expect(try reader.next()?.place.position == .row(2))
        }
    }

    @Test("Columns are listed with their types")
    func columnsAreListed() throws {
        let folder = try TemporaryFolder()
        let parquet = try ParquetReader(path: write("polars zstd.parquet", to: folder, as: "a.parquet"))
        #expect(
            parquet.columns.map { "\($0.name): \($0.type)" } == [
                "text: text", "int64: int64", "date: date", "messages: list of {role: text, content: text}",
                "ints: list of int32",
            ])
        let arrow = try ArrowReader(path: write("nested.arrow", to: folder, as: "b.arrow"))
        #expect(arrow.columns.contains { $0.name == "map" && $0.type == "list of {key: text, value: int64}" })
        #expect(arrow.columns.contains { $0.name == "vector" && $0.type == "list of float32" })
    }

    @Test("Only the columns that are wanted are read", arguments: ["row groups.parquet", "many batches.arrow"])
    func someColumns(name: String) throws {
        let fixture = try TableFixture.named(name)
        var reader: any RowReader =
            fixture.isParquet
            ? try ParquetReader(.memory(fixture.bytes), file: name, columns: ["ints"])
            : try ArrowReader(.memory(fixture.bytes), file: name, columns: ["ints"])
        for row in fixture.rows ?? [] {
            let read = try #require(try reader.next()).value
            #expect(read["ints"] == row["ints"] && read.members?.count == 1)
        }
        #expect(try reader.next() == nil)
        #expect(throws: DataError.self) {
            try ParquetReader(.memory(TableFixture.named("row groups.parquet").bytes), file: "a", columns: ["inst"])
        }
    }

    @Test("A column that cannot be read does not keep others from being read")
    func refusedColumnsMayBeLeftOut() throws {
        let fixture = try TableFixture.named("odd interval.parquet")
        let (rows, error) = fixture.read()
        #expect(rows.isEmpty && error?.code == .unsupportedFormat)
        #expect(error?.description.contains("row group 0: column 'i': page 0: found a column of type interval") == true)
    }

    @Test("An empty table says why it has no row", arguments: ["empty.parquet", "empty.arrow", "odd no_rows.parquet"])
    func emptyTables(name: String) throws {
        let folder = try TemporaryFolder()
        let path = try write(name, to: folder, as: name)
        var reader = try RowFile.reader(path)
        #expect(try reader.next() == nil)
        #expect(reader.reasonForNoRows == "the table has no rows")
    }

    @Test(
        "What is refused is refused by its name",
        arguments: [
            ("odd codec_brotli.parquet", "Brotli"), ("odd codec_lzo.parquet", "LZO"),
            ("odd encrypted_column.parquet", "an encrypted column"),
            ("odd encrypted_footer.parquet", "encrypted Parquet"),
            ("odd other_file.parquet", "in another file"), ("odd bytes_that_are_no_text.parquet", "no text"),
        ])
    func refusals(name: String, found: String) throws {
        let error = try #require(TableFixture.named(name).read().error)
        #expect(error.code == .unsupportedFormat && error.message.contains(found))
    }

    @Test("Other files under a table's name are refused in a sentence")
    func otherFiles() throws {
        let folder = try TemporaryFolder()
        for (text, name, found) in [
            ("", "a.parquet", "found 0 bytes"), ("{\"question\": 1, \"answer\": 2}", "b.parquet", "begins with PAR1"),
            ("", "a.arrow", "no message"), ("FEA1....", "b.arrow", "version 1"), ("{\"a\": 1}", "c.arrow", "a header"),
            ("ARROW1\0\0and then nothing", "d.arrow", "ends with ARROW1"),
        ] {
            let path = try folder.write(Data(text.utf8), as: name)
            let error = #expect(throws: DataError.self) { try RowFile.reader(path) }
            #expect(error?.description.contains(found) == true, "\(error?.description ?? "")")
        }
        let error = #expect(throws: DataError.self) { try RowFile.reader("/nowhere/a.parquet") }
        #expect(error?.code == .unreadable)
    }

    @Test("A few bytes cannot claim a row of very many values")
    func rowsAreBounded() throws {
        let limits = TableLimits(valuesPerRow: 3)
        for name in ["ints plain.parquet", "many batches.arrow"] {
            let error = try #require(TableFixture.named(name).read(limits).error)
            #expect(error.code == .unsupportedFormat && error.message.contains("values in lists"))
        }
    }

    @Test("A page above the limit is refused before memory is taken for it")
    func pagesAreBounded() throws {
        let limits = TableLimits(pageSize: 16)
        for name in ["snappy v1.0.parquet", "zstd True.arrow"] {
            let error = try #require(TableFixture.named(name).read(limits).error)
            #expect(error.code == .unsupportedFormat && error.message.contains("over the limit of 16"))
        }
    }
}
