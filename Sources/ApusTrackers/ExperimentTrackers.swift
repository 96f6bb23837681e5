public import ApusFormats
public import ApusTrain
import Foundation
import Synchronization

/// The experiment trackers of a run, each fed through its own Python package, as the user has it installed.
///
/// Nothing here holds up a run: what is logged goes into a queue, and a package that fails or hangs is said once.
public final class ExperimentTrackers: RunTracker {
    /// What a run says of itself.
    public struct Run: Sendable {
        /// The packages, by the names of `report_to`.
        public var names: [String]
        /// `run_name`.
        public var name: String?
        /// `project`.
        public var project: String?
        /// `trackio_space_id`.
        public var space: String?
        /// The run's folder; the trackers' own numbers of the run are kept there for a continuation.
        public var outputDir: String
        /// The settings, for the trackers to show.
        public var configuration: [String: JSONValue]
        /// Whether the run goes on from a checkpoint in its folder.
        public var isResumed: Bool

        /// Memberwise.
        public init(
            names: [String], name: String? = nil, project: String? = nil, space: String? = nil, outputDir: String,
            configuration: [String: JSONValue] = [:], isResumed: Bool = false
        ) {
            self.names = names
            self.name = name
            self.project = project
            self.space = space
            self.outputDir = outputDir
            self.configuration = configuration
            self.isResumed = isResumed
        }
    }

    /// How a run ended, as trackers show it.
    public enum Status: String, Sendable {
        /// It came to its end.
        case finished
        /// It was told to stop, and may be continued.
        case stopped
        /// It ended with an error.
        case failed
    }

    /// Where each tracker shows the run, where it has an address.
    public let addresses: [String: String]
    private let process: TrackerProcess
    private let run: Run
    private let numbers: JSONValue
    private let hasSaved = Atomic(false)

    /// The longest that packages may take to begin: imports, and a server that has to answer.
    private static let openLimit = Duration.seconds(180)

    /// Starts the packages and waits until they are ready.
    ///
    /// - Parameters:
    ///   - interpreter: of the environment that has the packages.
    ///   - onOutput: hears each line that they print.
    /// - Throws: ``TrackerFailure`` for a package that is not installed, with the command that installs it, or does not begin.
    public init(
        _ run: Run, interpreter: String, onOutput: @escaping @Sendable (String) -> Void
    ) async throws(TrackerFailure) {
        do {
            process = try TrackerProcess(interpreter: interpreter, onOutput: onOutput)
        } catch {
            throw TrackerFailure(reason: "report_to: \(error)")
        }
        self.run = run
        let before = run.isResumed ? Self.savedNumbers(in: run.outputDir) : nil
        process.send([
            "open": [
                "trackers": .array(run.names.map(JSONValue.string)), "run_name": run.name.json,
                "project": run.project.json, "output_dir": .string(run.outputDir),
                "configuration": .object(run.configuration), "resume": before ?? .object([:]),
                "space_id": run.space.json,
            ]
        ])
        guard let reply = await process.reply(within: Self.openLimit) else {
            process.kill()
            throw TrackerFailure(
                reason: "report_to: \(run.names.joined(separator: ", ")) did not begin within "
                    + "\(Self.openLimit.components.seconds) s; see what was printed, or leave report_to out")
        }
        if let failure = Self.failure(reply["failed"]) {
            process.kill()
            throw failure
        }
        let opened = reply["opened"]?.members ?? []
        numbers = .object(opened.map { .init(key: $0.key, value: $0.value["id"] ?? .null) })
        addresses = Dictionary(
            opened.compactMap { member in member.value["url"]?.string.map { (member.key, $0) } },
            uniquingKeysWith: { $1 })
    }

    private static func failure(_ failed: JSONValue?) -> TrackerFailure? {
        guard let first = failed?.members?.first else { return nil }
        let reason = first.value["reason"]?.string ?? "does not begin"
        let advice =
            first.value["missing"] == true
            ? "; install it (\(first.value["install"]?.string ?? "pip install \(first.key)")) or leave it out of report_to"
            : "; mend that, or leave it out of report_to"
        return TrackerFailure(reason: "report_to: \(first.key): \(reason)\(advice)")
    }

    /// Sends a log line.
    public func log(_ record: MetricsRecord) {
        saveNumbers()
        let values = record.entries.map { entry in
            JSONValue.Member(key: entry.name, value: entry.value.map(JSONValue.number) ?? .null)
        }
        process.send(["log": .object(values), "step": .integer(record.step)])
    }

    /// Sends the completions behind a log line.
    public func log(_ completions: CompletionRows) {
        process.send([
            "table": [
                "name": "completions", "step": .integer(completions.step),
                "columns": .array(completions.columns.map(JSONValue.string)),
                "rows": .array(completions.rows.map(JSONValue.array)),
            ]
        ])
    }

    /// Tells the trackers that the run is over, and waits for them to send what is left.
    ///
    /// - Parameter limit: how long at most.
    /// - Returns: whether they have everything.
    @discardableResult public func finish(_ status: Status, within limit: Duration = .seconds(60)) async -> Bool {
        process.send(["close": ["status": .string(status.rawValue)]])
        let isClosed = await process.reply(within: limit)?["closed"] == true
        if isClosed { await process.end(within: .seconds(5)) }
        process.kill()
        return isClosed
    }

    /// The file with the trackers' own numbers of a run, from its first log line on.
    private static func numbersFile(in outputDir: String) -> URL {
        URL(filePath: outputDir, directoryHint: .isDirectory).appending(path: "trackers.json")
    }

    private static func savedNumbers(in outputDir: String) -> JSONValue? {
        guard let data = try? Data(contentsOf: numbersFile(in: outputDir)) else { return nil }
        return try? JSONValue(json: data)
    }

    private func saveNumbers() {
        guard !hasSaved.exchange(true, ordering: .relaxed) else { return }
        try? Data((JSONWriter(indent: 2).write(numbers) + "\n").utf8).write(to: Self.numbersFile(in: run.outputDir))
    }
}

extension String? {
    fileprivate var json: JSONValue { map(JSONValue.string) ?? .null }
}
