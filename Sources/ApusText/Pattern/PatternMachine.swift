/// Runs a program on a text. It tries things in CPython's order and, where that fails, puts back what CPython puts back
/// and nothing else: what a group holds after a failed attempt is part of what Python decides.
struct PatternMachine {
    enum Outcome {
        case goesOn
        case fails
        case matches
    }

    /// Some 100 MiB of frames and as much of marks.
    private static let frameLimit = 1 << 20
    private static let savedLimit = 1 << 24

    let text: [UInt32]
    let program: PatternProgram
    private let isWhole: Bool
    private let steps: Int
    var stepsLeft: Int

    /// The next instruction.
    var index = 0
    /// The next code point.
    var position = 0
    /// Where groups begin and end, and the last of these that counts.
    private(set) var marks: [Int]
    private(set) var lastMark = -1
    private var saved: [Int] = []
    private var frames: [PatternFrame] = []
    var repetitions: [PatternRepetition] = []
    /// The innermost repetition under way; none if negative.
    var repetition = -1
    /// The frame of the innermost program within the program; none if negative.
    private var inner = -1

    init(_ program: PatternProgram, text: [UInt32], isWhole: Bool, steps: Int) {
        self.program = program
        self.text = text
        self.isWhole = isWhole
        self.steps = steps
        stepsLeft = steps
        marks = Array(repeating: -1, count: program.markCount)
    }

    /// Whether `re.search` tries to match here.
    mutating func mayMatch(at start: Int) -> Bool {
        stepsLeft -= 1
        return program.start?.contains(text[start]) ?? true
    }

    mutating func matches(at start: Int) throws(PatternError) -> Bool {
        index = 0
        position = start
        lastMark = -1
        repetition = -1
        repetitions.removeAll(keepingCapacity: true)
        while true {
            stepsLeft -= 1
            guard stepsLeft >= 0 else { throw .tooSlow(steps: steps) }
            guard max(frames.count, repetitions.count) <= Self.frameLimit, saved.count <= Self.savedLimit else {
                throw .tooMuchMemory
            }
            switch step() {
            case .goesOn: continue
            case .matches: return true
            case .fails: if !retry() { return false }
            }
        }
    }

    /// Whether the code point here, which there has to be, passes the test.
    func passes(_ test: PatternTest, _ position: Int) -> Bool {
        let value = text[position]
        return switch test {
        case .any: true
        case .anyButLineFeed: value != 10
        case .literal(let other): value == other
        case .notLiteral(let other): value != other
        case .set(let index): program.sets[index].contains(value)
        }
    }

    /// Whether the instruction may match here; only whether one code point passes is looked at.
    func mayPass(_ index: Int, _ position: Int) -> Bool {
        guard case .one(let test) = program.instructions[index] else { return true }
        return position < text.count && passes(test, position)
    }

    mutating func mark(_ number: Int) {
        if number > lastMark {
            for skipped in lastMark + 1..<number { marks[skipped] = -1 }
            stepsLeft -= (number - lastMark) / 8
            lastMark = number
        }
        marks[number] = position
    }

    // MARK: Frames

    /// Remembers this place. CPython saves the marks only within a repetition, where they may be set again.
    mutating func push(
        _ kind: PatternFrame.Kind, _ index: Int, count: Int = 0, other: Int = -1, isSaving: Bool? = nil
    ) {
        let savedCount = isSaving ?? (repetition >= 0) ? lastMark + 1 : 0
        frames.append(
            PatternFrame(
                kind: kind, index: index, position: position, lastMark: lastMark, saved: saved.count,
                savedCount: savedCount, repetition: repetition, repetitions: repetitions.count, count: count,
                other: other))
        if savedCount > 0 {
            saved += marks[..<savedCount]
            stepsLeft -= savedCount / 8
        }
    }

    /// Remembers this place and begins the program that follows `index`.
    mutating func begin(_ kind: PatternFrame.Kind, _ index: Int, count: Int = 0, isSaving: Bool? = nil) {
        push(kind, index, count: count, other: inner, isSaving: isSaving)
        inner = frames.count - 1
    }

    /// Puts back the repetitions of a frame, which is the last one after this.
    private mutating func cut(to frame: PatternFrame) {
        repetition = frame.repetition
        if repetitions.count > frame.repetitions { repetitions.removeLast(repetitions.count - frame.repetitions) }
    }

    private mutating func putBackMarks(_ frame: PatternFrame) {
        for mark in 0..<frame.savedCount { marks[mark] = saved[frame.saved + mark] }
        lastMark = frame.lastMark
    }

    private mutating func pop(_ count: Int = 1) {
        let frame = frames[frames.count - count]
        frames.removeLast(count)
        if saved.count > frame.saved { saved.removeLast(saved.count - frame.saved) }
    }

    // MARK: Success and failure

    /// The end of a program.
    mutating func succeed() -> Outcome {
        guard inner >= 0 else { return isWhole && position != text.count ? .fails : .matches }
        let frame = frames[inner]
        cut(to: frame)
        pop(frames.count - inner)
        inner = frame.other
        switch frame.kind {
        case .lookNot: return .fails
        case .needed: nextPossessive(frame.index, count: frame.count + 1, lastStart: -1)
        case .wanted: nextPossessive(frame.index, count: frame.count + 1, lastStart: frame.position)
        case .look:
            position = frame.position
            index = frame.index
        default: index = frame.index
        }
        return .goesOn
    }

    /// Goes back to the last place with another way; false if there is none.
    private mutating func retry() -> Bool {
        while let frame = frames.last {
            stepsLeft -= 1
            cut(to: frame)
            if retry(frame) { return true }
        }
        return false
    }

    private mutating func retry(_ frame: PatternFrame) -> Bool {
        switch frame.kind {
        case .fewer, .more:
            putBackMarks(frame)
            return frame.kind == .fewer ? retryFewer() : retryMore(frame)
        case .fork, .lookNot, .wanted, .lastRound, .nextRound: putBackMarks(frame)
        case .round, .atomic, .look, .needed: break
        }
        pop()
        position = frame.position
        index = frame.index
        switch frame.kind {
        case .round:
            putBackRound(frame)
            return false
        case .lastRound:
            putBackRound(frame)
            repetition = repetitions[repetition].outer
        case .nextRound:
            repetition = frame.other
            return beginLazyRound()
        case .atomic, .look, .needed:
            inner = frame.other
            return false
        case .lookNot: inner = frame.other
        case .wanted:
            inner = frame.other
            endPossessive()
        case .fork, .fewer, .more: break
        }
        return true
    }

    private mutating func putBackRound(_ frame: PatternFrame) {
        repetitions[repetition].count = frame.count
        repetitions[repetition].lastStart = frame.other
    }

    // MARK: Repetitions of one code point

    /// Goes on with as many code points as the last frame says, or with the most below at which that may work.
    mutating func retryFewer() -> Bool {
        let frame = frames[frames.count - 1]
        guard case .repeatOne(_, let times) = program.instructions[frame.index] else { return false }
        var count = frame.count
        while count >= times.minimum, !mayPass(frame.index + 1, frame.position + count) { count -= 1 }
        stepsLeft -= frame.count - count
        guard count >= times.minimum else {
            pop()
            return false
        }
        frames[frames.count - 1].count = count - 1
        position = frame.position + count
        index = frame.index + 1
        return true
    }

    /// Goes on with one code point more than the last frame says, or with the least above at which that may work.
    private mutating func retryMore(_ frame: PatternFrame) -> Bool {
        guard case .repeatOne(let test, let times) = program.instructions[frame.index] else { return false }
        var count = frame.count
        var end = frame.position
        while count < times.maximum, end < text.count, passes(test, end) {
            count += 1
            end += 1
            if mayPass(frame.index + 1, end) {
                stepsLeft -= count - frame.count
                frames[frames.count - 1].count = count
                frames[frames.count - 1].position = end
                position = end
                index = frame.index + 1
                return true
            }
        }
        stepsLeft -= count - frame.count
        pop()
        return false
    }
}
