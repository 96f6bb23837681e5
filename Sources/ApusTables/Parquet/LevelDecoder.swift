/// The definition or the repetition levels of a page.
enum LevelDecoder {
    /// All are 0, and take no bytes.
    case none
    case runs(HybridDecoder)
    case packed(BitPackedDecoder)

    /// The levels of a page of version 1, of which some bytes at `offset` are theirs; it moves behind them.
    init(
        highest: Int, encoding: Int, count: Int, _ bytes: UnsafeRawBufferPointer, at offset: inout Int
    ) throws(TableFailure) {
        guard highest > 0 else {
            self = .none
            return
        }
        let width = Self.width(highest)
        switch try Encoding(code: encoding) {
        case .runs:
            self = .runs(try HybridDecoder(bytes.prefixed(at: &offset, end: bytes.count, "levels"), width: width))
        case .bitPacked:
            let size = BitPackedDecoder.size(count: count, width: width)
            guard size <= bytes.count - offset else {
                throw .damaged(wanted: "\(size) bytes of levels", found: "\(bytes.count - offset) left in the page")
            }
            self = .packed(BitPackedDecoder(offset..<offset + size, width: width))
            offset += size
        case let other:
            throw .unsupported("found levels in the encoding \(other.name)", "write the file again")
        }
    }

    /// The levels of a page of version 2, which are those of a range.
    init(highest: Int, _ range: Range<Int>) throws(TableFailure) {
        self = highest > 0 ? .runs(try HybridDecoder(range, width: Self.width(highest))) : .none
    }

    /// Fills `levels`, none of which may be above `highest`.
    mutating func read(
        into levels: UnsafeMutableBufferPointer<UInt32>, highest: Int, from bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        switch self {
        case .none: levels.update(repeating: 0)
        case .runs(var decoder):
            try decoder.read(into: levels, from: bytes)
            self = .runs(decoder)
        case .packed(var decoder):
            try decoder.read(into: levels, from: bytes)
            self = .packed(decoder)
        }
        guard levels.allSatisfy({ $0 <= highest }) else {
            throw .damaged(wanted: "levels of 0 to \(highest)", found: "one above")
        }
    }

    private static func width(_ highest: Int) -> Int { Int.bitWidth - highest.leadingZeroBitCount }
}
