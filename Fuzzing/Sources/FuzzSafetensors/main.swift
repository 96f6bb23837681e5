import FuzzDriver

@testable import ApusFormats

fuzz { start, count in
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    expectOneLine { () throws(FormatError) in
        try MemorySource(SafetensorsHeader(bytes, path: "input").entries, in: bytes).readAll()
    }
    return 0
}
