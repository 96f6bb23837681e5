/// Free pieces of a range by their first bytes, in order, none beside another.
struct FreeList {
    private var pieces: [Range<Int>]

    init(_ all: Range<Int>) { pieces = [all] }

    /// Takes so many bytes of the first piece that has them, which keeps what is in use together.
    mutating func take(_ bytes: Int) -> Range<Int>? {
        guard let index = pieces.firstIndex(where: { $0.count >= bytes }) else { return nil }
        let start = pieces[index].lowerBound
        pieces[index] = start + bytes..<pieces[index].upperBound
        if pieces[index].isEmpty { pieces.remove(at: index) }
        return start..<start + bytes
    }

    /// Takes a piece back.
    mutating func give(_ piece: Range<Int>) {
        var (begin, end) = (0, pieces.count)
        while begin < end {
            let middle = (begin + end) / 2
            if pieces[middle].lowerBound < piece.lowerBound { begin = middle + 1 } else { end = middle }
        }
        pieces.insert(piece, at: begin)
        if begin + 1 < pieces.count, piece.upperBound == pieces[begin + 1].lowerBound { join(begin) }
        if begin > 0, pieces[begin - 1].upperBound == piece.lowerBound { join(begin - 1) }
    }

    private mutating func join(_ index: Int) {
        pieces[index] = pieces[index].lowerBound..<pieces.remove(at: index + 1).upperBound
    }
}
