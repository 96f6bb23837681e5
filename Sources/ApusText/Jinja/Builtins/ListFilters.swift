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

    /// What a filter yields one after another, as soon as somebody asks for it.
    func iterator(
        from name: String, over value: Value, _ make: @escaping () throws(TextError) -> [Value]
    ) -> Value {
        // The two levels are those of `batch`: a list of lists.
        .iterator(
            Value.Iterator(from: name, depth: value.depth + 2) { [unowned self] () throws(TextError) in
                let items = try make()
                for item in items { try checkElement(item) }
                return items
            })
    }

    private func first(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "first")
        if case .iterator(let iterator) = value { return try iterator.next() ?? .undefined("the first of nothing") }
        return try elements(of: value).first ?? .undefined("the first of nothing")
    }

    private func last(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "last")
        if case .iterator = value { throw failure("'last' wants a list, found \(value.kind); put '|list' before it") }
        return try elements(of: value).last ?? .undefined("the last of nothing")
    }

    private func list(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "list")
        return try makeList(try elements(of: value))
    }

    private func reversed(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "reverse")
        if let text = value.text {
            return value.like(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
        }
        let items = Array(try elements(of: value).reversed())
        if case .iterator = value { return .list(items) }
        return iterator(from: "reverse", over: value) { () throws(TextError) in items }
    }

    private func items(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        _ = try bind(arguments, of: "items")
        return iterator(from: "items", over: value) { [unowned self] () throws(TextError) in
            if case .undefined = value { return [] }
            guard case .dictionary(let dictionary) = value else {
                throw failure("'items' wants a mapping, found \(value.kind)")
            }
            return dictionary.pairs
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
        iterator(from: "map", over: value) { [unowned self] () throws(TextError) in
            guard value.isTrue else { return [] }
            var rest = arguments
            var results: [Value] = []
            if rest.positional.isEmpty, let attribute = rest.remove("attribute") {
                let standard = rest.remove("default")
                guard rest.named.isEmpty else { throw failure("'map' has no argument '\(rest.named[0].name)'") }
                for item in try elements(of: value) {
                    try budget.spend(steps: 1, line: line)
                    results.append(try element(at: attribute, of: item, default: standard))
                }
                return results
            }
            guard let filter = rest.positional.first else { throw failure("'map' wants a filter or an attribute") }
            rest.positional.removeFirst()
            let name = try requiredText(filter, of: "map")
            for item in try elements(of: value) {
                try budget.spend(steps: 1, line: line)
                results.append(try apply(name, to: item, rest))
            }
            return results
        }
    }

    private func selected(_ value: Value, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        iterator(from: name, over: value) { [unowned self] () throws(TextError) in
            guard value.isTrue else { return [] }
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
            return results
        }
    }
}

// MARK: - Parts of lists

extension Interpreter {
    private func batched(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "batch", "linecount", "fill_with", required: 1)
        return iterator(from: "batch", over: value) { [unowned self] () throws(TextError) in
            let items = try elements(of: value)
            guard !items.isEmpty else { return [] }
            // A batch is full when it has this size, which none has that is 0 or less, or no number at all.
            let size = values[0] ?? .none
            let fullCount = size.wholeNumber ?? size.floatingNumber.flatMap(Int.init(exactly:)) ?? -1
            var batches: [[Value]] = [[]]
            for item in items {
                if batches[batches.count - 1].count == fullCount { batches.append([]) }
                batches[batches.count - 1].append(item)
            }
            let lastCount = batches[batches.count - 1].count
            if let fill = values[1], !fill.isNone, try compare(.integer(lastCount), .less, size) {
                let missing = try requiredNumber(size, of: "batch") - lastCount
                try budget.spend(steps: missing, line: line)
                batches[batches.count - 1] += Array(repeating: fill, count: missing)
            }
            return try batches.map { items throws(TextError) in try makeList(items) }
        }
    }

    private func sliced(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "slice", "slices", "fill_with", required: 1)
        return iterator(from: "slice", over: value) { [unowned self] () throws(TextError) in
            let items = try elements(of: value)
            let count = try requiredNumber(values[0], of: "slice")
            guard count != 0 else { throw failure("'slice' wants at least one slice") }
            guard count > 0 else { return [] }
            try budget.spend(steps: count, line: line)
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
            return slices
        }
    }

    private func requiredNumber(_ value: Value?, of name: String) throws(TextError) -> Int {
        guard let number = try optionalNumber(value, of: name) else { throw failure("'\(name)' wants a whole number") }
        return number
    }
}
