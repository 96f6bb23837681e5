import Apus

/// What a run's events have told so far, as its panel needs it. Times are seconds on a clock that only runs forward.
struct PanelState: Sendable {
    struct Phase: Sendable {
        var kind: TrainingPhase
        var begin: Double
        /// How far it has come, once that is known.
        var done = 0
        var total = 0
    }

    private(set) var stepCount = 0
    /// Steps done, those of an earlier start of the run included.
    private(set) var stepsDone = 0
    private(set) var phase: Phase?
    private(set) var rewards: [Double] = []
    private(set) var lengths: [Double] = []
    /// The share of right answers in each evaluation, however these are written.
    private(set) var accuracies: [Double] = []
    /// The newest value of each metric.
    private(set) var metrics: [String: Double] = [:]
    private(set) var plannedMemory: Int?
    /// Completions in a generation batch.
    private(set) var batchSize = 0
    private(set) var lastCheckpoint: String?
    /// One completion of the newest generation batch.
    private(set) var completion: String?
    /// When this start of the run began its first step.
    private var firstStep: (number: Int, begin: Double)?
    private var stepBegin: Double?

    mutating func apply(_ event: TrainingEvent, at now: Double) {
        switch event {
        case .started(let plan):
            stepCount = plan.maxSteps
            plannedMemory = plan.plannedMemory
            batchSize = plan.batch.generationBatchSize
        case .phase(let kind, let step): begin(kind, step, now)
        case .progress(let kind, _, let done, let total):
            guard phase?.kind == kind else { return }
            phase?.done = done
            phase?.total = total
        case .rollout(let report): completion = report.completions.first
        case .stepFinished(let step, let count):
            stepsDone = step
            stepCount = count
            phase = nil
            stepBegin = nil
        case .logged(let record): log(record)
        case .evaluated(let report):
            if let accuracy = report.record["eval_accuracy/lenient"] { accuracies.append(accuracy) }
        case .saved(let path): lastCheckpoint = path
        default: break
        }
    }

    private mutating func begin(_ kind: TrainingPhase, _ step: Int, _ now: Double) {
        phase = Phase(kind: kind, begin: now)
        // An evaluation lies between two steps.
        guard kind != .evaluation else { return }
        if firstStep == nil {
            firstStep = (step, now)
            stepsDone = max(stepsDone, step - 1)
        }
        if stepBegin == nil { stepBegin = now }
    }

    private mutating func log(_ record: MetricsRecord) {
        for entry in record.entries { metrics[entry.name] = entry.value ?? metrics[entry.name] }
        if let reward = record["reward"] { rewards.append(reward) }
        if let length = record["completions/mean_length"] { lengths.append(length) }
    }

    /// The step that goes on, or the last one.
    var currentStep: Int { min(stepsDone + (stepBegin == nil ? 0 : 1), stepCount) }

    /// How much of the run is done.
    var share: Double {
        stepCount > 0 ? Double(stepsDone) / Double(stepCount) : 0
    }

    /// How much of the phase is done. Sampling mostly ends long before every completion is as long as it may be: what the last
    /// step's completions took is the better measure.
    var phaseShare: Double {
        guard let phase, phase.total > 0 else { return 0 }
        var total = Double(phase.total)
        if phase.kind == .rollout, let length = lengths.last { total = min(total, length * Double(batchSize)) }
        return min(Double(phase.done) / max(total, 1), 0.99)
    }

    /// What is left of the run at the pace so far; nil before the first step is done and after the last.
    func secondsLeft(at now: Double) -> Double? {
        guard let firstStep, stepsDone >= firstStep.number, stepsDone < stepCount else { return nil }
        let begun = stepBegin ?? now
        let pace = (begun - firstStep.begin) / Double(stepsDone - firstStep.number + 1)
        return max(pace * Double(stepCount - stepsDone) - (now - begun), 0)
    }

    /// Tokens sampled a second in the phase that is going on.
    func tokensPerSecond(at now: Double) -> Double? {
        guard let phase, phase.kind == .rollout, phase.done > 0, now > phase.begin else { return nil }
        return Double(phase.done) / (now - phase.begin)
    }
}
