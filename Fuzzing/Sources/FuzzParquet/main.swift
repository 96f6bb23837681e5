import FuzzDriver

@testable import ApusTables

fuzz { start, count in
    let bytes = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    exerciseRows(upTo: 1000) { () throws(DataError) in
        let reader = try ParquetReader(.memory(bytes), file: "input", smallTables)
        for column in reader.columns { precondition(!column.type.isEmpty) }
        return reader
    }
    return 0
}
