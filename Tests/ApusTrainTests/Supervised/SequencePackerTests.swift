import Testing

@testable import ApusTrain

@Suite struct SequencePackerTests {
    @Test func eachGoesIntoTheFullestPackWithRoom() {
        // 7 and 6 open packs; 4 fits the second exactly; 3 the first exactly.
        #expect(SequencePacker.packs([3, 6, 4, 7, 1], limit: 10) == [[3, 0], [1, 2], [4]])
    }

    /// The rule itself: of all packs, the one with the least room that is enough, and of several the newest.
    private func plain(_ lengths: [Int], limit: Int) -> [[Int]] {
        var packs: [(members: [Int], room: Int, age: Int)] = []
        for (age, index) in lengths.indices.sorted(by: { (lengths[$1], $0) < (lengths[$0], $1) }).enumerated() {
            let fitting = packs.indices.filter { packs[$0].room >= lengths[index] }
            let best = fitting.min { (packs[$0].room, -packs[$0].age) < (packs[$1].room, -packs[$1].age) }
            let pack = best ?? packs.endIndex
            if best == nil { packs.append(([], limit, age)) }
            packs[pack].members.append(index)
            packs[pack].room -= lengths[index]
            packs[pack].age = age
        }
        return packs.map(\.members)
    }

    @Test(arguments: [1, 63, 64, 65, 200, 5000])
    func itIsThePlainRule(limit: Int) {
        let lengths = (0..<400).map { 1 + ($0 * $0 * 7919 + $0 * 104_729) % limit }
        #expect(SequencePacker.packs(lengths, limit: limit) == plain(lengths, limit: limit))
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
