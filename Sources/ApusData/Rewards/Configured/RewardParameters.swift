/// Reads the parameters of one reward, each of them once, and finds those that nobody asked for.
struct RewardParameters {
    private var rest: [String: JSONValue]
    private var known: [String] = []

    init(_ values: [String: JSONValue]) { rest = values }

    private mutating func take(_ name: String) -> JSONValue? {
        known.append(name)
        return rest.removeValue(forKey: name).flatMap { $0 == .null ? nil : $0 }
    }

    /// Leaves out a parameter that is read elsewhere.
    mutating func skip(_ name: String) { _ = take(name) }

    mutating func number(_ name: String) throws(RewardParameterError) -> Double? {
        guard let value = take(name) else { return nil }
        guard let number = value.number, number.isFinite else { throw Self.mismatch(name, "a number", value) }
        return number
    }

    /// A number that is not negative.
    mutating func size(_ name: String) throws(RewardParameterError) -> Double? {
        guard let number = try number(name) else { return nil }
        guard number >= 0 else {
            throw RewardParameterError("\(name) must be at least 0, found \(JSONValue.number(number).brief)")
        }
        return number
    }

    /// A time of at most a day, in seconds.
    mutating func seconds(_ name: String) throws(RewardParameterError) -> Duration? {
        guard let number = try size(name) else { return nil }
        guard number <= 86_400 else {
            throw RewardParameterError("\(name) must be at most 86400, found \(JSONValue.number(number).brief)")
        }
        return .seconds(within: number)
    }

    mutating func text(_ name: String) throws(RewardParameterError) -> String? {
        guard let value = take(name) else { return nil }
        guard let text = value.string, !text.isEmpty else { throw Self.mismatch(name, "text", value) }
        return text
    }

    mutating func flag(_ name: String) throws(RewardParameterError) -> Bool? {
        guard let value = take(name) else { return nil }
        guard case .bool(let flag) = value else { throw Self.mismatch(name, "true or false", value) }
        return flag
    }

    /// One or several words out of some.
    mutating func choices<Choice: CaseIterable & RawRepresentable<String>>(
        _ name: String, _ type: Choice.Type
    ) throws(RewardParameterError) -> [Choice]? {
        guard let value = take(name) else { return nil }
        var found: [Choice] = []
        for item in value.array ?? [value] {
            guard let choice = item.string.flatMap(Choice.init(rawValue:)) else {
                let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
                throw Self.mismatch(name, "one of \(words)", item)
            }
            found.append(choice)
        }
        return found
    }

    mutating func choice<Choice: CaseIterable & RawRepresentable<String>>(
        _ name: String, _ type: Choice.Type
    ) throws(RewardParameterError) -> Choice? {
        guard let found = try choices(name, type) else { return nil }
        guard found.count == 1 else { throw RewardParameterError("\(name) must be one word, found \(found.count)") }
        return found[0]
    }

    /// One name or a list of names.
    mutating func names(_ name: String) throws(RewardParameterError) -> [String]? {
        guard let value = take(name) else { return nil }
        let items = value.array ?? [value]
        let names = items.compactMap(\.string)
        guard names.count == items.count, !names.isEmpty else { throw Self.mismatch(name, "a list of names", value) }
        return names
    }

    mutating func mapping(_ name: String) throws(RewardParameterError) -> [String: JSONValue]? {
        guard let value = take(name) else { return nil }
        guard let members = value.object else { throw Self.mismatch(name, "a mapping", value) }
        return members
    }

    /// - Throws: For a parameter that was not asked for.
    func finish() throws(RewardParameterError) {
        guard let unknown = rest.keys.min() else { return }
        throw RewardParameterError("has no parameter '\(unknown)'; there are \(known.sorted().joined(separator: ", "))")
    }

    private static func mismatch(_ name: String, _ wanted: String, _ found: JSONValue) -> RewardParameterError {
        RewardParameterError("\(name) must be \(wanted), found \(found.brief)")
    }
}
