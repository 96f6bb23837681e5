import Apus
import Dispatch
import Synchronization

/// Shows a run: one line a log step on standard output and, on a terminal, what goes on within a step.
final class TrainingDisplay: Sendable {
    private struct State {
        var rewardNames: [String] = []
        var stepCount = 0
        var firstStep: (number: Int, begin: ContinuousClock.Instant)?
        /// The token count of the last line and when it was shown, for the speed between two lines.
        var lastLine: (tokens: Double, at: ContinuousClock.Instant)?
        var phase: (kind: TrainingPhase, step: Int, begin: ContinuousClock.Instant)?
        /// How far the phase has come, once that is known.
        var progress: (done: Int, total: Int)?
        var lastCheckpoint: String?
    }

    private let state = Mutex(State())
    private let clock = ContinuousClock()
    /// Rewrites the progress line; nil when standard error is no terminal. Dispatch's objects may be used from any thread,
    /// and this one never changes after init.
    nonisolated(unsafe) private let timer: (any DispatchSourceTimer)?

    /// A step is allowed this long before it is explained.
    private static let patience = Duration.seconds(2)

    /// The folder of the newest checkpoint.
    var lastCheckpoint: String? { state.withLock { $0.lastCheckpoint } }

    init(showsProgress: Bool = Terminal.showsProgress) {
        timer = showsProgress ? DispatchSource.makeTimerSource(queue: DispatchQueue(label: "apus.progress")) : nil
        timer?.setEventHandler { [weak self] in self?.showProgress() }
        timer?.schedule(deadline: .now() + .seconds(1), repeating: .seconds(1))
        timer?.resume()
    }

    /// Ends the progress line.
    func finish() {
        timer?.cancel()
        Terminal.clearTransientLine()
    }

    func show(_ event: TrainingEvent) {
        switch event {
        case .started(let plan): start(plan)
        case .notice(let text), .warning(let text): Terminal.complain(text)
        case .phase(let phase, let step): begin(phase, step)
        case .progress(let phase, _, let done, let total):
            state.withLock { if $0.phase?.kind == phase { $0.progress = (done, total) } }
        case .rollout(let report): state.withLock { $0.rewardNames = report.rewardNames }
        case .stepFinished(_, let count):
            state.withLock {
                $0.stepCount = count
                $0.phase = nil
            }
        case .logged(let record): log(record)
        case .evaluated(let report):
            let line = EvaluationLine(report)
            Terminal.printLine(Terminal.outputColumns.map { line.text(columns: $0) } ?? line.text())
        case .saved(let path):
            state.withLock { $0.lastCheckpoint = path }
        }
    }

    private func start(_ plan: TrainingPlan) {
        state.withLock { $0.stepCount = plan.maxSteps }
        let batch = plan.batch
        let completions = batch.microBatchSize * batch.accumulationSteps
        Terminal.printLine(
            "each of \(plan.maxSteps) steps: \(completions) completions, \(batch.groupSize) for each prompt")
    }

    private func begin(_ phase: TrainingPhase, _ step: Int) {
        let now = clock.now
        state.withLock {
            if $0.firstStep == nil {
                $0.firstStep = (step, now)
                $0.lastLine = (0, now)
            }
            $0.phase = (phase, step, now)
            $0.progress = nil
        }
    }

    private func log(_ record: MetricsRecord) {
        let now = clock.now
        let line = state.withLock { state in
            let values = record.entries.compactMap { entry in entry.value.map { (entry.name, $0) } }
            return StepLine(
                step: record.step, stepCount: state.stepCount,
                metrics: Dictionary(values) { _, last in last }, rewardNames: state.rewardNames,
                tokensPerSecond: Self.tokensPerSecond(&state, record["num_tokens"], now),
                secondsLeft: Self.secondsLeft(state, at: record.step, now))
        }
        let columns = Terminal.outputColumns
        Terminal.printLine(Terminal.showsColor ? line.coloredText(columns: columns) : line.text(columns: columns))
    }

    private static func tokensPerSecond(
        _ state: inout State, _ tokens: Double?, _ now: ContinuousClock.Instant
    ) -> Double? {
        guard let tokens, let last = state.lastLine else { return nil }
        state.lastLine = (tokens, now)
        let elapsed = last.at.duration(to: now).seconds
        return elapsed > 0 ? (tokens - last.tokens) / elapsed : nil
    }

    private static func secondsLeft(
        _ state: State, at step: Int, _ now: ContinuousClock.Instant
    ) -> Double? {
        guard let first = state.firstStep, step < state.stepCount, step >= first.number else { return nil }
        let done = Double(step - first.number + 1)
        return first.begin.duration(to: now).seconds / done * Double(state.stepCount - step)
    }

    private func showProgress() {
        let now = clock.now
        let line: String? = state.withLock { state in
            guard let phase = state.phase, phase.begin.duration(to: now) > Self.patience else { return nil }
            let elapsed = timeSpan(phase.begin.duration(to: now).seconds)
            let progress = state.progress.map { " " + phase.kind.describe(done: $0.done, of: $0.total) } ?? ""
            return "step \(phase.step)/\(state.stepCount): \(phase.kind.label)\(progress), \(elapsed)"
        }
        if let line { Terminal.showTransient(line) }
    }
}

extension TrainingPhase {
    fileprivate var label: String {
        switch self {
        case .rollout: "sampling"
        case .reward: "scoring"
        case .train: "training"
        case .evaluation: "evaluating"
        }
    }

    fileprivate func describe(done: Int, of total: Int) -> String {
        switch self {
        case .rollout, .evaluation: "\(done) of at most \(total) tokens"
        case .reward, .train: "\(done) of \(total) completions"
        }
    }
}
