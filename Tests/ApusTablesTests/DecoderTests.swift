import ApusFormats
import Testing

@testable import ApusTables

@Suite("Decoders give what an obvious reference gives")
struct DecoderTests {
    private func lend<Result>(
        _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(TableFailure) -> Result
    ) throws(TableFailure) -> Result {
        try bytes.withUnsafeBufferPointer { (buffer) throws(TableFailure) in try body(UnsafeRawBufferPointer(buffer)) }
    }

    /// Bits of numbers one behind another, the lowest first.
    private func packed(_ values: [UInt64], width: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: (values.count * width + 7) / 8)
        for (index, value) in values.enumerated() {
            for bit in 0..<width where value >> UInt64(bit) & 1 == 1 {
                bytes[(index * width + bit) / 8] |= 1 << UInt8((index * width + bit) % 8)
            }
        }
        return bytes
    }

    private func variable(_ value: UInt64) -> [UInt8] {
        value < 128 ? [UInt8(value)] : [UInt8(value & 127) | 128] + variable(value >> 7)
    }

    @Test("64 bits from any bit on, also at the end", arguments: [1, 7, 8, 9, 10, 20])
    func bits(size: Int) throws {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 89 &+ 41) }
        try lend(bytes) { bytes in
            for position in 0..<8 * size {
                var expected: UInt64 = 0
                for bit in 0..<64 where position + bit < 8 * size {
                    let place = position + bit
                    expected |= UInt64(bytes[place / 8] >> UInt8(place % 8) & 1) << UInt64(bit)
                }
                #expect(bytes.bits(at: position) == expected)
            }
        }
    }

    @Test("Runs and packed bits of every width", arguments: 0...32)
    func hybrid(width: Int) throws {
        let mask = UInt64(1) << UInt64(width) - 1
        let values = (0..<24).map { UInt64($0) &* 2_654_435_761 & mask }
        let run = 5 & mask
        let runBytes = (0..<(width + 7) / 8).map { UInt8(truncatingIfNeeded: run >> UInt64(8 * $0)) }
        let bytes = variable(3 << 1 | 1) + packed(values, width: width) + variable(10 << 1) + runBytes
        let expected = (values + Array(repeating: run, count: 10)).map { UInt32($0) }
        for step in [1, 5, 34] {
            let read = try lend(bytes) { (bytes) throws(TableFailure) in
                var decoder = try HybridDecoder(0..<bytes.count, width: width)
                var all: [UInt32] = []
                while all.count < expected.count {
                    var part = [UInt32](repeating: 0, count: min(step, expected.count - all.count))
                    try part.withUnsafeMutableBufferPointer { (part) throws(TableFailure) in
                        try decoder.read(into: part, from: bytes)
                    }
                    all += part
                }
                return all
            }
            #expect(read == expected)
        }
    }

    @Test("A run of two thousand million numbers takes no memory")
    func longRun() throws {
        let bytes = variable(UInt64(Int32.max) << 1) + [1]
        let read = try lend(bytes) { (bytes) throws(TableFailure) in
            var decoder = try HybridDecoder(0..<bytes.count, width: 1)
            var part = [UInt32](repeating: 0, count: 3)
            try part.withUnsafeMutableBufferPointer { (part) throws(TableFailure) in
                try decoder.read(into: part, from: bytes)
            }
            return part
        }
        #expect(read == [1, 1, 1])
    }

    @Test("Differences of every width, with sums that wrap around", arguments: [0, 1, 7, 8, 31, 32, 33, 57, 63, 64])
    func differences(width: Int) throws {
        let mask = width == 64 ? UInt64.max : UInt64(1) << UInt64(width) - 1
        let deltas = (0..<32).map { UInt64($0) &* 0x9E37_79B9_7F4A_7C15 & mask }
        let least: Int64 = -3
        var expected: [Int64] = [Int64.max - 1]
        for delta in deltas { expected.append(expected[expected.count - 1] &+ least &+ Int64(bitPattern: delta)) }
        let first = UInt64(bitPattern: (Int64.max - 1) << 1)
        let head = variable(64) + variable(2) + variable(33) + variable(first) + variable(5)
        let bytes = head + [UInt8(width), 99] + packed(deltas, width: width) + [7]
        try lend(bytes) { (bytes) throws(TableFailure) in
            var decoder = try DeltaDecoder(0..<bytes.count, bytes)
            #expect(try decoder.endOffset(bytes) == bytes.count - 1)
            for value in expected {
                #expect(try decoder.next(bytes) == value)
                #expect(try decoder.endOffset(bytes) == bytes.count - 1)
            }
            #expect(throws: TableFailure.self) { try decoder.next(bytes) }
        }
    }

    @Test("Decimals are exact whatever their width")
    func decimals() {
        #expect(DecimalText.text(unscaled: -150, scale: 2) == "-1.50")
        #expect(DecimalText.text(unscaled: 5, scale: 3) == "0.005")
        #expect(DecimalText.text(unscaled: .min, scale: 0) == "-9223372036854775808")
        #expect(DecimalText.text(unscaled: 12, scale: -3) == "12000")
        #expect(DecimalText.text(unscaled: 0, scale: -3) == "0")
        let values: [Int128] = [0, 1, -1, 255, -256, 1_000_000_000, .max, .min, -99_999_999_999_999_999_999]
        for value in values {
            let bytes = (0..<16).reversed().map { UInt8(truncatingIfNeeded: value >> Int128(8 * $0)) }
            #expect(DecimalText.text(bigEndian: bytes, scale: 0) == "\(value)")
            let wide = [UInt8](repeating: value < 0 ? 255 : 0, count: 16) + bytes
            #expect(DecimalText.text(bigEndian: wide, scale: 0) == "\(value)")
        }
    }

    @Test("Dates of every kind of year, and times with their fractions")
    func dates() {
        for (days, expected) in [
            (0, "1970-01-01"), (-1, "1969-12-31"), (19782, "2024-02-29"), (11016, "2000-02-29"), (-25509, "1900-02-28"),
            (-25508, "1900-03-01"), (2_932_896, "9999-12-31"), (2_932_897, "+10000-01-01"), (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
        ] { #expect(ISOText.date(days: Int64(days)) == expected) }
        #expect(ISOText.time(45_296_000, .milliseconds) == "12:34:56")
        #expect(ISOText.time(1, .nanoseconds) == "00:00:00.000000001")
        #expect(ISOText.time(1, .microseconds) == "00:00:00.000001")
        #expect(ISOText.time(86_400, .seconds) == nil && ISOText.time(-1, .seconds) == nil)
        #expect(ISOText.timestamp(-1, .milliseconds, isInstant: true) == "1969-12-31T23:59:59.999000+00:00")
        for unit in [TimeUnit.seconds, .milliseconds, .microseconds, .nanoseconds] {
            for value in [Int64.min, .max] { #expect(!ISOText.timestamp(value, unit, isInstant: false).isEmpty) }
        }
    }

    @Test("Numbers of every width, and those that JSON has not")
    func numbers() throws {
        let largest = BigInteger("18446744073709551615").map { JSONValue.bigInteger($0) }
        #expect(try ColumnType.unsigned(bits: 64).value(word: .max) == largest)
        #expect(try ColumnType.unsigned(bits: 8).value(word: 0xFFFF) == 255)
        #expect(try ColumnType.signed(bits: 16).value(word: 0xFFFF) == -1)
        #expect(try ColumnType.double.value(word: Double.nan.bitPattern) == .null)
        #expect(try ColumnType.float.value(word: UInt64(Float.infinity.bitPattern)) == .null)
        for (bits, expected) in [(0x3C00, 1), (0x8000, -0.0), (0x0001, 0x1p-24), (0x7BFF, 65504), (0xC000, -2)] {
            #expect(try ColumnType.half.value(word: UInt64(bits)) == .number(expected))
        }
        #expect(try ColumnType.duration(.milliseconds).value(word: 1500) == 1.5)
    }
}
