import Dispatch
import Synchronization

extension ConfiguredReward {
    /// Where a pattern has to match, by the names of Python's functions.
    enum RegexAnchor: String, CaseIterable {
        /// Anywhere.
        case search
        /// At the beginning.
        case match
        /// The whole text.
        case fullmatch
    }

    static func regex(
        _ label: String, _ parameters: inout RewardParameters
    ) throws(RewardParameterError) -> any RewardFunction {
        let scores = try Scores(&parameters)
        guard let pattern = try parameters.text("pattern") else { throw RewardParameterError("needs a pattern") }
        let expression = BoundedRegex(
            pattern: pattern, anchor: try parameters.choice("match", RegexAnchor.self) ?? .search,
            dotMatchesNewlines: try parameters.flag("dotall") ?? false,
            anchorsMatchLineEndings: try parameters.flag("multiline") ?? false,
            ignoresCase: try parameters.flag("ignore_case") ?? false,
            timeout: try parameters.seconds("timeout") ?? .seconds(5))
        do {
            _ = try expression.compiled()
        } catch {
            throw RewardParameterError("pattern cannot be used: \("\(error)".onOneLine)")
        }
        return Reward(label, aim: scores.aim(.form)) { completion, _ in scores.of(try expression.matches(completion)) }
    }
}

/// A regular expression that gives up after some time: a pattern such as `(a+)+$` may take longer than the universe has.
///
/// Matching cannot be interrupted, so a match that takes too long is left to itself on its thread, and the expression is not
/// tried again.
private final class BoundedRegex: Sendable {
    private let pattern: String
    private let anchor: ConfiguredReward.RegexAnchor
    private let dotMatchesNewlines: Bool
    private let anchorsMatchLineEndings: Bool
    private let ignoresCase: Bool
    private let timeout: Duration
    private let isGivenUp = Mutex(false)
    private let queue = DispatchQueue(label: "apus.regex")

    init(
        pattern: String, anchor: ConfiguredReward.RegexAnchor, dotMatchesNewlines: Bool,
        anchorsMatchLineEndings: Bool, ignoresCase: Bool, timeout: Duration
    ) {
        self.pattern = pattern
        self.anchor = anchor
        self.dotMatchesNewlines = dotMatchesNewlines
        self.anchorsMatchLineEndings = anchorsMatchLineEndings
        self.ignoresCase = ignoresCase
        self.timeout = timeout
    }

    /// The expression with Python's meaning of `.`, `^` and `$`. Compiled where it is used, since it may not be shared.
    func compiled() throws -> Regex<AnyRegexOutput> {
        try Regex(pattern).matchingSemantics(.unicodeScalar).dotMatchesNewlines(dotMatchesNewlines)
            .anchorsMatchLineEndings(anchorsMatchLineEndings).ignoresCase(ignoresCase)
    }

    func matches(_ text: String) throws -> Bool {
        guard !isGivenUp.withLock({ $0 }) else { throw Slow(timeout: timeout) }
        let outcome = Outcome()
        let done = DispatchSemaphore(value: 0)
        queue.async {
            let found = Result { try self.search(text) }
            outcome.value.withLock { $0 = found }
            done.signal()
        }
        let milliseconds = (timeout / .milliseconds(1)).wholeNumber(in: 0...Int(Int32.max))
        guard done.wait(timeout: .now() + .milliseconds(milliseconds)) == .success,
            let found = outcome.value.withLock({ $0 })
        else {
            isGivenUp.withLock { $0 = true }
            throw Slow(timeout: timeout)
        }
        return try found.get()
    }

    private func search(_ text: String) throws -> Bool {
        let expression = try compiled()
        return switch anchor {
        case .search: try expression.firstMatch(in: text) != nil
        case .match: try expression.prefixMatch(in: text) != nil
        case .fullmatch: try expression.wholeMatch(in: text) != nil
        }
    }

    /// Where the thread that searches puts what it found.
    private final class Outcome: Sendable {
        let value = Mutex<Result<Bool, any Error>?>(nil)
    }

    private struct Slow: Error, CustomStringConvertible {
        let timeout: Duration
        var description: String {
            "the pattern took longer than \(timeout) and is given up; avoid repetitions within repetitions"
        }
    }
}
