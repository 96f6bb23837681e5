/// Filters that look at all elements at once: they order, group and add.
extension Interpreter {
    static let aggregatingFilters: [String: Filter] = [
        "sort": sorted,
        "dictsort": sortedMembers,
        "groupby": grouped,
        "unique": unique,
        "min": named("min", extreme),
        "max": named("max", extreme),
        "sum": sum,
    ]

    /// What an element is compared by: its attribute, in small letters unless their case counts.
    private func key(
        _ item: Value, _ attribute: Value?, isCaseSensitive: Bool, default standard: Value? = nil
    ) throws(TextError) -> Value {
        let value = try element(at: attribute, of: item, default: standard)
        guard !isCaseSensitive, let text = value.text else { return value }
        try budget.spend(bytes: text.utf8.count, line: line)
        return .string(text.cased("lower"))
    }

    /// The positions of the keys in ascending order; equal ones keep theirs.
    func sortedIndices(_ keys: [Value], isReversed: Bool = false) throws(TextError) -> [Int] {
        var failed: TextError?
        let positions = keys.indices.sorted { first, second in
            guard failed == nil else { return false }
            let (left, right) = isReversed ? (second, first) : (first, second)
            do throws(TextError) {
                return try order(keys[left], keys[right], .less) ?? 0 < 0
            } catch {
                failed = error
                return false
            }
        }
        if let failed { throw failed }
        return positions
    }

    private func sorted(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "sort", "reverse", "case_sensitive", "attribute")
        let isCaseSensitive = values[1]?.isTrue ?? false
        let items = try elements(of: value)
        // "name,age" sorts by the first and then by the second.
        var attributes: [Value] = [values[2] ?? .none]
        if let text = values[2]?.text { attributes = TextSearch(text).split(at: ",").map(Value.string) }
        var keys: [Value] = []
        for item in items {
            var parts: [Value] = []
            for attribute in attributes {
                parts.append(try key(item, attribute, isCaseSensitive: isCaseSensitive))
            }
            keys.append(.list(parts))
        }
        let order = try sortedIndices(keys, isReversed: try flag(values[0], of: "sort"))
        return .list(order.map { items[$0] })
    }

    private func sortedMembers(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "dictsort", "case_sensitive", "by", "reverse")
        guard case .dictionary(let dictionary) = value else {
            throw failure("'dictsort' wants a mapping, found \(value.kind)")
        }
        let by = try values[1].map { value throws(TextError) in try requiredText(value, of: "dictsort") } ?? "key"
        guard ["key", "value"].contains(by) else { throw failure("'dictsort' sorts by 'key' or 'value', not '\(by)'") }
        let isCaseSensitive = values[0]?.isTrue ?? false
        var keys: [Value] = []
        for (name, value) in dictionary.members {
            keys.append(try key(by == "key" ? name : value, nil, isCaseSensitive: isCaseSensitive))
        }
        let order = try sortedIndices(keys, isReversed: try flag(values[2], of: "dictsort"))
        let pairs = dictionary.pairs
        return .list(order.map { pairs[$0] })
    }

    private func grouped(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "groupby", "attribute", "default", "case_sensitive", required: 1)
        let items = try elements(of: value)
        var keys: [Value] = []
        for item in items {
            keys.append(
                try key(item, values[0], isCaseSensitive: values[2]?.isTrue ?? false, default: values[1]))
        }
        var groups: [(key: Value, items: [Value])] = []
        for index in try sortedIndices(keys) {
            if let last = groups.last, try areEqual(last.key, keys[index]) {
                groups[groups.count - 1].items.append(items[index])
            } else {
                groups.append((keys[index], [items[index]]))
            }
        }
        var results: [Value] = []
        for group in groups {
            // The key is shown as the first element has it, not in small letters.
            let grouper = try element(at: values[0], of: group.items[0], default: values[1])
            results.append(try makeList([grouper, try makeList(group.items)], .group))
        }
        return .list(results)
    }

    private func unique(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "unique", "case_sensitive", "attribute")
        return iterator(from: "unique", over: value) { [unowned self] () throws(TextError) in
            var seen: Set<Value.Key> = []
            var results: [Value] = []
            for item in try elements(of: value) {
                try budget.spend(steps: 1, line: line)
                let value = try key(item, values[1], isCaseSensitive: values[0]?.isTrue ?? false)
                guard let key = Value.Key(value) else {
                    let message = "'unique' cannot compare \(value.kind)"
                    throw value.isContainer ? failure(message) : unsupported(message)
                }
                if seen.insert(key).inserted { results.append(item) }
            }
            return results
        }
    }

    private func extreme(_ value: Value, _ name: String, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: name, "case_sensitive", "attribute")
        let sign: ComparisonOperator = name == "min" ? .less : .greater
        var best: (item: Value, key: Value)?
        for item in try elements(of: value) {
            let key = try key(item, values[1], isCaseSensitive: values[0]?.isTrue ?? false)
            if let found = best, !(try compare(key, sign, found.key)) { continue }
            best = (item, key)
        }
        return best?.item ?? .undefined("the \(name) of nothing")
    }

    private func sum(_ value: Value, _ arguments: CallArguments) throws(TextError) -> Value {
        let values = try bind(arguments, of: "sum", "attribute", "start")
        var result = values[1] ?? .integer(0)
        guard result.text == nil else { throw failure("'sum' adds numbers; use 'join' for strings") }
        for item in try elements(of: value) { result = try combine(result, .add, try element(at: values[0], of: item)) }
        return result
    }
}
