import ApusFormats
import Foundation

/// What a checkpoint's files say of the run that it is of. What cannot be read is not there.
struct TrainingRecord: Sendable {
    /// A log line by its names.
    typealias Line = [String: Double]

    /// Log lines with a step, in order of their steps.
    private(set) var log: [Line] = []
    /// The run's settings.
    private(set) var settings: [String: JSONValue] = [:]
    /// What the run was made of beside its settings.
    private(set) var identity: [String: JSONValue] = [:]

    /// Of a file that is read whole, in bytes.
    private static let sizeLimit = 1 << 26

    init(of folder: URL) {
        let state = Self.tree(folder.appending(path: "trainer_state.json"))
        log = Self.lines(state?["log_history"]?.array ?? [])
        if log.isEmpty { log = Self.metrics(besides: folder, until: state?["global_step"]?.integer) }
        let snapshot = Self.tree(folder.appending(path: "apus_state.json"))
        settings = snapshot?["configuration"]?.object ?? [:]
        identity = snapshot?["identity"]?.object ?? [:]
    }

    /// A JSON file; nil for one that is missing, damaged or too large.
    static func tree(_ url: URL) -> JSONValue? {
        guard let data = data(url) else { return nil }
        return try? JSONValue(json: data)
    }

    private static func data(_ url: URL) -> Data? {
        guard let size = RepositoryFolder.size(of: url), size <= sizeLimit else { return nil }
        return try? Data(contentsOf: url)
    }

    private static func lines(_ values: [JSONValue]) -> [Line] {
        values.compactMap { value in
            guard let members = value.members else { return nil }
            let numbers = members.compactMap { member in
                member.value.number.flatMap { $0.isFinite ? (member.key, $0) : nil }
            }
            let line = Dictionary(numbers) { $1 }
            return line["step"] == nil ? nil : line
        }
        .sorted { $0["step"] ?? 0 < $1["step"] ?? 0 }
    }

    /// The lines of `metrics.jsonl` in the folder, or beside a checkpoint up to its step.
    private static func metrics(besides folder: URL, until step: Int?) -> [Line] {
        let isCheckpoint = folder.lastPathComponent.hasPrefix("checkpoint-")
        let places = [folder] + (isCheckpoint ? [folder.deletingLastPathComponent()] : [])
        for place in places {
            guard let data = data(place.appending(path: "metrics.jsonl")) else { continue }
            let values = data.split(separator: UInt8(ascii: "\n")).compactMap { try? JSONValue(json: $0) }
            return lines(values).filter { line in step.map { line["step"] ?? 0 <= Double($0) } ?? true }
        }
        return []
    }

    /// How it was trained; nil where nothing says so.
    var method: ModelCard.Method? {
        if log.contains(where: { $0["reward"] != nil }) || settings["num_generations"] != nil { return .grpo }
        return settings.isEmpty && !log.contains { $0["loss"] != nil } ? nil : .sft
    }

    /// What a run says about itself, and not about how it learned.
    private static let housekeeping = Set(
        """
        output_dir logging_dir resume_from_checkpoint force_resume report_to run_name logging_steps logging_first_step
        log_completions log_unique_prompts num_completions_to_print save_steps save_strategy save_total_limit save_only_model
        on_save_failure memory_utilization model adapter dataset_path project trackio_space_id
        """.split { $0.isWhitespace }.map(String.init))

    /// Settings that are others than the defaults, by name; those whose default is unknown are left out.
    func recipe(defaults: [String: JSONValue]) -> [(name: String, value: JSONValue)] {
        settings.filter { name, value in
            guard let usual = defaults[name], usual != value, !Self.housekeeping.contains(name) else { return false }
            return !Self.namesPlace(value)
        }
        .map { (name: $0.key, value: $0.value) }
        .sorted { JSONWriter.precedes($0.name, $1.name) }
    }

    /// Whether a value is a path on this machine, which is nobody else's business.
    private static func namesPlace(_ value: JSONValue) -> Bool {
        if let text = value.string { return ["/", "~", "."].contains { text.hasPrefix($0) } }
        return value.array?.contains(where: namesPlace) ?? value.members?.contains { namesPlace($0.value) } ?? false
    }
}
