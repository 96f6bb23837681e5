/// A part of JSON Schema that is enough to say what an answer must look like: `type`, `required`, `properties`,
/// `additionalProperties` (true or false), `items`, `enum`, `const`, `minimum`, `maximum`, `minLength`, `maxLength`,
/// `minItems`, `maxItems`. `title`, `description` and `$schema` are allowed and mean nothing. Anything else is refused, since
/// to leave it out would accept what the author wanted refused.
struct JSONSchema: Sendable {
    enum Kind: String, CaseIterable {
        case object
        case array
        case string
        case number
        case integer
        case boolean
        case null
    }

    private var kinds: Set<Kind> = []
    private var required: [String] = []
    private var properties: [String: JSONSchema] = [:]
    private var allowsOtherProperties = true
    /// None or one; an array, since a structure cannot hold itself.
    private var items: [JSONSchema] = []
    private var allowed: [JSONValue]?
    private var value: ClosedRange<Double> = -.infinity ... .infinity
    private var length: ClosedRange<Double> = 0 ... .infinity
    private var count: ClosedRange<Double> = 0 ... .infinity

    private static let annotations = ["title", "description", "$schema"]

    /// - Throws: ``RewardParameterError`` for a keyword outside of the subset, or a value that it cannot have.
    init(_ members: [String: JSONValue]) throws(RewardParameterError) {
        do throws(RewardParameterError) {
            var reader = RewardParameters(members.filter { !Self.annotations.contains($0.key) })
            kinds = Set(try reader.choices("type", Kind.self) ?? [])
            required = try reader.names("required") ?? []
            for (name, member) in try reader.mapping("properties") ?? [:] {
                guard let schema = member.object else {
                    throw RewardParameterError("properties: '\(name)' must be a mapping, found \(member.brief)")
                }
                properties[name] = try JSONSchema(schema)
            }
            allowsOtherProperties = try reader.flag("additionalProperties") ?? true
            if let schema = try reader.mapping("items") { items = [try JSONSchema(schema)] }
            allowed = try Self.allowed(in: members)
            for name in ["enum", "const"] { reader.skip(name) }
            value = try Self.range(try reader.number("minimum"), try reader.number("maximum"), -.infinity)
            length = try Self.range(try reader.size("minLength"), try reader.size("maxLength"), 0)
            count = try Self.range(try reader.size("minItems"), try reader.size("maxItems"), 0)
            try reader.finish()
        } catch {
            throw error.description.hasPrefix("schema: ") ? error : RewardParameterError("schema: \(error)")
        }
    }

    private static func allowed(in members: [String: JSONValue]) throws(RewardParameterError) -> [JSONValue]? {
        if let constant = members["const"] { return [constant] }
        guard let value = members["enum"] else { return nil }
        guard let values = value.array, !values.isEmpty else {
            throw RewardParameterError("enum must be a list of values, found \(value.brief)")
        }
        return values
    }

    private static func range(
        _ least: Double?, _ most: Double?, _ lowest: Double
    ) throws(RewardParameterError) -> ClosedRange<Double> {
        let (least, most) = (least ?? lowest, most ?? .infinity)
        guard least <= most else { throw RewardParameterError("wants at least \(least) and at most \(most)") }
        return least...most
    }

    /// Whether a value is as the schema says.
    func accepts(_ candidate: JSONValue) -> Bool {
        guard kinds.isEmpty || kinds.contains(where: { $0.holds(candidate) }) else { return false }
        if let allowed, !allowed.contains(candidate) { return false }
        switch candidate {
        case .integer, .number, .bigInteger: return value.contains(candidate.number ?? .nan)
        case .string(let text): return length.contains(Double(text.unicodeScalars.count))
        case .array(let values):
            return count.contains(Double(values.count)) && items.allSatisfy { values.allSatisfy($0.accepts) }
        case .object(let members):
            return required.allSatisfy { candidate[$0] != nil }
                && members.allSatisfy { properties[$0.key]?.accepts($0.value) ?? allowsOtherProperties }
        case .null, .bool: return true
        }
    }
}

extension JSONSchema.Kind {
    fileprivate func holds(_ value: JSONValue) -> Bool {
        switch (self, value) {
        case (.object, .object), (.array, .array), (.string, .string), (.number, .number), (.boolean, .bool),
            (.null, .null), (.number, .integer), (.number, .bigInteger), (.integer, .integer),
            (.integer, .bigInteger):
            true
        case (.integer, .number(let number)): number == number.rounded()
        default: false
        }
    }
}
