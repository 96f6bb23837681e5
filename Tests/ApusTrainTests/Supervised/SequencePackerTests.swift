import Testing

@testable import ApusTrain

@Suite struct SequencePackerTests {
    @Test func eachGoesIntoTheFullestPackWithRoom() {
        // 7 and 6 open packs; 4 fits the second exactly; 3 the first exactly.
        #expect(SequencePacker.packs([3, 6, 4, 7, 1], limit: 10) == [[3, 0], [1, 2], [4]])
    }

    @Test func everySequenceIsInOnePackAndNoneIsOverfull() {
        let lengths = (0..<500).map { 1 + $0 * $0 * 31 % 97 }
        let packs = SequencePacker.packs(lengths, limit: 128)
        #expect(packs.joined().sorted() == Array(lengths.indices))
        let fill = packs.map { $0.reduce(0) { $0 + lengths[$1] } }
        #expect(fill.allSatisfy { $0 <= 128 })
        // Best fit of many short sequences wastes little.
        #expect(fill.dropLast().reduce(0, +) > 120 * (packs.count - 1))
    }
}
