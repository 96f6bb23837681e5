import FuzzDriver

@testable import ApusTables

/// As in a run but smaller: no allocation may be above a megabyte here, and rows of nulls take no bytes of the input.
let limits = TableLimits(pageSize: 1 << 16, batchSize: 1 << 18, valuesPerRow: 1 << 12, textPerRow: 1 << 16)

fuzz { start, count in
    let bytes = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    do throws(DataError) {
        var reader = try ParquetReader(.memory(bytes), file: "input", limits)
        for column in reader.columns { precondition(!column.type.isEmpty) }
        for _ in 0..<1000 { guard try reader.next() != nil else { break } }
    } catch {
        precondition(!error.description.utf8.contains(UInt8(ascii: "\n")), "an error of several lines")
        precondition(error.description.utf8.count < 1000, "an error of many words")
    }
    return 0
}
