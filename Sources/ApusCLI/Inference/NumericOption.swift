import Apus
import ArgumentParser

/// Numeric options: each is held to the bounds of the setting that means the same, so what such a number may be is said in one
/// place, the setting's declaration.
///
/// Options take their values with `parsing: .unconditional`: a negative number is a value that is refused, not an option that is
/// unknown.
enum NumericOption {
    /// How an option's text becomes its value. What it throws ends the parser's message, which shows option and text.
    typealias Reader<Value> = @Sendable (String) throws -> Value

    static let topPHelp: ArgumentHelp =
        "Sample among the likeliest tokens that together have this probability; 1 is off (default: 1)."

    static let seedHelp: ArgumentHelp = "The seed of the random numbers (default: 0)."

    /// A whole number that a setting takes.
    static func integer(like key: String) -> Reader<Int> { integer(bounds(of: key)) }

    /// A number that a setting takes.
    static func number(like key: String) -> Reader<Double> {
        let bounds = bounds(of: key)
        return { text in try read(text, .number(bounds)) }
    }

    /// Optimizer steps, or other pieces of work that are repeated: as the setting `max_steps`, but at least one.
    static let steps = integer(.count(limit: Int(Int32.max)))

    /// Rows to look at, or none.
    static let rows = integer(.count(from: 0, limit: 10_000))

    /// A temperature of an answer: 0 takes the likeliest token, and above it are the temperatures of training. A number so small
    /// that it would be 0 where it is used is neither.
    @Sendable static func temperature(_ text: String) throws -> Double {
        guard try number(like: "eval_temperature")(text) > 0 else { return 0 }
        return try number(like: "temperature")(text)
    }

    /// More completions than anybody waits for, and few enough to be held.
    private static let completionLimit = 10_000_000

    /// Refuses more completions of all prompts than can be held.
    static func check(completions: Int, ofEach prompts: Int) throws(CommandFailure) {
        let (total, isTooLarge) = prompts.multipliedReportingOverflow(by: completions)
        guard isTooLarge || total > completionLimit else { return }
        throw CommandFailure(
            .badInput,
            "--n: wanted at most \(completionLimit) completions in all, found \(completions) of each of \(prompts) prompts; "
                + "give a smaller number, or fewer prompts")
    }

    private static func integer(_ bounds: NumberBounds) -> Reader<Int> {
        { text in
            let kind = SettingKind.integer(bounds)
            guard let whole = Int(exactly: try read(text, kind)) else { throw ValidationError("expected \(kind.rule)") }
            return whole
        }
    }

    private static func read(_ text: String, _ kind: SettingKind) throws -> Double {
        guard let number = RawValue.number(text) else { throw ValidationError("expected \(kind.rule)") }
        if let rule = kind.bounds?.rule(against: number) { throw ValidationError(rule) }
        return number
    }

    private static func bounds(of key: String) -> NumberBounds {
        guard let bounds = SettingTable.facts[key]?.kind.bounds else {
            preconditionFailure("\(key) is no setting that is a number")
        }
        return bounds
    }
}
