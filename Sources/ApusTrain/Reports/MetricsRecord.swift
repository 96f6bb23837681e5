internal import ApusFormats

/// One log line: names and values in the order in which they are shown. A value is `nil` when nothing finite was seen.
public struct MetricsRecord: Sendable, Equatable, Codable {
    /// One value of a log line.
    public struct Entry: Sendable, Equatable {
        /// The metric's name, as TRL spells it.
        public var name: String
        /// Its value.
        public var value: Double?

        /// Memberwise.
        public init(name: String, value: Double?) {
            self.name = name
            self.value = value
        }
    }

    /// The values in order, without ``step``.
    public private(set) var entries: [Entry] = []
    /// The optimizer step that the line belongs to, from 1.
    public var step: Int

    /// An empty line.
    public init(step: Int) { self.step = step }

    /// The value of a metric; `nil` when it is absent or nothing finite was seen.
    public subscript(name: String) -> Double? { entries.first { $0.name == name }?.value }

    /// Adds a value at the end; what is not finite is kept as `nil`.
    mutating func append(_ name: String, _ value: Double?) {
        entries.append(Entry(name: name, value: value.flatMap { $0.isFinite ? $0 : nil }))
    }

    /// Reads a mapping of names to values. The order of names is not kept by every writer of JSON: they come sorted.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Name.self)
        step = try container.decode(Int.self, forKey: Name(stringValue: "step"))
        for key in container.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) where key.stringValue != "step" {
            append(key.stringValue, try container.decode(Double?.self, forKey: key))
        }
    }

    /// Writes names and values as a mapping, with `step`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Name.self)
        for entry in entries { try container.encode(entry.value, forKey: Name(stringValue: entry.name)) }
        try container.encode(step, forKey: Name(stringValue: "step"))
    }

    /// The line as one JSON object without a line break, in order: what `metrics.jsonl` holds.
    public var json: String {
        let members = entries.map { "\(Self.quoted($0.name)): \($0.value.map(\.plainText) ?? "null")" }
        return "{" + (members + ["\"step\": \(step)"]).joined(separator: ", ") + "}"
    }

    private struct Name: CodingKey {
        let stringValue: String
        let intValue: Int? = nil
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\u{0}"..<"\u{20}":
                result += "\\u" + scalar.value.hexadecimal(width: 4)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
