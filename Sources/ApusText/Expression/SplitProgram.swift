/// An expression as instructions, with a table that says of every character to which of the sets it belongs.
struct SplitProgram: Sendable {
    enum Instruction: Sendable {
        /// So many characters of the set with this bit.
        case characters(bit: UInt32, PatternCount)
        /// Goes on here, and at `otherwise` where that fails.
        case fork(otherwise: Int)
        case jump(Int)
        /// What follows is a program of its own, which ends in `success` before `end`.
        case look(isNegative: Bool, end: Int)
        /// Another round at `start`, unless nothing was taken since the place was remembered: an empty round is the last.
        case again(place: Int, start: Int)
        case remember(Int)
        case place(SplitPlace)
        case success
        case failure
    }

    /// Repeated groups are written out so often at most.
    private static let sizeLimit = 10_000

    private(set) var instructions: [Instruction] = []
    private(set) var placeCount = 0
    private var sets: [ScalarSet] = []
    /// Counts the parts that were written out: empty groups leave no instructions.
    private var partCount = 0
    /// The index of the block of 256 characters, by the character's high bits.
    private var blockIndex: [Int] = []
    private var blocks: [UInt32] = []

    init(_ ways: [[SplitNode]]) throws(PatternError) {
        try add(ways)
        emit(.success)
        tabulate()
    }

    /// A bit for each set that the character is in.
    @inline(__always) func sets(of value: UInt32) -> UInt32 {
        guard value < TraitsTable.tabulated else { return mask(of: value, ScalarTraits(value)) }
        return blocks[blockIndex[Int(value >> 8)] << 8 | Int(value & 0xFF)]
    }

    private func mask(of value: UInt32, _ traits: ScalarTraits) -> UInt32 {
        var mask: UInt32 = 0
        for (bit, set) in sets.enumerated() where set.contains(value, traits) { mask |= 1 << UInt32(bit) }
        return mask
    }

    private mutating func tabulate() {
        // Where no range begins or ends within, blocks of the same traits are the same.
        var known: [SIMD2<Int>: Int] = [:]
        let cuts = Set(sets.flatMap(\.cuts)).filter { $0 < TraitsTable.tabulated }.sorted()
        var past = 0
        for (number, traits) in TraitsTable.shared.blockIndex.enumerated() {
            let first = UInt32(number) << 8
            while past < cuts.count, cuts[past] <= first { past += 1 }
            let isWhole = past == cuts.count || cuts[past] >= first + 256
            let key = SIMD2(past, traits)
            if isWhole, let same = known[key] {
                blockIndex.append(same)
                continue
            }
            blockIndex.append(blocks.count >> 8)
            if isWhole { known[key] = blocks.count >> 8 }
            addBlock(first, cuts[past...])
        }
    }

    /// Adds the masks of 256 characters; between two cuts those of the same traits have the same.
    private mutating func addBlock(_ first: UInt32, _ cuts: ArraySlice<UInt32>) {
        var cuts = cuts
        var masks = [UInt32?](repeating: nil, count: ScalarTraits.count)
        for value in first..<first + 256 {
            if value == cuts.first {
                cuts = cuts.dropFirst()
                for place in masks.indices { masks[place] = nil }
            }
            let traits = TraitsTable.shared[value]
            let known = masks[Int(traits.number)] ?? mask(of: value, traits)
            masks[Int(traits.number)] = known
            blocks.append(known)
        }
    }

    // MARK: Compiling

    private mutating func emit(_ instruction: Instruction) { instructions.append(instruction) }

    private mutating func reserve() -> Int {
        emit(.failure)
        return instructions.count - 1
    }

    private mutating func add(_ ways: [[SplitNode]]) throws(PatternError) {
        var jumps: [Int] = []
        for (number, way) in ways.enumerated() {
            let fork = number + 1 < ways.count ? reserve() : nil
            for node in way { try add(node) }
            guard let fork else { break }
            jumps.append(reserve())
            instructions[fork] = .fork(otherwise: instructions.count)
        }
        for jump in jumps { instructions[jump] = .jump(instructions.count) }
    }

    private mutating func add(_ node: SplitNode) throws(PatternError) {
        partCount += 1
        guard instructions.count < Self.sizeLimit, partCount < 2 * Self.sizeLimit else {
            throw .unsupported("expressions of more than \(Self.sizeLimit) steps are", position: 0)
        }
        switch node {
        case .characters(let set, let count): emit(.characters(bit: try bit(of: set), count))
        case .place(let place): emit(.place(place))
        case .look(let isNegative, let ways):
            let look = reserve()
            try add(ways)
            emit(.success)
            instructions[look] = .look(isNegative: isNegative, end: instructions.count)
        case .group(let ways, let count): try add(ways, repeated: count)
        }
    }

    private mutating func add(_ ways: [[SplitNode]], repeated count: PatternCount) throws(PatternError) {
        if count.mode == .possessive { throw .unsupported("possessive groups are", position: 0) }
        guard count.minimum <= 100, count.maximum == .max || count.maximum <= 100 else {
            throw .unsupported("groups repeated more than a hundred times are", position: 0)
        }
        for _ in 0..<count.minimum { try add(ways) }
        guard count.maximum == .max else {
            var forks: [Int] = []
            for _ in count.minimum..<count.maximum {
                forks.append(reserve())
                try add(ways)
            }
            for fork in forks { try close(fork, count, at: instructions.count) }
            return
        }
        let fork = reserve()
        let place = placeCount
        placeCount += 1
        emit(.remember(place))
        try add(ways)
        emit(.again(place: place, start: fork))
        try close(fork, count, at: instructions.count)
    }

    private mutating func close(_ fork: Int, _ count: PatternCount, at end: Int) throws(PatternError) {
        if count.mode == .lazy { throw .unsupported("lazy groups are", position: 0) }
        instructions[fork] = .fork(otherwise: end)
    }

    private mutating func bit(of set: ScalarSet) throws(PatternError) -> UInt32 {
        let place = sets.firstIndex(of: set) ?? sets.count
        if place == sets.count { sets.append(set) }
        guard place < UInt32.bitWidth else { throw .unsupported("more than 32 sets of characters are", position: 0) }
        return 1 << UInt32(place)
    }
}
