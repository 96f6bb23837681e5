// What templates read: whoever makes messages reads these.
@_exported public import enum ApusFormats.JSONValue

/// One turn of a conversation with all its keys, such as `tool_calls`, `name` or `reasoning_content`: a template or a reward
/// sees what the data have.
public struct Message: Sendable, Equatable {
    /// The keys of the turn in their order, `role` and `content` among them.
    public var fields: [JSONValue.Member]

    /// Makes a turn of text.
    public init(role: String, content: String) {
        fields = [.init(key: "role", value: .string(role)), .init(key: "content", value: .string(content))]
    }

    /// Makes a turn of all its keys.
    public init(fields: [JSONValue.Member]) {
        self.fields = fields
    }

    /// The turn as an object.
    public var json: JSONValue { .object(fields) }

    /// Who speaks: "system", "user", "assistant", "tool" or whatever else the model's template knows.
    public var role: String {
        get { json["role"]?.string ?? "" }
        set { self["role"] = .string(newValue) }
    }

    /// What is said: of a list of parts their texts, a line each; empty where a turn has none, as one that only calls tools.
    public var content: String {
        get {
            switch json["content"] {
            case .string(let text)?: text
            case .array(let parts)?: parts.compactMap(Self.text(ofPart:)).joined(separator: "\n")
            default: ""
            }
        }
        set { self["content"] = .string(newValue) }
    }

    /// The value of a key; nil where the turn has none.
    public subscript(key: String) -> JSONValue? {
        get { json[key] }
        set {
            guard let newValue else { return fields.removeAll { $0.key == key } }
            if let index = fields.lastIndex(where: { $0.key == key }) {
                fields[index].value = newValue
            } else {
                fields.append(.init(key: key, value: newValue))
            }
        }
    }

    /// The text of one part of a content: text, or an object `{"type": "text", "text": …}`; nil for anything else.
    package static func text(ofPart part: JSONValue) -> String? { part.string ?? part["text"]?.string }
}

extension Message: Codable {
    /// Decodes an object; decoders do not tell the order of its keys.
    public init(from decoder: any Decoder) throws {
        self.init(fields: try JSONValue(from: decoder).members ?? [])
    }

    /// Encodes the turn as an object.
    public func encode(to encoder: any Encoder) throws { try json.encode(to: encoder) }
}
