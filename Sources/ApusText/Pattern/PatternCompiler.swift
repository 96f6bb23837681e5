/// One step of a compiled pattern. What follows it is the next instruction unless said otherwise.
enum PatternInstruction: Sendable {
    case one(PatternTest)
    case place(PatternPlace, isMultiline: Bool, isASCII: Bool)
    /// Remembers the position: an even number where a group begins, the next one where it ends.
    case mark(Int)
    case jump(Int)
    /// Goes on here, and from `otherwise` where that fails.
    case fork(otherwise: Int)
    case reference(group: Int, PatternCasing)
    case conditional(group: Int, otherwise: Int)
    /// Repeats what matches one code point.
    case repeatOne(PatternTest, PatternCount)
    /// Begins to count repetitions of what follows, which ends in `repeatNext` at `end`.
    case repeatGroup(end: Int)
    case repeatNext(PatternCount, start: Int)
    /// The rest of these hold a program of their own, which ends in `success` before `end`.
    case possessive(PatternCount, end: Int)
    case atomic(end: Int)
    case look(behind: Int, isNegative: Bool, end: Int)
    case success
    case failure
}

/// A test of one code point.
enum PatternTest: Sendable {
    case any
    case anyButLineFeed
    case literal(UInt32)
    case notLiteral(UInt32)
    /// By its index in ``PatternProgram/sets``, so that an instruction is plain bytes.
    case set(Int)
}

struct PatternProgram: Sendable {
    var instructions: [PatternInstruction] = []
    var sets: [PatternSet] = []
    /// Two for each group.
    var markCount = 0
    /// The least number of code points that a match has.
    var minimum = 0

    /// What `re.search` looks for, where that is known.
    var start: PatternSet?

    /// Whether nothing but the beginning of the text will do.
    var beginsAtStart: Bool {
        switch instructions.first {
        case .place(.beginning, isMultiline: false, _)?, .place(.textStart, _, _)?: true
        default: false
        }
    }
}

/// Turns a pattern into instructions. Repetitions are counted when matching, so the program is about as long as the
/// pattern.
struct PatternCompiler {
    private var program = PatternProgram()

    static func program(of nodes: [PatternNode], flags: PythonPattern.Flags, groups: Int) -> PatternProgram {
        var compiler = PatternCompiler()
        compiler.add(nodes, flags)
        compiler.emit(.success)
        compiler.program.markCount = groups * 2
        compiler.program.minimum = nodes.width.minimum
        compiler.program.start = nodes.start(flags)
        return compiler.program
    }

    private var end: Int { program.instructions.count }

    private mutating func emit(_ instruction: PatternInstruction) { program.instructions.append(instruction) }

    /// Keeps a place for an instruction that needs to know where those end that follow it.
    private mutating func reserve() -> Int {
        emit(.failure)
        return end - 1
    }

    private mutating func add(_ nodes: [PatternNode], _ flags: PythonPattern.Flags) {
        for node in nodes { add(node, flags) }
    }

    private mutating func add(_ node: PatternNode, _ flags: PythonPattern.Flags) {
        switch node {
        case .one(let unit): emit(.one(test(unit, flags)))
        case .place(let place):
            emit(.place(place, isMultiline: flags.contains(.multiline), isASCII: flags.contains(.ascii)))
        case .reference(let group, _): emit(.reference(group: group, PatternCasing(flags)))
        case .group(let number, let added, let removed, let nodes):
            let flags = flags.changed(adding: added, removing: removed)
            if let number { emit(.mark(number * 2 - 2)) }
            add(nodes, flags)
            if let number { emit(.mark(number * 2 - 1)) }
        case .branch(let ways): add(ways, flags)
        case .conditional(let group, let nodes, let otherwise):
            add(condition: group, nodes, otherwise: otherwise, flags)
        case .look(let behind, let isNegative, let nodes):
            let place = reserve()
            addProgram(nodes, flags)
            program.instructions[place] = .look(behind: behind, isNegative: isNegative, end: end)
        case .atomic(let nodes):
            let place = reserve()
            addProgram(nodes, flags)
            program.instructions[place] = .atomic(end: end)
        case .repetition(let count, let nodes): add(nodes, repeated: count, flags)
        }
    }

    private mutating func addProgram(_ nodes: [PatternNode], _ flags: PythonPattern.Flags) {
        add(nodes, flags)
        emit(.success)
    }

    private mutating func add(_ ways: [[PatternNode]], _ flags: PythonPattern.Flags) {
        var jumps: [Int] = []
        for way in ways {
            let fork = reserve()
            add(way, flags)
            jumps.append(reserve())
            program.instructions[fork] = .fork(otherwise: end)
        }
        emit(.failure)
        for jump in jumps { program.instructions[jump] = .jump(end) }
    }

    private mutating func add(
        condition group: Int, _ nodes: [PatternNode], otherwise: [PatternNode], _ flags: PythonPattern.Flags
    ) {
        let condition = reserve()
        add(nodes, flags)
        let jump = reserve()
        program.instructions[condition] = .conditional(group: group, otherwise: end)
        add(otherwise, flags)
        program.instructions[jump] = .jump(end)
    }

    private mutating func add(_ nodes: [PatternNode], repeated count: PatternCount, _ flags: PythonPattern.Flags) {
        if nodes.count == 1, let (unit, flags) = nodes[0].unit(flags) {
            emit(.repeatOne(test(unit, flags), count))
            return
        }
        let place = reserve()
        if count.mode == .possessive {
            addProgram(nodes, flags)
            program.instructions[place] = .possessive(count, end: end)
        } else {
            add(nodes, flags)
            program.instructions[place] = .repeatGroup(end: end)
            emit(.repeatNext(count, start: place + 1))
        }
    }

    private mutating func test(_ unit: PatternUnit, _ flags: PythonPattern.Flags) -> PatternTest {
        switch unit {
        case .any: flags.contains(.dotAll) ? .any : .anyButLineFeed
        case .literal(let value):
            PatternCasing(flags).folds(value) ? add(folded: value, isNegated: false, flags) : .literal(value)
        case .notLiteral(let value):
            PatternCasing(flags).folds(value) ? add(folded: value, isNegated: true, flags) : .notLiteral(value)
        case .set(let items, let isNegated): add(PatternSet(items, isNegated: isNegated, flags: flags))
        }
    }

    private mutating func add(folded value: UInt32, isNegated: Bool, _ flags: PythonPattern.Flags) -> PatternTest {
        let small = PatternCasing(flags).lower(value)
        return add(PatternSet([.literal(small)], isNegated: isNegated, flags: flags))
    }

    private mutating func add(_ set: PatternSet) -> PatternTest {
        program.sets.append(set)
        return .set(program.sets.count - 1)
    }
}
