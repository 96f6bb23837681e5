/// Merges the bytes or the characters of a piece into tokens, the lowest-ranked pair first and the leftmost among equals.
///
/// A piece of n bytes takes O(n log n): a heap of candidate pairs over a linked list of symbols. Stale candidates stay
/// in the heap and are recognised when they surface.
struct BytePairEncoder: Sendable {
    /// What a piece is made of before anything is merged.
    enum Atoms: Sendable {
        /// The token of each single byte, -1 where the vocabulary lacks it, and what stands for those.
        case bytes([Int32], UnknownRun)
        /// The tokens of characters.
        case characters(CharacterTokens)
    }

    /// Kept between pieces: making room for each would take longer than merging it.
    struct Room {
        fileprivate var symbols: [Symbol] = []
        fileprivate var heap = CandidateHeap()
    }

    private let atoms: Atoms
    private let merges: MergeTable

    /// - Parameter merges: pairs of token ids with the token they make, best first.
    init(_ atoms: Atoms, merges: [(left: Int32, right: Int32, result: Int32)], ranks: [Int32]? = nil) {
        self.atoms = atoms
        self.merges = MergeTable(merges, ranks: ranks)
    }

    /// Appends the tokens of one piece.
    func encode(_ piece: ArraySlice<UInt8>, into tokens: inout [Int32], _ room: inout Room) {
        makeSymbols(piece, &room.symbols)
        if room.symbols.count > 1 { merge(&room.symbols, &room.heap) }
        for symbol in room.symbols where symbol.token >= 0 { tokens.append(symbol.token) }
    }

    private func merge(_ symbols: inout [Symbol], _ heap: inout CandidateHeap) {
        for index in 0..<(symbols.count - 1) { push(index, symbols, &heap) }
        while let best = heap.popMinimum() {
            let left = Int(best.position)
            guard symbols[left].token >= 0, symbols[left].next >= 0 else { continue }
            let right = Int(symbols[left].next)
            guard let merge = merges[symbols[left].token, symbols[right].token],
                merge.result == best.result
            else { continue }
            symbols[left].token = merge.result
            symbols[left].next = symbols[right].next
            symbols[right].token = -1
            if symbols[left].next >= 0 {
                symbols[Int(symbols[left].next)].previous = Int32(left)
                push(left, symbols, &heap)
            }
            if symbols[left].previous >= 0 { push(Int(symbols[left].previous), symbols, &heap) }
        }
    }

    fileprivate struct Symbol {
        /// The token, or -1 once it was merged into its left neighbour.
        var token: Int32
        var previous: Int32
        var next: Int32
    }

    private func makeSymbols(_ piece: ArraySlice<UInt8>, _ symbols: inout [Symbol]) {
        symbols.removeAll(keepingCapacity: true)
        func append(_ token: Int32) {
            let index = Int32(symbols.count)
            symbols.append(Symbol(token: token, previous: index - 1, next: index + 1))
        }
        switch atoms {
        case .bytes(let tokens, var unknown):
            for byte in piece {
                let token = tokens[Int(byte)]
                guard token >= 0 else {
                    unknown.add(append)
                    continue
                }
                unknown.end(append)
                append(token)
            }
            unknown.end(append)
        case .characters(let tokens): tokens.forEachToken(of: piece, append)
        }
        if !symbols.isEmpty { symbols[symbols.count - 1].next = -1 }
    }

    /// Puts the pair that starts at symbol `left` on the heap, if it merges.
    private func push(_ left: Int, _ symbols: [Symbol], _ heap: inout CandidateHeap) {
        let right = Int(symbols[left].next)
        if let merge = merges[symbols[left].token, symbols[right].token] {
            heap.push(.init(rank: merge.rank, position: Int32(left), result: merge.result))
        }
    }
}

/// A binary heap of pairs that could be merged, lowest rank first, then leftmost.
struct CandidateHeap {
    struct Candidate {
        var rank: Int32
        var position: Int32
        var result: Int32

        func precedes(_ other: Candidate) -> Bool {
            (rank, position) < (other.rank, other.position)
        }
    }

    private var items: [Candidate] = []

    mutating func push(_ candidate: Candidate) {
        items.append(candidate)
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard items[child].precedes(items[parent]) else { break }
            items.swapAt(child, parent)
            child = parent
        }
    }

    mutating func popMinimum() -> Candidate? {
        guard let last = items.popLast() else { return nil }
        guard let minimum = items.first else { return last }
        items[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < items.count else { break }
            if child + 1 < items.count, items[child + 1].precedes(items[child]) { child += 1 }
            guard items[child].precedes(items[parent]) else { break }
            items.swapAt(child, parent)
            parent = child
        }
        return minimum
    }
}
