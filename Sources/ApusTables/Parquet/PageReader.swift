/// A page of values, decompressed: its levels and values are ranges of ``PageReader/page``.
struct DataPage {
    let valueCount: Int
    var repetition: LevelDecoder
    var definition: LevelDecoder
    var values: ValueDecoder
}

/// The pages of a column chunk, one after another; one is held at a time, decompressed.
struct PageReader {
    private let leaf: ParquetLeaf
    private let codec: Codec
    private let limits: TableLimits
    /// Where the next page begins, and where all pages of the file end.
    private var offset: Int
    private let end: Int
    /// Pages that were begun, for messages.
    private(set) var number = -1
    /// The bytes of the page at hand.
    let page: ByteBuffer

    init(
        _ chunk: ColumnChunk, _ leaf: ParquetLeaf, end: Int, page: ByteBuffer, _ limits: TableLimits
    ) throws(TableFailure) {
        guard !chunk.isEncrypted else {
            throw .unsupported("found an encrypted column", "leave it out, or write the file without encryption")
        }
        guard chunk.path == nil else {
            throw .unsupported("found a column whose pages are in another file", "write the table as one file")
        }
        guard chunk.physicalType == leaf.physicalType else {
            throw .damaged(
                wanted: "values of type \(leaf.physicalType.name)", found: chunk.physicalType?.name ?? "none")
        }
        guard chunk.offset < end || chunk.valueCount == 0 else {
            throw .damaged(wanted: "pages before byte \(end)", found: "their beginning at byte \(chunk.offset)")
        }
        codec = try Codec(parquetCode: chunk.codec)
        offset = min(chunk.offset, end)
        self.leaf = leaf
        self.end = end
        self.page = page
        self.limits = limits
    }

    /// Reads the next page of values, and the dictionary where one stands before it.
    mutating func next(
        _ file: UnsafeRawBufferPointer, dictionary: inout PageDictionary?
    ) throws(TableFailure) -> DataPage {
        while true {
            number += 1
            var reader = ThriftReader(file.part(0..<end), at: offset)
            let header = try PageHeader(&reader)
            guard header.compressedSize <= end - reader.offset else {
                throw .damaged(
                    wanted: "a page of \(header.compressedSize) bytes",
                    found: "\(end - reader.offset) before the footer")
            }
            let range = reader.offset..<reader.offset + header.compressedSize
            offset = range.upperBound
            let bytes = file.part(range)
            switch header.kind {
            case .index: continue
            case .dictionary: dictionary = try readDictionary(header, bytes)
            case .data: return try dataPage(header, bytes)
            case .dataV2: return try dataPageV2(header, bytes)
            }
        }
    }

    private func readDictionary(
        _ header: PageHeader, _ bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) -> PageDictionary {
        let encoding = try Encoding(code: header.encoding)
        guard encoding == .plain || encoding == .plainDictionary else {
            throw .unsupported("found a dictionary in the encoding \(encoding.name)", "write the file again")
        }
        try fill(bytes, 0..<0, header.size, codec)
        return try page.withBytes { (bytes) throws(TableFailure) in
            try PageDictionary(leaf, count: header.valueCount, bytes)
        }
    }

    private func dataPage(_ header: PageHeader, _ bytes: UnsafeRawBufferPointer) throws(TableFailure) -> DataPage {
        try fill(bytes, 0..<0, header.size, codec)
        return try page.withBytes { (bytes) throws(TableFailure) in
            var offset = 0
            let repetition = try LevelDecoder(
                highest: leaf.repetition, encoding: header.repetitionEncoding, count: header.valueCount, bytes,
                at: &offset)
            let definition = try LevelDecoder(
                highest: leaf.definition, encoding: header.definitionEncoding, count: header.valueCount, bytes,
                at: &offset)
            return DataPage(
                valueCount: header.valueCount, repetition: repetition, definition: definition,
                values: try values(header, offset..<bytes.count, bytes))
        }
    }

    /// Levels stand before the values and are never compressed.
    private func dataPageV2(_ header: PageHeader, _ bytes: UnsafeRawBufferPointer) throws(TableFailure) -> DataPage {
        let levels = header.repetitionSize + header.definitionSize
        guard levels <= bytes.count, levels <= header.size else {
            throw .damaged(wanted: "\(levels) bytes of levels", found: "a page of \(min(bytes.count, header.size))")
        }
        try fill(bytes, 0..<levels, header.size, header.isCompressed ? codec : .uncompressed)
        return try page.withBytes { (bytes) throws(TableFailure) in
            DataPage(
                valueCount: header.valueCount,
                repetition: try LevelDecoder(highest: leaf.repetition, 0..<header.repetitionSize),
                definition: try LevelDecoder(highest: leaf.definition, header.repetitionSize..<levels),
                values: try values(header, levels..<bytes.count, bytes))
        }
    }

    private func values(
        _ header: PageHeader, _ range: Range<Int>, _ bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) -> ValueDecoder {
        let encoding = try Encoding(code: header.encoding)
        // A page of nulls may have no values at all, whose decoders would miss their heads.
        guard !range.isEmpty else { return .plain(PlainDecoder(range, leaf.physicalType, length: leaf.length)) }
        return try ValueDecoder(encoding, leaf, range, bytes)
    }

    /// Makes the page of bytes that stay as they are and of others that are decompressed.
    private func fill(
        _ bytes: UnsafeRawBufferPointer, _ plain: Range<Int>, _ size: Int, _ codec: Codec
    ) throws(TableFailure) {
        let rest = bytes.part(plain.upperBound..<bytes.count)
        // A page of nulls only may be written without a stream.
        let codec = rest.isEmpty && size == plain.count ? .uncompressed : codec
        try codec.check(size - plain.count, from: rest.count, limits)
        page.reserve(size)
        try page.withMutableBytes { (target) throws(TableFailure) in
            target.copyBytes(from: bytes.part(plain))
            try codec.decompress(rest, into: UnsafeMutableRawBufferPointer(rebasing: target[plain.upperBound...]))
        }
    }
}
