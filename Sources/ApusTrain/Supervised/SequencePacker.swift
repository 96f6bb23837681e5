/// Fills packs of limited size with whole sequences: longest first, each into the fullest pack that has room (TRL's `bfd`).
enum SequencePacker {
    /// - Parameter lengths: of the sequences, none above `limit`.
    /// - Returns: packs of indices; the sequences of a pack are in descending order of length.
    static func packs(_ lengths: [Int], limit: Int) -> [[Int]] {
        var packs: [[Int]] = []
        // Packs by the room that is left in them, and which rooms there are.
        var byRoom: [Int: [Int]] = [:]
        var rooms = OrderedNumbers(below: limit + 1)
        let order = lengths.indices.sorted { (lengths[$1], $0) < (lengths[$0], $1) }
        for index in order {
            let length = lengths[index]
            let left: Int
            let pack: Int
            if let room = rooms.first(from: length), let found = byRoom[room]?.popLast() {
                if byRoom[room]?.isEmpty ?? true { rooms.remove(room) }
                packs[found].append(index)
                (pack, left) = (found, room - length)
            } else {
                packs.append([index])
                (pack, left) = (packs.count - 1, max(limit - length, 0))
            }
            byRoom[left, default: []].append(pack)
            rooms.insert(left)
        }
        return packs
    }
}

/// A set of small numbers that finds the next one in as many steps as the bound has 64ths of 64ths: bits, and above each 64 of
/// them a bit that says whether any is set.
private struct OrderedNumbers {
    /// The finest level first.
    private var levels: [[UInt64]] = []

    init(below bound: Int) {
        var count = bound
        repeat {
            count = (count + 63) / 64
            levels.append([UInt64](repeating: 0, count: count))
        } while count > 1
    }

    mutating func insert(_ number: Int) {
        var position = number
        for level in levels.indices {
            levels[level][position / 64] |= 1 << UInt64(position % 64)
            position /= 64
        }
    }

    mutating func remove(_ number: Int) {
        var position = number
        for level in levels.indices {
            levels[level][position / 64] &= ~(1 << UInt64(position % 64))
            guard levels[level][position / 64] == 0 else { return }
            position /= 64
        }
    }

    /// The least number that is not below another.
    func first(from start: Int) -> Int? {
        var position = start
        for level in levels.indices {
            guard position / 64 < levels[level].count else { return nil }
            let rest = levels[level][position / 64] & (~0 << UInt64(position % 64))
            if rest != 0 { return least(position / 64 * 64 + rest.trailingZeroBitCount, at: level) }
            position = position / 64 + 1
        }
        return nil
    }

    /// The least number under a bit of a level.
    private func least(_ position: Int, at level: Int) -> Int {
        (0..<level).reversed().reduce(position) { $0 * 64 + levels[$1][$0].trailingZeroBitCount }
    }
}
