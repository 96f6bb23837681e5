/// Small numbers as runs and as packed bits, in turn: levels, places in a dictionary, booleans (Encodings.md, "RLE").
struct HybridDecoder {
    /// Bits of a number, 0 to 32.
    private let width: Int
    private let end: Int
    private var offset: Int
    /// Numbers that are left of the run or of the packed bits that were begun.
    private var left = 0
    /// The number that the run repeats; nil in packed bits.
    private var repeated: UInt32?
    private var bitPosition = 0

    init(_ range: Range<Int>, width: Int) throws(TableFailure) {
        guard (0...32).contains(width) else {
            throw .damaged(wanted: "numbers of 0 to 32 bits", found: "\(width) bits")
        }
        self.width = width
        offset = range.lowerBound
        end = range.upperBound
    }

    /// Fills `output` with the next numbers.
    mutating func read(
        into output: UnsafeMutableBufferPointer<UInt32>, from bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        var filled = 0
        while filled < output.count {
            while left == 0 { try begin(bytes) }
            let count = min(left, output.count - filled)
            if let repeated {
                output[filled..<filled + count].update(repeating: repeated)
            } else {
                let mask = UInt64(1) << UInt64(width) - 1
                for index in filled..<filled + count {
                    output[index] = UInt32(truncatingIfNeeded: bytes.bits(at: bitPosition) & mask)
                    bitPosition += width
                }
            }
            left -= count
            filled += count
        }
    }

    /// The head of a run or of packed groups of eight: its lowest bit says which, the rest how many.
    private mutating func begin(_ bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        let head = try Int(bytes.variable(at: &offset, end: end) & 0xFFFF_FFFF)
        if head & 1 == 0 {
            let size = (width + 7) / 8
            guard size <= end - offset else { throw tooShort }
            repeated = (0..<size).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
            offset += size
            left = head >> 1
        } else {
            // Writers may leave out the end of the last group.
            let size = min((head >> 1) * width, end - offset)
            repeated = nil
            bitPosition = 8 * offset
            left = width == 0 ? (head >> 1) * 8 : min((head >> 1) * 8, 8 * size / width)
            guard left > 0 || head >> 1 == 0 else { throw tooShort }
            offset += size
        }
    }

    private var tooShort: TableFailure { .damaged(wanted: "more runs of numbers", found: "the end of the page") }
}

/// Levels of the oldest files: packed bits, the highest first (Encodings.md, "BIT_PACKED").
struct BitPackedDecoder {
    private let width: Int
    private let end: Int
    private var position: Int

    /// Bytes that `count` numbers take.
    static func size(count: Int, width: Int) -> Int { (count * width + 7) / 8 }

    init(_ range: Range<Int>, width: Int) {
        self.width = width
        position = 8 * range.lowerBound
        end = 8 * range.upperBound
    }

    mutating func read(
        into output: UnsafeMutableBufferPointer<UInt32>, from bytes: UnsafeRawBufferPointer
    ) throws(TableFailure) {
        guard output.count * width <= end - position else {
            throw .damaged(wanted: "\(output.count) levels more", found: "the end of the page")
        }
        for index in output.indices {
            var value: UInt32 = 0
            for _ in 0..<width {
                value = value << 1 | UInt32(bytes[position >> 3] >> UInt8(7 - position & 7)) & 1
                position += 1
            }
            output[index] = value
        }
    }
}

extension UnsafeRawBufferPointer {
    /// A number in groups of 7 bits, the lowest first; at most 10 bytes. `offset` moves behind it.
    func variable(at offset: inout Int, end: Int) throws(TableFailure) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard offset < end else { break }
            let byte = self[offset]
            offset += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw .damaged(wanted: "a number of 64 bits in a page", found: "a longer one, or the end of the page")
    }
}
