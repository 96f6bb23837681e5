/// What stands before a page (parquet-format, `PageHeader`).
struct PageHeader {
    /// What a page holds.
    enum Kind: Int {
        case data, index, dictionary, dataV2
    }

    private(set) var kind = Kind.data
    /// Bytes of the page once it is decompressed.
    private(set) var size = 0
    /// Bytes of the page in the file.
    private(set) var compressedSize = 0
    /// Values, nulls among them.
    private(set) var valueCount = 0
    private(set) var encoding = 0
    private(set) var definitionEncoding = Encoding.runs.rawValue
    private(set) var repetitionEncoding = Encoding.runs.rawValue
    /// Of a page of version 2, bytes of its levels.
    private(set) var definitionSize = 0
    private(set) var repetitionSize = 0
    private(set) var isCompressed = true

    init(_ reader: inout ThriftReader) throws(TableFailure) {
        var fields = try reader.structure()
        var code = -1
        var hasBody = false
        while let field = try reader.next(&fields) {
            switch field.id {
            case 1: code = try reader.integer(field)
            case 2: size = Int(try reader.integer(field, as: Int32.self))
            case 3: compressedSize = Int(try reader.integer(field, as: Int32.self))
            case 5 where field.kind == .structure, 7 where field.kind == .structure:
                hasBody = true
                try readBody(&reader)
            case 8 where field.kind == .structure:
                hasBody = true
                try readBodyV2(&reader)
            default: try reader.skip(field)
            }
        }
        guard let known = Kind(rawValue: code) else {
            throw .damaged(wanted: "a page of type 0 to 3", found: "type \(code)")
        }
        kind = known
        guard size >= 0, compressedSize >= 0, hasBody || kind == .index else {
            throw .damaged(wanted: "the header of a page", found: "one without its sizes")
        }
    }

    private mutating func readBody(_ reader: inout ThriftReader) throws(TableFailure) {
        var fields = try reader.structure()
        while let field = try reader.next(&fields) {
            switch field.id {
            case 1: valueCount = try count(&reader, field)
            case 2: encoding = try reader.integer(field)
            // The header of a dictionary has a boolean here.
            case 3 where field.kind == .int32: definitionEncoding = try reader.integer(field)
            case 4: repetitionEncoding = try reader.integer(field)
            default: try reader.skip(field)
            }
        }
    }

    private mutating func readBodyV2(_ reader: inout ThriftReader) throws(TableFailure) {
        var fields = try reader.structure()
        while let field = try reader.next(&fields) {
            switch field.id {
            case 1: valueCount = try count(&reader, field)
            case 4: encoding = try reader.integer(field)
            case 5: definitionSize = try count(&reader, field)
            case 6: repetitionSize = try count(&reader, field)
            case 7: isCompressed = try reader.bool(field)
            default: try reader.skip(field)
            }
        }
    }

    private func count(_ reader: inout ThriftReader, _ field: ThriftReader.Field) throws(TableFailure) -> Int {
        let value = try reader.integer(field, as: Int32.self)
        guard value >= 0 else { throw .damaged(wanted: "a count of a page", found: "\(value)") }
        return Int(value)
    }
}

/// How the values of a page are written (parquet-format, Encodings.md).
enum Encoding: Int {
    case plain = 0
    case plainDictionary = 2
    case runs = 3
    case bitPacked = 4
    case delta = 5
    case deltaLength = 6
    case deltaBytes = 7
    case dictionary = 8
    case byteStreamSplit = 9

    init(code: Int) throws(TableFailure) {
        guard let known = Encoding(rawValue: code) else {
            throw .unsupported(
                "found a page of the unknown encoding \(code)", "write the file again with other settings")
        }
        self = known
    }

    var name: String {
        switch self {
        case .plain: "PLAIN"
        case .plainDictionary: "PLAIN_DICTIONARY"
        case .runs: "RLE"
        case .bitPacked: "BIT_PACKED"
        case .delta: "DELTA_BINARY_PACKED"
        case .deltaLength: "DELTA_LENGTH_BYTE_ARRAY"
        case .deltaBytes: "DELTA_BYTE_ARRAY"
        case .dictionary: "RLE_DICTIONARY"
        case .byteStreamSplit: "BYTE_STREAM_SPLIT"
        }
    }
}
