/// What precedes the data of a GGUF file:
/// `"GGUF" | u32 version | u64 tensors | u64 pairs | pairs | tensor infos | padding`.
struct GGUFHeader {
    private(set) var metadata: [String: GGUFValue] = [:]
    private(set) var entries: [String: TensorEntry] = [:]

    /// Parses and checks the header of a whole file, versions 2 and 3.
    init(_ bytes: UnsafeRawBufferPointer, path: String) throws(FormatError) {
        var reader = ByteReader(bytes, path: path)
        try Self.checkVersion(&reader)
        // The smallest tensor info is an empty name, no dimensions, a type and an offset; the smallest pair a u8.
        let tensorCount = try reader.count(minimumSize: 24, "a tensor count")
        let pairCount = try reader.count(minimumSize: 13, "a metadata count")
        for _ in 0..<pairCount {
            let key = try reader.string("a metadata key")
            let value = try reader.ggufValue(key)
            guard metadata.updateValue(value, forKey: key) == nil else {
                throw FormatError(.malformed, file: path, "metadata key '\(key)' appears twice; the file is damaged")
            }
        }
        let alignment = try Self.alignment(metadata["general.alignment"], path: path)
        var infos: [TensorInfo] = []
        for _ in 0..<tensorCount { infos.append(try reader.tensorInfo()) }
        try place(infos, after: reader.offset, alignment: alignment, fileCount: bytes.count, path: path)
    }

    private static func checkVersion(_ reader: inout ByteReader) throws(FormatError) {
        let magic = try reader.slice(4, "the magic number")
        guard magic.elementsEqual("GGUF".utf8) else {
            throw FormatError(.malformed, file: reader.path, "does not start with 'GGUF'; this is not a GGUF file")
        }
        let version = try reader.integer(UInt32.self, "the version")
        guard version == 2 || version == 3 else {
            let found = version & 0xFFFF == 0 ? "a big-endian file" : "version \(version)"
            throw FormatError(
                .unsupported, file: reader.path, "wanted GGUF version 2 or 3, found \(found); convert the model again")
        }
    }

    private static func alignment(_ value: GGUFValue?, path: String) throws(FormatError) -> Int {
        guard let value else { return 32 }
        guard let alignment = value.int, alignment > 0, alignment <= 1 << 20, alignment & (alignment - 1) == 0 else {
            throw FormatError(.malformed, file: path, "general.alignment is \(value), wanted a power of two up to 2^20")
        }
        return alignment
    }

    /// Gives every tensor its byte range. As in ggml, tensors follow each other without gaps but the padding.
    private mutating func place(
        _ infos: [TensorInfo], after headerEnd: Int, alignment: Int, fileCount: Int, path: String
    ) throws(FormatError) {
        let dataStart = (headerEnd + alignment - 1) / alignment * alignment
        var position = dataStart
        for info in infos {
            guard info.offset == UInt64(position - dataStart) else {
                let message =
                    "tensor '\(info.name)' lies at offset \(info.offset), "
                    + "wanted \(position - dataStart); the file is damaged"
                throw FormatError(.malformed, file: path, message)
            }
            guard info.byteCount <= fileCount - position else {
                let left = max(0, fileCount - position)
                let message =
                    "tensor '\(info.name)' needs \(info.byteCount) bytes, \(left) are left; copy the file again"
                throw FormatError(.truncated, file: path, message)
            }
            let end = position + info.byteCount
            let entry = TensorEntry(name: info.name, type: info.type, shape: info.shape, byteRange: position..<end)
            guard entries.updateValue(entry, forKey: info.name) == nil else {
                throw FormatError(.malformed, file: path, "tensor '\(info.name)' appears twice; the file is damaged")
            }
            position = (end + alignment - 1) / alignment * alignment
        }
    }
}

/// A tensor as the header describes it, its size already checked.
struct TensorInfo {
    var name: String
    var type: ElementType
    var shape: [Int]
    var byteCount: Int
    var offset: UInt64
}

extension ByteReader {
    /// `string name | u32 n | u64 dims[n] | u32 type | u64 offset`, with the dimensions turned to outermost first.
    fileprivate mutating func tensorInfo() throws(FormatError) -> TensorInfo {
        let name = try string("a tensor name")
        guard name.utf8.count <= 64 else {
            throw FormatError(
                .malformed, file: path, "a tensor name has \(name.utf8.count) bytes, the format allows 64")
        }
        let rank = try integer(UInt32.self, "the rank of '\(name)'")
        guard rank <= 4 else {
            throw FormatError(.malformed, file: path, "tensor '\(name)' has \(rank) dimensions, the format allows 4")
        }
        var dimensions: [Int] = []
        for _ in 0..<rank {
            let dimension = try integer(UInt64.self, "the dimensions of '\(name)'")
            guard let dimension = Int(exactly: dimension) else { throw tooLarge(name) }
            dimensions.append(dimension)
        }
        let type = try ElementType(ggml: integer(UInt32.self, "the type of '\(name)'"), tensor: name, path: path)
        let offset = try integer(UInt64.self, "the offset of '\(name)'")
        let rowLength = dimensions.first ?? 1
        guard rowLength % type.blockElements == 0 else {
            let message =
                "rows of '\(name)' have \(rowLength) elements, "
                + "\(type.rawValue) needs a multiple of \(type.blockElements)"
            throw FormatError(.malformed, file: path, message)
        }
        guard let count = checkedProduct(dimensions), let bytes = type.byteCount(of: count) else {
            throw tooLarge(name)
        }
        return TensorInfo(name: name, type: type, shape: dimensions.reversed(), byteCount: bytes, offset: offset)
    }

    private func tooLarge(_ name: String) -> FormatError {
        FormatError(.malformed, file: path, "tensor '\(name)' has more than 2^63 bytes; the file is damaged")
    }
}
