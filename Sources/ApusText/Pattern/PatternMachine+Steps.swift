extension PatternMachine {
    /// Follows one instruction.
    mutating func step() -> Outcome {
        switch program.instructions[index] {
        case .one(let test):
            guard position < text.count, passes(test, position) else { return .fails }
            position += 1
        case .place(let place, let isMultiline, let isASCII):
            guard holds(place, isMultiline: isMultiline, isASCII: isASCII) else { return .fails }
        case .mark(let number): mark(number)
        case .jump(let target):
            index = target
            return .goesOn
        case .fork(let otherwise):
            guard mayPass(index + 1, position) else {
                index = otherwise
                return .goesOn
            }
            push(.fork, otherwise)
        case .reference(let group, let casing):
            guard refer(to: group, casing) else { return .fails }
        case .conditional(let group, let otherwise):
            guard captured(group) != nil else {
                index = otherwise
                return .goesOn
            }
        case .repeatOne(let test, let times): return repeatOne(test, times)
        case .repeatGroup(let end):
            repetitions.append(PatternRepetition(outer: repetition))
            repetition = repetitions.count - 1
            index = end
            return .goesOn
        case .repeatNext(let times, let start): return repeatNext(times, start)
        case .possessive:
            nextPossessive(index, count: 0, lastStart: -1)
            return .goesOn
        case .atomic(let end): begin(.atomic, end, isSaving: false)
        case .look(let behind, let isNegative, let end):
            return look(behind, isNegative: isNegative, end)
        case .success: return succeed()
        case .failure: return .fails
        }
        index += 1
        return .goesOn
    }

    // MARK: Places and groups

    private func holds(_ place: PatternPlace, isMultiline: Bool, isASCII: Bool) -> Bool {
        switch place {
        case .textStart: position == 0
        case .textEnd: position == text.count
        case .beginning: position == 0 || isMultiline && text[position - 1] == 10
        case .end:
            position == text.count || text[position] == 10 && (isMultiline || position == text.count - 1)
        case .boundary: !text.isEmpty && isWord(position - 1, isASCII) != isWord(position, isASCII)
        case .notBoundary: !text.isEmpty && isWord(position - 1, isASCII) == isWord(position, isASCII)
        }
    }

    private func isWord(_ position: Int, _ isASCII: Bool) -> Bool {
        text.indices.contains(position) && PatternCategory.word.contains(text[position], isASCII: isASCII)
    }

    /// What a group holds, if anything.
    private func captured(_ group: Int) -> Range<Int>? {
        let mark = group * 2 - 2
        guard mark < lastMark, marks[mark] >= 0, marks[mark] <= marks[mark + 1] else { return nil }
        return marks[mark]..<marks[mark + 1]
    }

    private mutating func refer(to group: Int, _ casing: PatternCasing) -> Bool {
        guard let range = captured(group), range.count <= text.count - position else { return false }
        stepsLeft -= range.count
        for offset in 0..<range.count
        where casing.lower(text[range.lowerBound + offset]) != casing.lower(text[position + offset]) {
            return false
        }
        position += range.count
        return true
    }

    private mutating func look(_ behind: Int, isNegative: Bool, _ end: Int) -> Outcome {
        guard position >= behind else {
            index = end
            return isNegative ? .goesOn : .fails
        }
        if isNegative { begin(.lookNot, end) } else { begin(.look, end, isSaving: false) }
        position -= behind
        index += 1
        return .goesOn
    }

    // MARK: Repetitions

    private mutating func repeatOne(_ test: PatternTest, _ times: PatternCount) -> Outcome {
        let rest = text.count - position
        guard times.minimum <= rest else { return .fails }
        let limit = times.mode == .lazy ? times.minimum : min(times.maximum, rest)
        var count = 0
        while count < limit, passes(test, position + count) { count += 1 }
        stepsLeft -= count
        guard count >= times.minimum else { return .fails }
        switch times.mode {
        case .greedy:
            push(.fewer, index, count: count)
            return retryFewer() ? .goesOn : .fails
        case .lazy:
            position += count
            push(.more, index, count: count)
        case .possessive: position += count
        }
        index += 1
        return .goesOn
    }

    /// After a round of a repetition, or before the first.
    private mutating func repeatNext(_ times: PatternCount, _ start: Int) -> Outcome {
        let current = repetition
        let now = repetitions[current]
        if now.count + 1 < times.minimum {
            push(.round, index, count: now.count, other: now.lastStart, isSaving: false)
            repetitions[repetition].count += 1
            index = start
        } else if times.mode == .lazy {
            repetition = now.outer
            push(.nextRound, index, other: current)
            index += 1
        } else if now.count + 1 < times.maximum, position != now.lastStart {
            push(.lastRound, index + 1, count: now.count, other: now.lastStart, isSaving: true)
            repetitions[repetition].count += 1
            repetitions[repetition].lastStart = position
            index = start
        } else {
            repetition = now.outer
            index += 1
        }
        return .goesOn
    }

    /// Another round of a lazy repetition, where what follows it failed; false if there may be none.
    mutating func beginLazyRound() -> Bool {
        guard case .repeatNext(let times, let start) = program.instructions[index] else { return false }
        let now = repetitions[repetition]
        guard now.count + 1 < times.maximum, position != now.lastStart else { return false }
        push(.round, index, count: now.count, other: now.lastStart, isSaving: false)
        repetitions[repetition].count += 1
        repetitions[repetition].lastStart = position
        index = start
        return true
    }

    /// Another round of the possessive repetition at `index`, or what follows it.
    mutating func nextPossessive(_ index: Int, count: Int, lastStart: Int) {
        guard case .possessive(let times, let end) = program.instructions[index] else { return }
        if count < times.minimum {
            begin(.needed, index, count: count, isSaving: false)
        } else if count < times.maximum, position != lastStart {
            begin(.wanted, index, count: count, isSaving: true)
        } else {
            self.index = end
            return
        }
        self.index = index + 1
    }

    /// Leaves the possessive repetition at `index`.
    mutating func endPossessive() {
        guard case .possessive(_, let end) = program.instructions[index] else { return }
        index = end
    }
}
