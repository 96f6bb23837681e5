import ApusData

/// What a configuration says of a run's log and checkpoints, and of the run that it continues.
public struct OutputSettings: Sendable, Equatable {
    /// Folder of checkpoints and metrics.
    public var outputDir = "trainer_output"
    /// Optimizer steps between log lines; below 1, a share of all steps.
    public var loggingSteps = 10.0
    /// Log the first step too.
    public var loggingFirstStep = false
    /// When checkpoints are written.
    public var saveStrategy = SaveStrategy.steps
    /// Optimizer steps between checkpoints; below 1, a share of all steps.
    public var saveSteps = 500.0
    /// How many checkpoints to keep; `nil` keeps all.
    public var saveTotalLimit: Int?
    /// Save what is trained without the optimizer and the state that a continuation needs.
    public var saveOnlyModel = false
    /// Checkpoint folder to go on from; `true` is the newest whole one in ``outputDir``.
    public var resumeFromCheckpoint: String?
    /// Go on from a checkpoint of another model, data set or configuration, with a warning. Not a TRL key.
    public var forceResume = false
    /// What happens when a checkpoint or a log line cannot be written. Not a TRL key.
    public var onSaveFailure = SaveFailureResponse.stop
    /// Optimizer steps in a row whose loss or gradient is not finite, after which the run stops. Not a TRL key.
    public var maxSkippedSteps = 3

    /// Transformers' defaults.
    public init() {}
}

extension OutputSettings {
    /// Log lines.
    static var log: [SettingDeclaration<OutputSettings>] {
        SettingDeclaration.in(
            .log,
            [
                .number(
                    "logging_steps", \.loggingSteps, .stepsOrShare,
                    "steps between two lines; below 1 a share of all steps"
                )
                .onResume(.notice),
                .flag("logging_first_step", \.loggingFirstStep, "log step 1 too").onResume(.notice),
            ])
    }

    /// Checkpoints, and the run that is continued.
    static var checkpoints: [SettingDeclaration<OutputSettings>] {
        SettingDeclaration.in(
            .checkpoints,
            [
                .path("output_dir", \.outputDir, "folder of checkpoints and of metrics.jsonl").also("output")
                    .onResume(.nothing).otherDefault("TRL's null becomes trainer_output as well"),
                .choice(
                    "save_strategy", \.saveStrategy,
                    "when to save; the last step is always saved, unless this is `no`"
                ).onResume(.notice),
                .number(
                    "save_steps", \.saveSteps, .stepsOrShare,
                    "steps between two checkpoints; below 1 a share of all steps"
                )
                .onResume(.notice),
                .optionalInteger(
                    "save_total_limit", \.saveTotalLimit, .count(limit: Int(Int32.max), ", or null to keep all"),
                    "how many checkpoints to keep; null keeps all"
                ).onResume(.notice),
                .flag(
                    "save_only_model", \.saveOnlyModel,
                    "save the adapter without the optimizer and the state that a continuation needs"
                ).onResume(.notice),
                SettingDeclaration(
                    "resume_from_checkpoint", \.resumeFromCheckpoint, .folderOrFlag,
                    "go on from a checkpoint folder, or with `true` from the newest in `output_dir`: bit for bit the run that "
                        + "was not stopped"
                ).onResume(.nothing),
                .flag(
                    "force_resume", \.forceResume,
                    "go on from a checkpoint of another model, data set or configuration, with a warning"
                ).from(.apus).also("force").onResume(.nothing),
                .choice(
                    "on_save_failure", \.onSaveFailure,
                    "what happens when a checkpoint or a log line cannot be written"
                ).from(.apus).onResume(.nothing),
                .integer(
                    "max_skipped_steps", \.maxSkippedSteps, .count(limit: Int(Int32.max)),
                    "steps in a row whose loss or gradient is not finite, after which `on_not_finite` applies"
                ).from(.apus).onResume(.nothing),
            ])
    }

    /// Other forms of values: a checkpoint may be asked for by true.
    static func normalized(_ value: JSONValue, of key: String) -> JSONValue {
        key == "resume_from_checkpoint" ? value.checkpointPath : value
    }

    /// Checks the rules of these settings beside their bounds.
    func validate() throws(ConfigurationError) {
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
        // A setting's bounds keep both within Int.
        max(1, (steps < 1 ? (steps * Double(total)).rounded(.up) : steps).wholeNumber(in: 0...Int(Int32.max)))
    }
}

extension JSONValue {
    /// A value of `resume_from_checkpoint` as a path: TRL takes true for the newest checkpoint of the output folder.
    var checkpointPath: JSONValue {
        guard case .bool(let flag) = self else { return self }
        return flag ? .string(SavedCheckpoint.newest) : .null
    }
}
