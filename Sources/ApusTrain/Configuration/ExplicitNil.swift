/// A setting that may be off. It is written as `null`, so that the set of keys never depends on the values, and a key that
/// is missing reads as off. Synthesised coding of a plain optional would drop the key.
@propertyWrapper
public struct ExplicitNil<Value: Codable & Sendable & Equatable>: Codable, Sendable, Equatable {
    /// The setting, or `nil` when it is off.
    public var wrappedValue: Value?

    /// Wraps a value; off by default.
    public init(wrappedValue: Value? = nil) { self.wrappedValue = wrappedValue }

    /// Reads a value or `null`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        wrappedValue = container.decodeNil() ? nil : try container.decode(Value.self)
    }

    /// Writes the value or `null`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}

extension KeyedDecodingContainer {
    /// Lets synthesised decoding read a missing key as off.
    func decode<Value>(_ type: ExplicitNil<Value>.Type, forKey key: Key) throws -> ExplicitNil<Value> {
        try decodeIfPresent(type, forKey: key) ?? ExplicitNil()
    }
}
