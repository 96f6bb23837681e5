import Testing

@testable import ApusTables

@Suite("Codecs give exactly the bytes that are declared, or say what is wrong")
struct CodecTests {
    /// "abcabcabcabc…" of 40 bytes, which every codec writes as a repetition, made by pyarrow.
    static let plain = Array("abcabcabcabcabcabcabcabcabcabcabcabcabca".utf8)

    private func decompress(_ codec: Codec, _ bytes: [UInt8], _ count: Int) throws(TableFailure) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeBufferPointer { (source) throws(TableFailure) in
            try output.withUnsafeMutableBufferPointer { (target) throws(TableFailure) in
                try codec.decompress(UnsafeRawBufferPointer(source), into: UnsafeMutableRawBufferPointer(target))
            }
        }
        return output
    }

    static let streams: [(Codec, [UInt8])] = [
        (.snappy, [0x28, 0x08] + Array("abc".utf8) + [0x92, 0x03, 0x00]),
        (.lz4Block, [0x3F] + Array("abc".utf8) + [0x03, 0x00, 0x0D, 0x50] + Array("abcabca".utf8.suffix(5))),
    ]

    @Test("Repetitions that reach into themselves are copied as they grow", arguments: streams.map(\.0))
    func repetitions(codec: Codec) throws {
        let stream = try #require(Self.streams.first { $0.0 == codec }?.1)
        #expect(try decompress(codec, stream, 40) == Self.plain)
        for count in [0, 39, 41, 1000] {
            #expect(throws: TableFailure.self) { try decompress(codec, stream, count) }
        }
        for size in 0..<stream.count {
            #expect(throws: TableFailure.self) { try decompress(codec, Array(stream[..<size]), 40) }
        }
    }

    @Test("Every offset, and every length of a copy, is what bytes one by one give")
    func everyCopy() throws {
        for offset in 1...20 {
            for length in 4...60 {
                let literal = Array(repeating: 0, count: 20).indices.map { UInt8($0 + 65) }
                var expected = literal
                for _ in 0..<length { expected.append(expected[expected.count - offset]) }
                let stream =
                    [UInt8(20 + length), 19 << 2] + literal + [UInt8(length - 1) << 2 | 2, UInt8(offset), 0]
                #expect(try decompress(.snappy, stream, 20 + length) == expected)
            }
        }
    }

    @Test("LZ4 in Hadoop's frames, in several blocks, and without frames")
    func hadoop() throws {
        let block = Self.streams[1].1
        let framed = [0, 0, 0, 40, 0, 0, 0, UInt8(block.count)] + block
        #expect(try decompress(.lz4Hadoop, framed + framed, 80) == Self.plain + Self.plain)
        #expect(try decompress(.lz4Hadoop, block, 40) == Self.plain)
    }

    @Test("LZ4 frames: blocks as they are, sizes, checksums and frames to skip")
    func frames() throws {
        let block = Self.streams[1].1
        let size = UInt8(block.count)
        let magic: [UInt8] = [0x04, 0x22, 0x4D, 0x18]
        let skipped: [UInt8] = [0x5A, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 9, 9]
        let end: [UInt8] = [0, 0, 0, 0]
        let simple = magic + [0x60, 0x40, 0] + [size, 0, 0, 0] + block + end
        #expect(try decompress(.lz4Frame, skipped + simple, 40) == Self.plain)
        let checked = magic + [0x7C, 0x40, 40, 0, 0, 0, 0, 0, 0, 0, 0]
        let stored = [40, 0, 0, 0x80] + Self.plain + [1, 2, 3, 4]
        #expect(try decompress(.lz4Frame, checked + stored + end + [5, 6, 7, 8], 40) == Self.plain)
        #expect(throws: TableFailure.self) { try decompress(.lz4Frame, magic + [0x61, 0x40, 0] + end, 0) }
        #expect(throws: TableFailure.self) { try decompress(.lz4Frame, magic + [0x60, 0x40, 0, 9, 0, 0, 0], 9) }
    }

    @Test("A size that no stream of its length can give is refused")
    func ratios() {
        let limits = TableLimits()
        #expect(throws: TableFailure.self) { try Codec.snappy.check(100_000, from: 1000, limits) }
        #expect(throws: TableFailure.self) { try Codec.uncompressed.check(11, from: 10, limits) }
        #expect(throws: TableFailure.self) { try Codec.zstd.check(limits.pageSize + 1, from: 1 << 30, limits) }
        #expect(throws: Never.self) { try Codec.gzip.check(1_000_000, from: 1000, limits) }
    }
}
