import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTables

@Suite("Tables that pyarrow, polars and duckdb wrote give the rows that pyarrow reads")
struct TableGoldenTests {
    @Test("Goldens are there")
    func goldensAreThere() {
        #expect(TableFixture.all.count > 100)
        #expect(TableFixture.all.count { $0.rows == nil } == 7)
    }

    @Test("Every encoding, codec, page version, type and nesting", arguments: TableFixture.all)
    func rowsAreEqual(fixture: TableFixture) throws {
        let (rows, error) = fixture.read()
        guard let expected = fixture.rows else {
            #expect(error?.code == .unsupportedFormat)
            return
        }
        #expect(error == nil)
        #expect(text(rows) == text(expected))
        #expect(try fixture.reader().rowCount == expected.count)
    }

    @Test("A cut file gives right rows, then a typed error on one line", arguments: TableFixture.all)
    func cutFiles(fixture: TableFixture) {
        guard let expected = fixture.rows.map({ text($0) }) else { return }
        for size in fixture.bytes.indices {
            let (rows, error) = fixture.with(Array(fixture.bytes[..<size])).read()
            // Parquet ends with its footer; a stream of Arrow may end behind any message.
            #expect(!fixture.isParquet || error != nil, "\(size) bytes of \(fixture.name)")
            #expect(text(rows) == Array(expected.prefix(rows.count)), "\(size) bytes of \(fixture.name)")
            if let error { #expect(error.isOnOneLine && error.code == .damaged) }
        }
    }

    @Test("A wrong byte anywhere ends in rows or in a typed error on one line", arguments: TableFixture.all)
    func wrongBytes(fixture: TableFixture) {
        var random = SystemSeed(state: 7)
        // Small bounds: one wrong byte makes a run of a hundred million nulls.
        let limits = TableLimits(pageSize: 1 << 20, batchSize: 1 << 22, valuesPerRow: 1 << 14, textPerRow: 1 << 20)
        for _ in 0..<60 {
            var bytes = fixture.bytes
            for _ in 0..<random.next(upTo: 3) + 1 {
                bytes[random.next(upTo: bytes.count)] = UInt8(truncatingIfNeeded: random.next(upTo: 256))
            }
            let damaged = fixture.with(bytes)
            do throws(DataError) {
                var reader = try damaged.reader(limits)
                for _ in 0..<200 { if try reader.next() == nil { break } }
            } catch {
                #expect(error.isOnOneLine)
            }
        }
    }
}

/// Numbers that are the same in every run.
private struct SystemSeed {
    var state: UInt64

    mutating func next(upTo bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }
}
