extension Interpreter {
    /// How a statement ended.
    enum Flow {
        case next, breakLoop, continueLoop
    }

    func execute(_ statements: [Statement]) throws(TextError) -> Flow {
        for statement in statements {
            line = statement.line
            try budget.spend(steps: 1, line: line)
            try budget.enter(line: line)
            let flow = try execute(statement.kind)
            budget.leave()
            if flow != .next { return flow }
        }
        return .next
    }

    private func execute(_ statement: Statement.Kind) throws(TextError) -> Flow {
        switch statement {
        case .text(let text): try write(text)
        case .output(let expressions):
            for expression in expressions { try write(try text(of: try evaluate(expression))) }
        case .conditional(let branches, let otherwise):
            for branch in branches where try evaluate(branch.condition).isTrue { return try execute(branch.body) }
            return try execute(otherwise)
        case .loop(let loop): try execute(loop)
        case .assignment(let target, let expression): try assign(try evaluate(expression), to: target)
        case .capture(let target, let body, let filters):
            try assign(try filtered(.string(try captureInScope(body)), by: filters), to: target)
        case .macro(let definition): scope.variables[definition.name] = .function(.macro(closure(definition)))
        case .call(let call, let caller): try execute(call, caller: caller)
        case .filtered(let filters, let body):
            try writeText(try filtered(.string(try captureInScope(body)), by: filters), from: "filter")
        case .with(let assignments, let body): return try execute(assignments, body)
        case .block(let name): try write(try renderBlock(name))
        case .generation(let body): try executeGeneration(body)
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .next
    }

    /// What a block makes of its text must be a text again.
    func writeText(_ value: Value, from block: String) throws(TextError) {
        guard let text = value.text else { throw failure("'\(block)' wants a text to write, found \(value.kind)") }
        try write(text)
    }

    func write(_ text: String) throws(TextError) {
        try budget.spend(bytes: text.utf8.count, line: line)
        try budget.checkOutput(bytes: output.utf8.count + text.utf8.count, line: line)
        output += text
    }

    /// What statements write, instead of writing it.
    func capture(_ body: [Statement]) throws(TextError) -> String {
        try capture { () throws(TextError) in _ = try execute(body) }
    }

    private func capture(_ body: () throws(TextError) -> Void) throws(TextError) -> String {
        let outer = output
        output = ""
        captureDepth += 1
        defer {
            output = outer
            captureDepth -= 1
        }
        try body()
        return output
    }

    private func captureInScope(_ body: [Statement]) throws(TextError) -> String {
        try inScope { () throws(TextError) in try capture(body) }
    }

    /// Runs something with variables of its own.
    func inScope<Result>(
        of parent: Scope? = nil, with variables: [String: Value] = [:],
        _ body: () throws(TextError) -> Result
    ) throws(TextError) -> Result {
        let outer = scope
        scope = Scope(variables, in: parent ?? outer)
        defer { scope = outer }
        return try body()
    }

    private func filtered(
        _ value: Value, by filters: [Statement.FilterCall]
    ) throws(TextError) -> Value {
        var value = value
        for filter in filters { value = try apply(filter.name, to: value, try evaluate(filter.arguments)) }
        return value
    }

    /// The values are those of the scope around, where the names do not yet mean what they are set to.
    private func execute(
        _ assignments: [(target: Statement.Target, value: Expression)], _ body: [Statement]
    ) throws(TextError) -> Flow {
        var values: [Value] = []
        for assignment in assignments { values.append(try evaluate(assignment.value)) }
        return try inScope { () throws(TextError) in
            for (assignment, value) in zip(assignments, values) {
                try assign(value, to: assignment.target)
            }
            return try execute(body)
        }
    }

    /// A block sees the variables of the template, not those of the loops and macros around it.
    func renderBlock(_ name: String) throws(TextError) -> String {
        guard let body = blocks[name] else { throw failure("there is no block '\(name)'") }
        return try inScope(of: globals) { () throws(TextError) in try capture(body) }
    }

    private func executeGeneration(_ body: [Statement]) throws(TextError) {
        let start = output.utf8.count
        let text = try captureInScope(body)
        try write(text)
        if captureDepth == 0 { generated.append(start..<output.utf8.count) } else { unplacedGeneration = line }
    }
}

// MARK: - Assignments

extension Interpreter {
    func assign(_ value: Value, to target: Statement.Target) throws(TextError) {
        switch target {
        case .name(let name): scope.variables[name] = value
        case .attribute(let name, let attribute):
            guard case .namespace(let namespace) = lookUp(name) else {
                throw failure("attributes can be set on namespaces only, and '\(name)' is \(lookUp(name).kind)")
            }
            try checkElement(value)
            namespace.attributes.set(.string(attribute), to: value)
        case .tuple(let targets):
            let items = try elements(of: value)
            guard items.count == targets.count else {
                throw failure("wanted \(targets.count) values to set \(targets.count) names, found \(items.count)")
            }
            for (target, item) in zip(targets, items) { try assign(item, to: target) }
        }
    }
}

// MARK: - Loops

extension Interpreter {
    private func execute(_ loop: Statement.Loop) throws(TextError) {
        let items = try elements(of: try evaluate(loop.sequence))
        try run(loop, over: items, depth: 0)
    }

    /// The text of a recursive loop over the elements of its next level.
    func recur(_ state: Value.LoopState, over value: Value) throws(TextError) -> Value {
        guard let (loop, scope) = state.recursion else {
            throw failure("a loop that is called must be marked 'recursive'")
        }
        let items = try elements(of: value)
        return .string(
            try capture { () throws(TextError) in
                try inScope(of: scope) { () throws(TextError) in try run(loop, over: items, depth: state.depth + 1) }
            })
    }

    private func run(_ loop: Statement.Loop, over items: [Value], depth: Int) throws(TextError) {
        let items = try selected(items, by: loop)
        guard !items.isEmpty else {
            return try executeOtherwise(loop)
        }
        var wasCompleted = false
        let state = Value.LoopState(items: items, depth: depth, recursion: loop.isRecursive ? (loop, scope) : nil)
        for (index, item) in items.enumerated() {
            try budget.spend(steps: 1, line: line)
            state.index = index
            let flow = try inScope(with: ["loop": .loop(state)]) { () throws(TextError) in
                try assign(item, to: loop.target)
                return try execute(loop.body)
            }
            if flow == .breakLoop { break }
            if flow == .next { wasCompleted = true }
        }
        // As in Jinja2, a loop of which every round was left early counts as one that did not run.
        guard wasCompleted else { return try executeOtherwise(loop) }
    }

    private func executeOtherwise(_ loop: Statement.Loop) throws(TextError) {
        _ = try inScope { () throws(TextError) in try execute(loop.otherwise) }
    }

    /// The elements that the loop's condition lets through.
    private func selected(_ items: [Value], by loop: Statement.Loop) throws(TextError) -> [Value] {
        guard let condition = loop.condition else { return items }
        var selected: [Value] = []
        for item in items {
            let isSelected = try inScope { () throws(TextError) in
                try assign(item, to: loop.target)
                return try evaluate(condition).isTrue
            }
            if isSelected { selected.append(item) }
        }
        return selected
    }
}
