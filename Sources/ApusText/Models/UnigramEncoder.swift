/// The pieces of a Unigram vocabulary that a text most probably consists of, found as the `tokenizers` library finds them: the
/// way of the highest sum of scores to every place, the first found among equals.
struct UnigramEncoder: Sendable {
    /// How much less likely than any piece a character is that is none.
    private static let unknownPenalty = 10.0

    /// Kept between texts: making room for every word would take longer than finding its pieces.
    struct Room {
        fileprivate var places: [Place] = []
        fileprivate var path: [Step] = []
    }

    /// The best way to a place within a text.
    fileprivate struct Place {
        var score = 0.0
        /// Where the last piece of it begins, -1 while no way is known.
        var start: Int32 = -1
        var piece: Int32 = -1
    }

    fileprivate struct Step {
        var piece: Int32
        var range: Range<Int>
    }

    private let pieces: ByteTrie
    private let scores: [Double]
    private let unknown: Int32
    private let unknownScore: Double
    private let roundsSums: Bool
    /// The token of each byte; nil where characters do not fall back to bytes.
    private let byteTokens: [Int32]?

    /// - Parameter vocabulary: the pieces with their scores, by id.
    init(_ vocabulary: UnigramVocabulary, _ spelling: PlainSpelling, _ table: TokenTable) {
        var pieces = ByteTrie(byteCount: vocabulary.pieces.bytes.count)
        vocabulary.pieces.forEachText { id, bytes in pieces.insert(bytes, Int32(id)) }
        self.pieces = pieces
        scores = vocabulary.scores
        unknown = vocabulary.unknown ?? -1
        unknownScore = (vocabulary.scores.min() ?? 0) - Self.unknownPenalty
        roundsSums = vocabulary.roundsSums
        // Of a piece that comes twice the last counts.
        byteTokens =
            !spelling.fallsBackToBytes
            ? nil
            : PlainSpelling.byteTokens(in: table).map { id in
                let piece = id < 0 ? id : pieces.value(of: table.bytes(of: id))
                return piece < 0 ? id : piece
            }
    }

    /// Appends the tokens of one piece of valid UTF-8.
    func encode(_ text: ArraySlice<UInt8>, into tokens: inout [Int32], _ room: inout Room) {
        findPlaces(text, &room.places)
        room.path.removeAll(keepingCapacity: true)
        var end = text.count
        while end > 0 {
            let place = room.places[end]
            let start = Int(place.start)
            // Unknown characters in a row are one: what they are together is looked up once.
            if place.piece == unknown, let last = room.path.last, last.piece == unknown {
                room.path[room.path.count - 1].range = start..<last.range.upperBound
            } else {
                room.path.append(Step(piece: place.piece, range: start..<end))
            }
            end = start
        }
        for step in room.path.reversed() {
            if step.piece != unknown {
                tokens.append(step.piece)
            } else {
                let range = step.range.lowerBound + text.startIndex..<step.range.upperBound + text.startIndex
                appendUnknown(text[range], to: &tokens)
            }
        }
    }

    private func findPlaces(_ text: ArraySlice<UInt8>, _ places: inout [Place]) {
        places.removeAll(keepingCapacity: true)
        places.append(contentsOf: repeatElement(Place(), count: text.count + 1))
        text.withUnsafeBufferPointer { bytes in
            places.withUnsafeMutableBufferPointer { places in
                var start = 0
                while start < bytes.count {
                    let length = bytes[start].scalarLength
                    reachOut(from: start, length, bytes, places)
                    start += length
                }
            }
        }
    }

    /// Looks at all pieces that begin at a place, whose first character takes so many bytes.
    @inline(__always) private func reachOut(
        from start: Int, _ length: Int, _ bytes: UnsafeBufferPointer<UInt8>, _ places: UnsafeMutableBufferPointer<Place>
    ) {
        let score = places[start].score
        var isCharacterKnown = false
        var node = ByteTrie.root
        var end = start
        func offer(_ piece: Int32, _ sum: Double, _ end: Int) {
            let candidate = roundsSums ? Double(Float(sum)) : sum
            if places[end].start < 0 || candidate > places[end].score {
                places[end] = Place(score: candidate, start: Int32(truncatingIfNeeded: start), piece: piece)
            }
        }
        while end < bytes.count {
            node = pieces.child(of: node, bytes[end])
            if node < 0 { break }
            end += 1
            let piece = pieces.value(at: node)
            if piece < 0 { continue }
            offer(piece, scores[Int(piece)] + score, end)
            if end == start + length { isCharacterKnown = true }
        }
        if !isCharacterKnown { offer(unknown, unknownScore + score, start + length) }
    }

    private func appendUnknown(_ text: ArraySlice<UInt8>, to tokens: inout [Int32]) {
        let piece = pieces.value(of: text)
        if piece >= 0 {
            tokens.append(piece)
        } else if let byteTokens, text.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
            tokens += text.lazy.map { byteTokens[Int($0)] }
        } else if unknown >= 0 {
            tokens.append(unknown)
        }
    }
}

/// The pieces of a Unigram model with what they are worth.
struct UnigramVocabulary: Sendable {
    /// By id.
    var pieces: PackedTexts
    /// One for each piece: the logarithm of its probability.
    var scores: [Double]
    /// What stands for characters that are no piece.
    var unknown: Int32?
    /// Whether sums of scores are of single precision, as in SentencePiece: it decides between ways that are worth about the same.
    var roundsSums = false
}
