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
        guard value < GeneralCategories.tabulated else { return mask(of: value) }
        return blocks[blockIndex[Int(value >> 8)] << 8 | Int(value & 0xFF)]
    }

    private func mask(of value: UInt32) -> UInt32 {
        let category = GeneralCategories.shared[value]
        return mask(of: value, category, isSpace: GeneralCategories.isSpace(value, category))
    }

    private func mask(of value: UInt32, _ category: UInt8, isSpace: Bool) -> UInt32 {
        var mask: UInt32 = 0
        for (bit, set) in sets.enumerated() where set.contains(value, category: category, isSpace: isSpace) {
            mask |= 1 << UInt32(bit)
        }
        return mask
    }

    private mutating func tabulate() {
        // Between two bounds of ranges, characters differ by their category and whether they are space, and by nothing else.
        let bounds = sets.reduce(into: Set<UInt32>()) { $1.insertBounds(into: &$0) }
        let dependsOnCharacter = sets.contains { $0.dependsOnCharacter }
        var known: [UInt32?] = []
        func quickMask(of value: UInt32) -> UInt32 {
            if value == 0 || bounds.contains(value) { known = Array(repeating: nil, count: 64) }
            let category = GeneralCategories.shared[value]
            let isSpace = GeneralCategories.isSpace(value, category)
            let kind = Int(category) << 1 | (isSpace ? 1 : 0)
            if let mask = known[kind], !dependsOnCharacter { return mask }
            let mask = mask(of: value, category, isSpace: isSpace)
            known[kind] = mask
            return mask
        }
        var seen: [[UInt32]: Int] = [:]
        for first in stride(from: 0, to: GeneralCategories.tabulated, by: 256) {
            let block = (first..<first + 256).map(quickMask)
            if seen[block] == nil {
                seen[block] = seen.count
                blocks += block
            }
            blockIndex.append(seen[block] ?? 0)
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
        guard instructions.count < Self.sizeLimit else {
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
