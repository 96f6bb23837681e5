/// Runs a program on UTF-8. What is left to try is kept in a list, so the length of a text is no danger to the stack.
struct SplitMachine {
    private struct Choice {
        /// The instruction; negative for a remembered place, which gets back what it was.
        var index: Int
        var at: Int
        /// Characters may be given back down to here; less than `at` only for those of a repetition.
        var floor: Int
        /// Whether the repetition takes one more instead.
        var isLazy = false
    }

    private let program: SplitProgram
    private var choices: [Choice] = []
    private var places: [Int]
    var stepsLeft: Int

    init(_ program: SplitProgram, stepsLeft: Int) {
        self.program = program
        self.stepsLeft = stepsLeft
        places = [Int](repeating: -1, count: program.placeCount)
    }

    /// Where the match ends that begins here; nil where there is none.
    mutating func endOfMatch(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        run(0, start, text)
    }

    private mutating func run(_ first: Int, _ start: Int, _ text: UnsafeBufferPointer<UInt8>) -> Int? {
        let base = choices.count
        defer { choices.removeLast(choices.count - base) }
        var (index, at) = (first, start)
        while stepsLeft > 0 {
            stepsLeft -= 1
            var fails = false
            switch program.instructions[index] {
            case .success: return at
            case .characters(let bit, let count): fails = !take(bit, count, index, &at, text)
            case .fork(let otherwise): choices.append(Choice(index: otherwise, at: at, floor: at))
            case .jump(let target):
                index = target
                continue
            case .look(let isNegative, let end):
                let found = run(index + 1, at, text) != nil
                if found != isNegative {
                    index = end
                    continue
                }
                fails = true
            case .remember(let place):
                choices.append(Choice(index: ~place, at: places[place], floor: 0))
                places[place] = at
            case .again(let place, let start):
                if places[place] != at {
                    index = start
                    continue
                }
            case .place(let place): fails = !holds(place, at, text)
            case .failure: fails = true
            }
            if !fails {
                index += 1
            } else if let (next, place) = retry(downTo: base, text) {
                (index, at) = (next, place)
            } else {
                return nil
            }
        }
        return nil
    }

    /// Takes characters of a set and notes what may be given back.
    @inline(__always) private mutating func take(
        _ bit: UInt32, _ count: PatternCount, _ index: Int, _ at: inout Int, _ text: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        let limit = count.mode == .lazy ? count.minimum : count.maximum
        var taken = 0
        var floor = at
        while taken < limit, let next = end(of: bit, at, text) {
            at = next
            taken += 1
            if taken == count.minimum { floor = at }
        }
        stepsLeft -= taken
        guard taken >= count.minimum else { return false }
        if count.minimum == 0 && taken == 0 && count.mode != .lazy { return true }
        switch count.mode {
        case .greedy: if at > floor { choices.append(Choice(index: index + 1, at: at, floor: floor)) }
        case .lazy:
            let more = count.maximum == .max ? Int.max : count.maximum - taken
            if more > 0 { choices.append(Choice(index: index, at: at, floor: more, isLazy: true)) }
        case .possessive: break
        }
        return true
    }

    /// Where the character here ends if it is in the set.
    @inline(__always) private func end(of bit: UInt32, _ at: Int, _ text: UnsafeBufferPointer<UInt8>) -> Int? {
        guard at < text.count else { return nil }
        let lead = text[at]
        if lead < 0x80 { return program.sets(of: UInt32(lead)) & bit != 0 ? at + 1 : nil }
        let length = lead.scalarLength
        var value = UInt32(lead) & (0x7F >> UInt32(length))
        for next in at + 1..<min(at + length, text.count) { value = value << 6 | UInt32(text[next] & 0x3F) }
        return program.sets(of: value) & bit != 0 ? min(at + length, text.count) : nil
    }

    /// The last way that is left.
    private mutating func retry(downTo base: Int, _ text: UnsafeBufferPointer<UInt8>) -> (Int, Int)? {
        var last: Choice?
        while choices.count > base, let choice = choices.popLast() {
            last = choice
            if choice.index >= 0 { break }
            places[~choice.index] = choice.at
            last = nil
        }
        guard let choice = last else { return nil }
        if choice.isLazy { return retryMore(choice, downTo: base, text) }
        guard choice.at > choice.floor else { return (choice.index, choice.at) }
        // One character less.
        var at = choice.at - 1
        while at > choice.floor, text[at] & 0xC0 == 0x80 { at -= 1 }
        if at > choice.floor { choices.append(Choice(index: choice.index, at: at, floor: choice.floor)) }
        return (choice.index, at)
    }

    private mutating func retryMore(
        _ choice: Choice, downTo base: Int, _ text: UnsafeBufferPointer<UInt8>
    ) -> (Int, Int)? {
        guard case .characters(let bit, _) = program.instructions[choice.index],
            let at = end(of: bit, choice.at, text)
        else { return retry(downTo: base, text) }
        let more = choice.floor == .max ? Int.max : choice.floor - 1
        if more > 0 { choices.append(Choice(index: choice.index, at: at, floor: more, isLazy: true)) }
        return (choice.index + 1, at)
    }

    private func holds(_ place: SplitPlace, _ at: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        switch place {
        case .textStart: at == 0
        case .textEnd: at == text.count
        case .lineStart: at == 0 || text[at - 1] == 10
        case .lineEnd: at == text.count || text[at] == 10
        }
    }
}
