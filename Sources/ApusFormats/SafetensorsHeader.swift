/// The header of a safetensors file: `u64 length | JSON | data`, every rule of the format checked.
///
/// The JSON maps a name to `{"dtype", "shape", "data_offsets": [begin, end]}`, relative to the end of the header.
/// Tensors must cover the data exactly: no holes, no overlaps, nothing after the last one.
struct SafetensorsHeader {
    var entries: [String: TensorEntry] = [:]
    var metadata: [String: String] = [:]

    /// The reference implementation's limit on the JSON.
    static let lengthLimit = 100_000_000
    /// As many dimensions as PyTorch can hold.
    private static let rankLimit = 64

    /// Parses and checks the header of a whole file.
    init(_ bytes: UnsafeRawBufferPointer, path: String) throws(FormatError) {
        let length = try Self.length(bytes, path: path)
        let json = UnsafeRawBufferPointer(rebasing: bytes[8..<8 + length])
        guard json.first == UInt8(ascii: "{") else {
            throw FormatError(
                .malformed, file: path, "the header does not start with '{'; this is not a safetensors file")
        }
        var reader = JSONReader([UInt8](json))
        do throws(JSONReader.Failure) {
            try parse(&reader, dataStart: 8 + length)
        } catch {
            let message = "the header is not valid at byte \(8 + error.offset): \(error.message); the file is damaged"
            throw FormatError(.malformed, file: path, message)
        }
        try checkSizes(path: path)
        try checkLayout(dataStart: 8 + length, fileCount: bytes.count, path: path)
    }

    private static func length(_ bytes: UnsafeRawBufferPointer, path: String) throws(FormatError) -> Int {
        guard bytes.count >= 8 else {
            throw FormatError(
                .truncated, file: path, "a safetensors file has at least 8 bytes, this one has \(bytes.count)")
        }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(lengthLimit) else {
            let message =
                "the header claims \(length) bytes, the format allows \(lengthLimit); this is not a safetensors file"
            throw FormatError(.malformed, file: path, message)
        }
        guard Int(length) <= bytes.count - 8 else {
            let message = "the header claims \(length) bytes, \(bytes.count - 8) are left; copy the file again"
            throw FormatError(.truncated, file: path, message)
        }
        return Int(length)
    }

    private mutating func parse(_ reader: inout JSONReader, dataStart: Int) throws(JSONReader.Failure) {
        try reader.beginObject()
        while let name = try reader.nextKey() {
            if name == "__metadata__" {
                metadata = try Self.texts(&reader)
            } else {
                entries[name] = try Self.parseEntry(name, &reader, dataStart: dataStart)
            }
        }
        guard reader.peek() == nil else { throw Self.fault(reader, "data after the end of the document") }
    }

    /// An object of texts.
    static func texts(_ reader: inout JSONReader) throws(JSONReader.Failure) -> [String: String] {
        var texts: [String: String] = [:]
        try reader.beginObject()
        while let key = try reader.nextKey() { texts[key] = try reader.string() }
        return texts
    }

    private static func parseEntry(
        _ name: String, _ reader: inout JSONReader, dataStart: Int
    ) throws(JSONReader.Failure) -> TensorEntry {
        var dtype: String?
        var shape: [Int]?
        var offsets: [Int]?
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "dtype": dtype = try reader.string()
            case "shape": shape = try counts(&reader)
            case "data_offsets": offsets = try counts(&reader)
            default: try reader.skipValue()
            }
        }
        guard let dtype, let shape, let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
            throw fault(reader, "tensor '\(name)' needs dtype, shape and data_offsets [begin, end]")
        }
        guard let type = ElementType(safetensors: dtype) else {
            throw fault(reader, "tensor '\(name)' has dtype '\(dtype)', which is not supported")
        }
        let (end, overflow) = offsets[1].addingReportingOverflow(dataStart)
        guard !overflow else { throw fault(reader, "tensor '\(name)' ends beyond 2^63") }
        return TensorEntry(name: name, type: type, shape: shape, byteRange: offsets[0] + dataStart..<end)
    }

    /// Dimensions or offsets.
    static func counts(_ reader: inout JSONReader) throws(JSONReader.Failure) -> [Int] {
        var counts: [Int] = []
        try reader.beginArray()
        while try reader.nextElement() {
            // Each of two bytes would become a number of eight.
            guard counts.count < rankLimit else {
                throw fault(reader, "wanted at most \(rankLimit) numbers, found more")
            }
            counts.append(try count(&reader))
        }
        return counts
    }

    /// A whole number that is not negative.
    static func count(_ reader: inout JSONReader) throws(JSONReader.Failure) -> Int {
        let start = reader.offset
        let text = try reader.number()
        guard text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else {
            throw JSONReader.Failure(offset: start, message: "wanted a non-negative whole number")
        }
        guard let count = Int(text) else { throw JSONReader.Failure(offset: start, message: "number above 2^63") }
        return count
    }

    private static func fault(_ reader: JSONReader, _ message: String) -> JSONReader.Failure {
        JSONReader.Failure(offset: reader.offset, message: message)
    }

    private func checkSizes(path: String) throws(FormatError) {
        for entry in entries.values {
            guard let count = checkedProduct(entry.shape), let bytes = entry.type.byteCount(of: count) else {
                let message =
                    "tensor '\(entry.name)' of shape \(entry.shape) has more than 2^63 bytes; the file is damaged"
                throw FormatError(.malformed, file: path, message)
            }
            guard bytes == entry.byteRange.count else {
                let wanted = "\(entry.type.rawValue) \(entry.shape) needs \(bytes) bytes"
                let found = "its data_offsets hold \(entry.byteRange.count)"
                throw FormatError(
                    .malformed, file: path, "tensor '\(entry.name)': \(wanted), \(found); the file is damaged")
            }
        }
    }

    private func checkLayout(dataStart: Int, fileCount: Int, path: String) throws(FormatError) {
        let ordered = entries.values.sorted {
            ($0.byteRange.lowerBound, $0.byteRange.upperBound) < ($1.byteRange.lowerBound, $1.byteRange.upperBound)
        }
        var position = dataStart
        for entry in ordered {
            guard entry.byteRange.lowerBound == position else {
                let fault =
                    entry.byteRange.lowerBound < position ? "overlaps the tensor before it" : "leaves a hole before it"
                let message =
                    "tensor '\(entry.name)' starts at byte \(entry.byteRange.lowerBound), "
                    + "wanted \(position): it \(fault)"
                throw FormatError(.malformed, file: path, message)
            }
            position = entry.byteRange.upperBound
        }
        guard position <= fileCount else {
            let message = "the tensors need \(position) bytes, the file has \(fileCount); copy the file again"
            throw FormatError(.truncated, file: path, message)
        }
        guard position == fileCount else {
            throw FormatError(
                .malformed, file: path, "\(fileCount - position) bytes follow the last tensor; the file is damaged")
        }
    }
}

/// The product of dimensions, or nil from 2^60 on; an empty shape is a scalar.
func checkedProduct(_ dimensions: [Int]) -> Int? {
    // A zero hides an overflow of the others, so it is left out of the test and put back at the end: a row may have
    // elements where the whole has none, and its bytes, at most eight each, are counted too.
    let limit = 1 << 60
    var product = 1
    for dimension in dimensions where dimension != 0 {
        let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
        guard !overflow, next < limit else { return nil }
        product = next
    }
    return dimensions.contains(0) ? 0 : product
}

extension ElementType {
    /// The type that a safetensors header calls `name`.
    init?(safetensors name: String) {
        guard let type = ElementType(rawValue: name), type.blockElements == 1 else { return nil }
        self = type
    }
}
