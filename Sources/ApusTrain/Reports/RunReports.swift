import ApusData
import ApusFormats

/// What a log line leads to beside `metrics.jsonl`: warnings, TensorBoard's file, the completions' file.
///
/// A report that cannot be written is no reason to lose a run: it is said once, and the run goes on without it.
final class RunReports {
    private var monitor: TrainingMonitor
    private var tensorBoard: TensorBoardLog?
    private var completions: CompletionsLog?
    private let trackers: [any RunTracker]
    private let logsCompletions: Bool

    /// - Parameters:
    ///   - rewards: the run's reward functions.
    ///   - trackers: what else hears of log lines.
    ///   - history: the lines of the run that is continued.
    /// - Throws: ``TrainingError`` with code `outputFolder`.
    init(
        _ configuration: GRPOConfiguration, rewards: [any RewardFunction] = [], trackers: [any RunTracker] = [],
        lastStep: Int, history: [MetricsRecord]
    ) throws(TrainingError) {
        self.trackers = trackers
        logsCompletions = configuration.logCompletions
        monitor = TrainingMonitor(rewards: rewards)
        if configuration.reportTo.contains(.tensorboard) {
            tensorBoard = try TensorBoardLog(
                outputDir: configuration.output.outputDir, loggingDir: configuration.loggingDir, lastStep: lastStep)
        }
        if configuration.logCompletions { completions = CompletionsLog(outputDir: configuration.output.outputDir) }
        for record in history { _ = monitor.observe(record) }
    }

    /// Takes a log line.
    /// - Parameter rollout: the newest generation batch.
    /// - Returns: what the user should hear about it.
    func append(_ record: MetricsRecord, _ rollout: RolloutReport?) -> [String] {
        var warnings = monitor.observe(record) + appendToTensorBoard(record)
        for tracker in trackers {
            tracker.log(record)
            if logsCompletions, let rollout { tracker.log(CompletionRows(rollout, step: record.step)) }
        }
        do {
            if let rollout { try completions?.write(rollout, step: record.step) }
        } catch {
            completions = nil
            warnings.append("completions cannot be written (\(fileErrorReason(error))): the run goes on without them")
        }
        return warnings
    }

    /// Takes the line of an evaluation.
    /// - Returns: what the user should hear about it.
    func appendEvaluation(_ record: MetricsRecord) -> [String] {
        for tracker in trackers { tracker.log(record) }
        return monitor.observe(record) + appendToTensorBoard(record)
    }

    private func appendToTensorBoard(_ record: MetricsRecord) -> [String] {
        do {
            try tensorBoard?.append(record)
            return []
        } catch {
            tensorBoard = nil
            return ["TensorBoard's file cannot be written (\(fileErrorReason(error))): the run goes on without it"]
        }
    }
}
