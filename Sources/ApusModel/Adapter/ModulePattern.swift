internal import ApusText

/// Which modules of a model a target of an adapter means, by PEFT's rules.
struct ModulePattern {
    private enum Kind {
        /// All linear modules of the layers.
        case allLinear
        /// A module's name, its path or the end of one.
        case name(String)
        /// A regular expression for a whole path.
        case expression(PythonPattern)
    }

    /// Far more than a path takes.
    private static let steps = 100_000
    private let kind: Kind

    /// - Throws: `ModelError` for an expression that is none.
    init(_ text: String, key: String) throws(ModelError) {
        if text == LoRAConfiguration.allModules {
            kind = .allLinear
        } else if Self.isName(text) {
            kind = .name(text)
        } else {
            kind = .expression(try Self.expression(text, key: key))
        }
    }

    /// Whether it means the module of a path.
    func matches(_ path: String) -> Bool {
        switch kind {
        case .allLinear: true
        case .name(let name): path == name || path.hasSuffix("." + name)
        case .expression(let expression): (try? expression.matches(path, .fullmatch, steps: Self.steps)) ?? false
        }
    }

    /// Whether it means the linear modules of the layers, which a path alone does not tell from others.
    var isAllLinear: Bool { if case .allLinear = kind { true } else { false } }

    /// The name that it is, if it is one.
    var name: String? { if case .name(let name) = kind { name } else { nil } }

    /// The value of the first rule whose expression matches a path or its end after a dot, as `rank_pattern` has them.
    static func value<Value>(
        of rules: [(pattern: PythonPattern, value: Value)], for path: String
    ) -> Value? {
        rules.first { (try? $0.pattern.matches(path, .match, steps: steps)) ?? false }?.value
    }

    /// The expression of such a rule.
    ///
    /// - Throws: `ModelError` for one that is none.
    static func rule(_ pattern: String, key: String) throws(ModelError) -> PythonPattern {
        try expression("(.*\\.)?(\(pattern))$", key: key)
    }

    private static func isName(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            default: "_-.".utf8.contains(byte)
            }
        }
    }

    private static func expression(_ text: String, key: String) throws(ModelError) -> PythonPattern {
        do throws(PatternError) { return try PythonPattern(text) } catch {
            throw ModelError("\(key): '\(text)' is no regular expression: \(error)")
        }
    }
}
