import Apus

/// What was found out about a file, part by part: declared once, read by people as lines and by programs as an object.
struct Inspection {
    /// One thing that was found out.
    struct Fact {
        let key: String
        let text: String
        let value: JSONValue

        /// A fact that people read in words of their own.
        init(_ key: String, _ value: JSONValue, _ text: String) {
            self.key = key
            self.value = value
            self.text = text
        }

        /// A number that needs no words.
        init(_ key: String, _ value: Int) { self.init(key, .integer(value), String(value)) }

        /// Words.
        init(_ key: String, _ value: String) { self.init(key, .string(value), value) }
    }

    /// Facts that belong together.
    struct Part {
        let key: String
        var facts: [Fact]
    }

    var parts: [Part]

    /// Several lines without a line break at the end. What a file says is shown without its control characters.
    var text: String {
        let width = parts.flatMap(\.facts).map { Self.label($0.key).count }.max() ?? 0
        return parts.filter { !$0.facts.isEmpty }.map { part in
            let lines = part.facts.map { fact in
                let label = Self.label(fact.key)
                return "  " + label + String(repeating: " ", count: width - label.count) + "  " + fact.text.printable
            }
            return ([Self.label(part.key)] + lines).joined(separator: "\n")
        }.joined(separator: "\n\n")
    }

    /// The object of `--json`.
    var json: JSONValue {
        .object(
            parts.map { part in
                .init(key: part.key, value: .object(part.facts.map { .init(key: $0.key, value: $0.value) }))
            })
    }

    /// Keys are words joined by underscores; types of tensors are names, and stay.
    private static func label(_ key: String) -> String {
        key == key.lowercased() ? key.replacing("_", with: " ") : key
    }
}

extension Inspection.Part {
    /// How tensors are stored, each way with its share.
    init(_ storage: [StoredTensors], elements: Int) {
        self.init(key: "weights", facts: [.init("parameters", .integer(elements), counted(elements))])
        for kind in storage {
            let tensors = "\(kind.tensorCount) \(kind.tensorCount == 1 ? "tensor" : "tensors")"
            let text = "\(tensors), \(counted(kind.elementCount)), \(sized(kind.byteCount))"
            let value: JSONValue = .object([
                "tensors": .integer(kind.tensorCount), "parameters": .integer(kind.elementCount),
                "bytes": .integer(kind.byteCount),
            ])
            facts.append(.init(kind.type, value, text))
        }
    }

    /// Whether something can be used, or the sentence that says why not.
    init(refusal: String?) {
        self.init(key: "use", facts: [.init("loads", .bool(refusal == nil), refusal == nil ? "yes" : "no")])
        if let refusal { facts.append(.init("reason", refusal)) }
    }
}

/// A count for people: `134.5 million`.
func counted(_ count: Int) -> String {
    if count >= 1_000_000_000 { return "\(fixed(Double(count) / 1e9, 2)) billion" }
    return count >= 1_000_000 ? "\(fixed(Double(count) / 1e6, 1)) million" : "\(count)"
}

/// Bytes for people: `94 MiB`, and of little `12 KiB`.
func sized(_ bytes: Int) -> String {
    bytes >= 1 << 20 ? "\(mebibytes(bytes)) MiB" : "\((bytes + 1023) / 1024) KiB"
}
