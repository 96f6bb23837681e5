import ApusTestSupport
import CBlocks
import Testing

/// The decoders of blocks on this processor, against the same ones in plain C, which the golden files check.
@Suite struct BlockKernelTests {
    /// Each kind with the bytes and the values of its block.
    static let kinds: [(kind: apus_block, bytes: Int, values: Int)] = [
        (APUS_BLOCK_Q4_0, 18, 32), (APUS_BLOCK_Q4_1, 20, 32), (APUS_BLOCK_Q5_0, 22, 32), (APUS_BLOCK_Q5_1, 24, 32),
        (APUS_BLOCK_Q8_0, 34, 32), (APUS_BLOCK_Q4_K, 144, 256), (APUS_BLOCK_Q5_K, 176, 256),
        (APUS_BLOCK_Q6_K, 210, 256), (APUS_BLOCK_IQ4_NL, 18, 32), (APUS_BLOCK_IQ4_XS, 136, 256),
    ]

    /// Any bytes: scales that are subnormal, infinite and NaN occur among them.
    @Test(arguments: kinds.indices) func givesTheSameBits(index: Int) {
        let (kind, bytes, values) = Self.kinds[index]
        let count = 2000
        var random = SystemRandomNumberGenerator()
        let blocks = (0..<bytes * count).map { _ in UInt8.random(in: 0...255, using: &random) }
        var fast = [Float](repeating: 0, count: values * count)
        var plain = fast
        apus_decode_blocks(kind, blocks, count, &fast)
        apus_decode_blocks_plain(kind, blocks, count, &plain)
        let differ = zip(fast, plain).contains { $0.bitPattern != $1.bitPattern && !($0.isNaN && $1.isNaN) }
        #expect(!differ)
    }
}
