extension Interpreter {
    static let listFilters: [String: Filter] = [
        "first": first,
        "last": last,
        "list": list,
        "reverse": reversed,
        "items": items,
        "join": joined,
        "map": mapped,
        "select": named("select", selected),
        "reject": named("reject", selected),
        "selectattr": named("selectattr", selected),
        "rejectattr": named("rejectattr", selected),
        "batch": batched,
        "slice": sliced,
    ]

    /// What a filter yields one after another.
    func iterator(_ items: [Value], from name: String) throws(TextError) -> Value {
        for item in items { try checkElement(item) }
        return .iterator(Value.Iterator(items, from: name))
    }

    private func first(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "first")
        if case .iterator(let iterator) = value { return iterator.next() ?? .undefined("the first of nothing") }
        return try elements(of: value).first ?? .undefined("the first of nothing")
    }

    private func last(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "last")
        if case .iterator = value { throw failure("'last' wants a list, found \(value.kind); put '|list' before it") }
        return try elements(of: value).last ?? .undefined("the last of nothing")
    }

    private func list(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "list")
        return .list(try elements(of: value))
    }

    private func reversed(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "reverse")
        if let text = value.text {
            return value.like(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
        }
        let items = Array(try elements(of: value).reversed())
        if case .iterator = value { return .list(items) }
        return try iterator(items, from: "reverse")
    }

    private func items(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "items")
        switch value {
        case .undefined: return try iterator([], from: "items")
        case .dictionary(let dictionary): return try iterator(dictionary.pairs, from: "items")
        default: throw failure("'items' wants a mapping, found \(value.kind)")
        }
    }

    private func joined(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "join", "d", "attribute")
        let separator = try text(of: values[0] ?? .string(""))
        var parts: [String] = []
        for item in try elements(of: value) {
            let part = try text(of: try element(at: values[1], of: item))
            parts.append(part)
            try budget.spend(bytes: part.utf8.count + separator.utf8.count, line: line)
        }
        return .string(parts.joined(separator: separator))
    }

    /// `map("filter", …)` or `map(attribute="name", default=…)`.
    private func mapped(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        var rest = arguments
        var results: [Value] = []
        if rest.positional.isEmpty, let attribute = rest.remove("attribute") {
            let standard = rest.remove("default")
            guard rest.named.isEmpty else { throw failure("'map' has no argument '\(rest.named[0].name)'") }
            for item in try elements(of: value) {
                try budget.spend(steps: 1, line: line)
                results.append(try element(at: attribute, of: item, default: standard))
            }
            return try iterator(results, from: "map")
        }
        guard let filter = rest.positional.first else { throw failure("'map' wants a filter or an attribute") }
        rest.positional.removeFirst()
        let name = try requiredText(filter, of: "map")
        for item in try elements(of: value) {
            try budget.spend(steps: 1, line: line)
            results.append(try apply(name, to: item, rest))
        }
        return try iterator(results, from: "map")
    }

    private func selected(
        _ value: Value, _ name: String, _ arguments: CallArguments
    ) throws(TextError) -> Value {
        var rest = arguments
        var attribute: Value?
        if name.hasSuffix("attr") {
            guard !rest.positional.isEmpty else { throw failure("'\(name)' wants the name of an attribute") }
            attribute = rest.positional.removeFirst()
        }
        let test = rest.positional.isEmpty ? nil : try requiredText(rest.positional.removeFirst(), of: name)
        let keeps = name.hasPrefix("select")
        var results: [Value] = []
        for item in try elements(of: value) {
            try budget.spend(steps: 1, line: line)
            let subject = try element(at: attribute, of: item)
            let isMatch =
                try test.map { name throws(TextError) in try self.test(name, subject, rest) } ?? subject.isTrue
            if isMatch == keeps { results.append(item) }
        }
        return try iterator(results, from: name)
    }
}

// MARK: - Parts of lists

extension Interpreter {
    private func batched(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "batch", "linecount", "fill_with", required: 1)
        let size = try requiredNumber(values[0], of: "batch")
        let items = try elements(of: value)
        // A batch that is never full: as many as there are, and everything with 0 or less.
        var batches: [[Value]] = items.isEmpty ? [] : [[]]
        for item in items {
            if batches[batches.count - 1].count == size { batches.append([]) }
            batches[batches.count - 1].append(item)
        }
        if let fill = values[1], !fill.isNone, let last = batches.last, last.count < size {
            try budget.spend(steps: size - last.count, line: line)
            batches[batches.count - 1] += Array(repeating: fill, count: size - last.count)
        }
        return try iterator(try batches.map { items throws(TextError) in try makeList(items) }, from: "batch")
    }

    private func sliced(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "slice", "slices", "fill_with", required: 1)
        let count = try requiredNumber(values[0], of: "slice")
        let items = try elements(of: value)
        guard count != 0 else { throw failure("'slice' wants at least one slice") }
        try budget.spend(steps: max(count, 0), line: line)
        guard count > 0 else { return try iterator([], from: "slice") }
        let (size, longer) = items.count.quotientAndRemainder(dividingBy: count)
        var slices: [Value] = []
        var start = 0
        for index in 0..<count {
            let end = start + size + (index < longer ? 1 : 0)
            var slice = Array(items[start..<end])
            if let fill = values[1], !fill.isNone, index >= longer { slice.append(fill) }
            slices.append(try makeList(slice))
            start = end
        }
        return try iterator(slices, from: "slice")
    }

    private func requiredNumber(_ value: Value?, of name: String) throws(TextError) -> Int {
        guard let number = try optionalNumber(value, of: name) else { throw failure("'\(name)' wants a whole number") }
        return number
    }
}
