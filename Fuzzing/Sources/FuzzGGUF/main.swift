import FuzzDriver

@testable import ApusFormats

fuzz { start, count in
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    expectOneLine { () throws(FormatError) in
        let header = try GGUFHeader(bytes, path: "input")
        try MemorySource(header.entries, in: bytes).readAll()
        for value in header.metadata.values { _ = (value.ints, value.floats, value.strings, value.bools) }
    }
    return 0
}
