public import ApusFormats

extension SafetensorsFile {
    /// All values of a tensor, decoded.
    public func floats(_ name: String) throws -> [Float] {
        let shape = entries[name]?.shape ?? []
        let rows = shape.count > 1 ? shape[0] : 1
        var values = [Float](repeating: 0, count: shape.reduce(1, *))
        try values.withUnsafeMutableBufferPointer { try read(name, rows: 0..<rows, into: $0) }
        return values
    }

    /// All values of a 64-bit integer tensor.
    public func integers(_ name: String) throws -> [Int32] {
        let bytes = try readBytes(name)
        return stride(from: 0, to: bytes.count, by: 8).map { at in
            Int32(truncatingIfNeeded: (0..<8).reduce(Int64(0)) { $0 | Int64(bytes[at + $1]) << Int64(8 * $1) })
        }
    }
}
