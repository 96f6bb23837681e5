import ApusData
import Foundation

/// How a continuation differs from the run that wrote the checkpoint, key by key.
struct RunDifferences: Equatable {
    /// One key: `learning_rate (1e-05 before, 2e-05 now)`.
    struct Difference: Equatable, CustomStringConvertible {
        var key: String
        var before: JSONValue?
        var now: JSONValue?

        var description: String { "\(key) (\(Self.text(before)) before, \(Self.text(now)) now)" }

        private static func text(_ value: JSONValue?) -> String {
            if case .string(let text)? = value { return text }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            guard let value, let data = try? encoder.encode(value) else { return "null" }
            return String(decoding: data, as: UTF8.self)
        }
    }

    /// What makes it another run.
    private(set) var refused: [Difference] = []
    /// What may change, but moves the run off the path of the one that was not stopped.
    private(set) var noticed: [Difference] = []

    /// - Parameters:
    ///   - before: what the checkpoint holds. Keys that it does not know were added later and count as unchanged.
    ///   - now: this run's.
    ///   - effects: what a change of each setting means; what is none of them is of the run's identity.
    init(before: [String: JSONValue], now: [String: JSONValue], effects: [String: ResumeEffect]) {
        for key in before.keys.sorted() where before[key] != now[key] {
            let difference = Difference(key: key, before: before[key], now: now[key])
            switch effects[key] ?? Self.effect(ofIdentity: key) {
            case .nothing: continue
            case .notice: noticed.append(difference)
            case .anotherRun: refused.append(difference)
            }
        }
    }

    /// Kernels may round otherwise, and files and servers behind reward functions are the user's to change.
    private static func effect(ofIdentity key: String) -> ResumeEffect {
        let freely = [RunIdentity.rewardFileKey, RunIdentity.rewardServerKey]
        return key == "instruction_set" || freely.contains { key.hasPrefix($0) } ? .notice : .anotherRun
    }
}
