/// The end of a Parquet file: what columns there are, and where each row group is described (parquet-format, `FileMetaData`).
///
/// Row groups are read from the footer when their turn comes: a file may have more of them than rows.
struct FileMetadata {
    private(set) var schema: [SchemaElement] = []
    /// The rows of all row groups.
    private(set) var rowCount = 0
    private(set) var groupCount = 0
    /// Where in the file the first row group is described.
    private(set) var groupsOffset = 0
    /// Where the footer begins, before which all pages end.
    private(set) var footer = 0..<0

    private static let magic = 0x3152_4150
    private static let encryptedMagic = 0x4552_4150
    private static let frame = 8

    init(_ bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        footer = try Self.footer(of: bytes)
        var reader = ThriftReader(bytes.part(0..<footer.upperBound), at: footer.lowerBound)
        var fields = try reader.structure()
        while let field = try reader.next(&fields) {
            switch field.id {
            case 2:
                let count = try TableLimits.checkedFields(reader.structures(field))
                for _ in 0..<count { schema.append(try SchemaElement(&reader)) }
            case 3: rowCount = try reader.count(field)
            case 4:
                groupCount = try reader.structures(field)
                groupsOffset = reader.offset
                for _ in 0..<groupCount { try reader.skip(.init(id: 0, kind: .structure)) }
            default: try reader.skip(field)
            }
        }
        guard !schema.isEmpty else { throw .damaged(wanted: "a schema in the footer", found: "none") }
    }

    private static func footer(of bytes: UnsafeRawBufferPointer) throws(TableFailure) -> Range<Int> {
        guard bytes.count >= 12 else {
            throw .damaged(wanted: "a Parquet file of 12 bytes or more", found: "\(bytes.count) bytes")
        }
        let first = Int(bytes.littleEndian(at: 0, as: UInt32.self))
        let last = Int(bytes.littleEndian(at: bytes.count - 4, as: UInt32.self))
        if first == encryptedMagic || last == encryptedMagic {
            throw .unsupported("found an encrypted Parquet file", "write it again without encryption")
        }
        guard first == magic else {
            throw .damaged(wanted: "a Parquet file, which begins with PAR1", found: "other bytes")
        }
        guard last == magic else {
            throw .damaged(wanted: "a Parquet file, which ends with PAR1", found: "other bytes at its end")
        }
        let length = Int(bytes.littleEndian(at: bytes.count - frame, as: UInt32.self))
        guard length <= bytes.count - 4 - frame else {
            throw .damaged(wanted: "a footer inside the file's \(bytes.count) bytes", found: "one of \(length)")
        }
        return bytes.count - frame - length..<bytes.count - frame
    }
}

/// Rows that are stored together, column after column (parquet-format, `RowGroup`).
struct RowGroup {
    private(set) var columns: [ColumnChunk] = []
    private(set) var rowCount = 0

    /// Reads the group that stands at the reader's position.
    init(_ reader: inout ThriftReader) throws(TableFailure) {
        var fields = try reader.structure()
        while let field = try reader.next(&fields) {
            switch field.id {
            case 1:
                let count = try TableLimits.checkedFields(reader.structures(field))
                for _ in 0..<count { columns.append(try ColumnChunk(&reader)) }
            case 3: rowCount = try reader.count(field)
            default: try reader.skip(field)
            }
        }
    }
}

/// The pages of one column in one row group (parquet-format, `ColumnChunk` and `ColumnMetaData`).
struct ColumnChunk {
    private(set) var physicalType: PhysicalType?
    private(set) var codec = 0
    /// Values, nulls among them.
    private(set) var valueCount = 0
    private(set) var size = 0
    private(set) var dataOffset = 0
    private(set) var dictionaryOffset: Int?
    private(set) var isEncrypted = false
    /// Another file that holds the pages; nil for this one.
    private(set) var path: String?
    private(set) var hasMetadata = false

    /// Where the first page of the chunk is.
    var offset: Int {
        // Some writers set 0 for no dictionary.
        guard let dictionaryOffset, dictionaryOffset > 0 else { return dataOffset }
        return min(dictionaryOffset, dataOffset)
    }

    init(_ reader: inout ThriftReader) throws(TableFailure) {
        var fields = try reader.structure()
        while let field = try reader.next(&fields) {
            switch field.id {
            case 1:
                let name = try reader.string(field)
                path = name.isEmpty ? nil : name
            case 3 where field.kind == .structure: try readMetadata(&reader)
            case 8:
                isEncrypted = true
                try reader.skip(field)
            default: try reader.skip(field)
            }
        }
        guard hasMetadata || isEncrypted else {
            throw .damaged(wanted: "a description of every column of a row group", found: "none")
        }
    }

    private mutating func readMetadata(_ reader: inout ThriftReader) throws(TableFailure) {
        var fields = try reader.structure()
        while let field = try reader.next(&fields) {
            switch field.id {
            case 1: physicalType = try PhysicalType(code: reader.integer(field))
            case 4: codec = try reader.integer(field)
            case 5: valueCount = try reader.count(field)
            case 7: size = try reader.count(field)
            case 9: dataOffset = try reader.count(field)
            case 11: dictionaryOffset = try reader.count(field)
            default: try reader.skip(field)
            }
        }
        hasMetadata = true
    }
}

extension Codec {
    /// The codec of a Parquet number (parquet-format, `CompressionCodec`).
    init(parquetCode: Int) throws(TableFailure) {
        switch parquetCode {
        case 0: self = .uncompressed
        case 1: self = .snappy
        case 2: self = .gzip
        case 5: self = .lz4Hadoop
        case 6: self = .zstd
        case 7: self = .lz4Block
        default:
            let name = [3: "LZO", 4: "Brotli"][parquetCode] ?? "of the unknown number \(parquetCode)"
            throw .unsupported("found pages compressed by a codec \(name)", "write the file again with zstd or snappy")
        }
    }
}
