import ApusData

/// What a configuration says of a run's log and checkpoints, and of the run that it continues.
public protocol OutputSettings {
    /// Folder of checkpoints and metrics.
    var outputDir: String { get }
    /// Optimizer steps between log lines; below 1, a share of all steps.
    var loggingSteps: Double { get }
    /// Log the first step too.
    var loggingFirstStep: Bool { get }
    /// When checkpoints are written.
    var saveStrategy: SaveStrategy { get }
    /// Optimizer steps between checkpoints; below 1, a share of all steps.
    var saveSteps: Double { get }
    /// How many checkpoints to keep; `nil` keeps all.
    var saveTotalLimit: Int? { get }
    /// Save what is trained without the optimizer and the state that a continuation needs.
    var saveOnlyModel: Bool { get }
    /// Checkpoint folder to go on from; `true` is the newest whole one in ``outputDir``.
    var resumeFromCheckpoint: String? { get }
    /// Go on from a checkpoint of another model, data set or configuration, with a warning.
    var forceResume: Bool { get }
    /// What happens when a checkpoint or a log line cannot be written.
    var onSaveFailure: SaveFailureResponse { get }
    /// Optimizer steps in a row whose loss or gradient is not finite, after which the run stops.
    var maxSkippedSteps: Int { get }
}

extension OutputSettings {
    /// Checks the rules of these settings.
    func validateOutput() throws(ConfigurationError) {
        try require("logging_steps", loggingSteps, "must be above 0 (below 1 it is a share of all steps)") { $0 > 0 }
        try require("save_steps", saveSteps, "must be above 0 (below 1 it is a share of all steps)") { $0 > 0 }
        try require("max_skipped_steps", maxSkippedSteps, "must be at least 1") { $0 >= 1 }
        try require("save_total_limit", saveTotalLimit ?? 1, "must be at least 1, or null to keep all") { $0 >= 1 }
        guard !outputDir.isEmpty else {
            throw ConfigurationError(key: "output_dir", value: "''", rule: "must be a path")
        }
    }

    /// Whether a log line is due after a step.
    func isLogDue(step: Int, of maxSteps: Int) -> Bool {
        step % interval(loggingSteps, of: maxSteps) == 0 || (step == 1 && loggingFirstStep)
    }

    /// Whether a checkpoint is due after a step: on schedule, at the end, and when the run was asked to stop.
    func isSaveDue(step: Int, of maxSteps: Int, isEpochEnd: Bool, isStopping: Bool) -> Bool {
        let isLast = step >= maxSteps || isStopping
        return switch saveStrategy {
        case .no: false
        case .steps: step % interval(saveSteps, of: maxSteps) == 0 || isLast
        case .epoch: isEpochEnd || isLast
        }
    }

    /// A number of steps; below 1, a share of all steps.
    func interval(_ steps: Double, of total: Int) -> Int {
        max(1, steps < 1 ? Int((steps * Double(total)).rounded(.up)) : Int(steps))
    }
}

extension JSONValue {
    /// A value of `resume_from_checkpoint` as a path: TRL takes true for the newest checkpoint of the output folder.
    var checkpointPath: JSONValue {
        guard case .bool(let flag) = self else { return self }
        return flag ? .string(SavedCheckpoint.newest) : .null
    }
}
