/// Whole numbers as differences, packed in blocks of miniblocks with a width of bits each (Encodings.md,
/// "DELTA_BINARY_PACKED"). Sums wrap around at 64 bits, as the writer's do; numbers of 32 bits are their lower half.
struct DeltaDecoder {
    private static let greatestBlock = 1 << 16
    private let end: Int
    /// The numbers that the page says it has and that have not been read.
    private(set) var left = 0
    private var offset: Int
    private var miniblockCount = 0
    private var miniblockLength = 0
    private var value: Int64 = 0
    private var hasFirst = false
    private var leastDelta: Int64 = 0
    /// Where the widths of the current block are, and which of its miniblocks comes next.
    private var widths = 0
    private var miniblock = 0
    /// Numbers left in the current miniblock, their bits and where they are.
    private var inMiniblock = 0
    private var width = 0
    private var bitPosition = 0

    init(_ range: Range<Int>, _ bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        offset = range.lowerBound
        end = range.upperBound
        let block = try bytes.variable(at: &offset, end: end)
        let count = try bytes.variable(at: &offset, end: end)
        let total = try bytes.variable(at: &offset, end: end)
        value = try Self.zigzag(bytes.variable(at: &offset, end: end))
        guard block <= Self.greatestBlock, count > 0, count <= block, block % count == 0, block / count % 8 == 0,
            total <= Int32.max
        else {
            throw .damaged(
                wanted: "blocks of at most \(Self.greatestBlock) differences in whole miniblocks",
                found: "\(block) in \(count) for \(total) numbers")
        }
        miniblockCount = Int(count)
        miniblockLength = Int(block / count)
        miniblock = miniblockCount
        left = Int(total)
    }

    /// The next number.
    @inline(__always)
    mutating func next(_ bytes: UnsafeRawBufferPointer) throws(TableFailure) -> Int64 {
        guard left > 0 else { throw .damaged(wanted: "more numbers", found: "the end of the page") }
        left -= 1
        guard hasFirst else {
            hasFirst = true
            return value
        }
        if inMiniblock == 0 { try beginMiniblock(bytes) }
        inMiniblock -= 1
        if width > 0 {
            guard bitPosition + width <= 8 * end else {
                throw .damaged(wanted: "\(width) bits of a difference", found: "the end of the page")
            }
            let delta = bytes.bits(at: bitPosition) & (UInt64.max >> UInt64(64 - width))
            bitPosition += width
            value &+= Int64(bitPattern: delta)
        }
        value &+= leastDelta
        return value
    }

    /// Where the numbers end: other data follows there.
    func endOffset(_ bytes: UnsafeRawBufferPointer) throws(TableFailure) -> Int {
        var rest = self
        rest.left -= hasFirst ? 0 : min(1, rest.left)
        while rest.left > rest.inMiniblock {
            rest.left -= rest.inMiniblock
            try rest.beginMiniblock(bytes)
        }
        return rest.offset
    }

    private mutating func beginMiniblock(_ bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        if miniblock == miniblockCount {
            leastDelta = try Self.zigzag(bytes.variable(at: &offset, end: end))
            guard miniblockCount <= end - offset else {
                throw .damaged(wanted: "the widths of \(miniblockCount) miniblocks", found: "the end of the page")
            }
            widths = offset
            offset += miniblockCount
            miniblock = 0
        }
        width = Int(bytes[widths + miniblock])
        guard width <= 64 else { throw .damaged(wanted: "differences of at most 64 bits", found: "\(width) bits") }
        bitPosition = 8 * offset
        // The last miniblock is whole by the format; one that is cut is seen where its bits are read.
        offset += min(miniblockLength / 8 * width, end - offset)
        miniblock += 1
        inMiniblock = miniblockLength
    }

    private static func zigzag(_ value: UInt64) -> Int64 {
        Int64(truncatingIfNeeded: value >> 1) ^ -Int64(truncatingIfNeeded: value & 1)
    }
}
