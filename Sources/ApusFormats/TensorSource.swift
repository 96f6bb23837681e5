/// Where a named tensor lies in its file and how it is encoded.
public struct TensorEntry: Sendable, Equatable {
    /// The name in the file.
    public let name: String
    /// The encoding of its elements.
    public let type: ElementType
    /// Dimensions, outermost first: a weight matrix is `[out, in]`, a scalar `[]`.
    public let shape: [Int]
    /// The bytes in the file that holds it.
    public let byteRange: Range<Int>

    /// The number of rows that `TensorSource.read` can be asked for: the first dimension of a matrix, 1 for a vector.
    public var rowCount: Int { shape.count < 2 ? 1 : shape[0] }

    /// Elements in a row: the product of all dimensions but the first, or the length of a vector.
    public var rowLength: Int { shape.count < 2 ? shape.first ?? 1 : shape.dropFirst().reduce(1, *) }

    /// Elements in the whole tensor.
    public var elementCount: Int { rowCount * rowLength }
}

/// Anything that holds named tensors: one safetensors file, a sharded folder, a GGUF file.
public protocol TensorSource: AnyObject, Sendable {
    /// The file or folder, as it was given; error messages name it.
    var path: String { get }

    /// Every tensor by name.
    var entries: [String: TensorEntry] { get }

    /// The files that hold them, in a fixed order.
    var files: [MappedFile] { get }

    /// Decodes rows of a tensor to fp32.
    ///
    /// - Parameters:
    ///   - name: A key of `entries`.
    ///   - rows: Rows to decode, within `0..<rowCount`.
    ///   - destination: Room for exactly `rows.count * rowLength` floats, row-major.
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    func read(_ name: String, rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws(FormatError)

    /// The bytes of a tensor as they are stored.
    ///
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    func readBytes(_ name: String) throws(FormatError) -> [UInt8]

    /// Releases the resident file pages of a tensor; it can still be read again.
    func discardPages(of name: String)
}

extension TensorSource {
    /// The entry of a tensor that must be there.
    ///
    /// - Throws: `FormatError` with code `missing`.
    public func entry(_ name: String) throws(FormatError) -> TensorEntry {
        guard let entry = entries[name] else {
            throw FormatError(
                .missing, file: path, "tensor '\(name)' is not in the file (it holds \(entries.count) tensors)")
        }
        return entry
    }

    /// A whole tensor decoded to fp32, row-major.
    ///
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    public func readFloats(_ name: String) throws(FormatError) -> [Float] {
        let entry = try entry(name)
        var failure: FormatError?
        let values = [Float](unsafeUninitializedCapacity: entry.elementCount) { buffer, count in
            do throws(FormatError) {
                try read(
                    name, rows: 0..<entry.rowCount,
                    into: UnsafeMutableBufferPointer(rebasing: buffer[..<entry.elementCount]))
                count = entry.elementCount
            } catch {
                failure = error
                count = 0
            }
        }
        if let failure { throw failure }
        return values
    }
}

extension MappedFile {
    /// Decodes rows of an entry whose byte range was checked against this file when its header was read.
    func decode(_ entry: TensorEntry, rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) {
        withBytes { $0.decode(entry, rows: rows, into: destination) }
    }

    /// The stored bytes of an entry of this file.
    func bytes(of entry: TensorEntry) -> [UInt8] {
        withBytes { [UInt8](UnsafeRawBufferPointer(rebasing: $0[entry.byteRange])) }
    }
}

extension UnsafeRawBufferPointer {
    /// Decodes rows of an entry of the file that these bytes are.
    func decode(_ entry: TensorEntry, rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) {
        let rowLength = entry.rowLength
        precondition(rows.lowerBound >= 0 && rows.upperBound <= entry.rowCount, "rows \(rows) of \(entry)")
        precondition(
            destination.count == rows.count * rowLength,
            "room for \(destination.count) floats, rows \(rows) of \(entry)")
        guard let rowBytes = entry.type.byteCount(of: rowLength) else {
            preconditionFailure("a row of \(entry) is not a whole number of blocks")
        }
        guard let source = baseAddress, let target = destination.baseAddress else { return }
        let first = entry.byteRange.lowerBound + rows.lowerBound * rowBytes
        entry.type.decode(source + first, count: destination.count, into: target)
    }
}
