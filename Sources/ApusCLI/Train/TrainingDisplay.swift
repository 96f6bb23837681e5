import Apus
import ApusTensor
import Dispatch
import Foundation
import Synchronization

/// Shows a run: one line a log step on standard output and, on a terminal, below them, where the run is.
///
/// Where standard output is a terminal that is a panel of several lines; where only standard error is, one line when a step
/// takes long; else nothing.
final class TrainingDisplay: Sendable {
    /// What is shown beside the log lines.
    struct Options: Sendable {
        /// Whether the panel shows the beginning of a completion.
        var showsCompletion = false
        /// How many completions follow each log line; nil for none.
        var completionsToPrint: Int?
        /// Whether these are of different prompts.
        var printsPromptsOnce = false
    }

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
        var rollout: RolloutReport?
        var panel = PanelState()
        var isFinished = false
    }

    private let options: Options
    private let state = Mutex(State())
    private let clock = ContinuousClock()
    private let created: ContinuousClock.Instant
    private let showsPanel = Terminal.showsPanel
    /// Rewrites the panel or the progress line; nil when neither is shown. Dispatch's objects may be used from any thread, and
    /// these never change after init.
    nonisolated(unsafe) private let timer: (any DispatchSourceTimer)?
    nonisolated(unsafe) private var signals: [any DispatchSourceSignal] = []

    /// A step is allowed this long before it is explained.
    private static let patience = Duration.seconds(2)

    /// The folder of the newest checkpoint.
    var lastCheckpoint: String? { state.withLock { $0.lastCheckpoint } }

    init(options: Options = Options()) {
        self.options = options
        created = clock.now
        let isShown = showsPanel || Terminal.showsProgress
        let queue = DispatchQueue(label: "apus.progress")
        timer = isShown ? DispatchSource.makeTimerSource(queue: queue) : nil
        timer?.setEventHandler { [weak self, showsPanel] in showsPanel ? self?.showPanel() : self?.showProgress() }
        let interval = DispatchTimeInterval.milliseconds(showsPanel ? 200 : 1000)
        timer?.schedule(deadline: .now() + interval, repeating: interval)
        timer?.resume()
        guard showsPanel else { return }
        signals = [SIGWINCH, SIGCONT].map { signal in
            let source = DispatchSource.makeSignalSource(signal: signal, queue: queue)
            source.setEventHandler { [weak self] in
                if signal == SIGCONT { Terminal.forgetPanel() }
                self?.showPanel()
            }
            source.resume()
            return source
        }
    }

    /// Takes the panel or the progress line away.
    func finish() {
        timer?.cancel()
        for signal in signals { signal.cancel() }
        state.withLock {
            $0.isFinished = true
            Terminal.showPanel([])
        }
        Terminal.clearTransientLine()
    }

    private func showPanel() {
        guard let size = Terminal.outputSize, Terminal.isInForeground else { return }
        let memory = ProcessMemory.resident
        state.withLock { state in
            guard !state.isFinished, state.panel.stepCount > 0 else { return }
            let panel = TrainingPanel(
                state: state.panel, now: created.duration(to: clock.now).seconds, residentMemory: memory,
                glyphs: Terminal.outputTraits.glyphs, showsCompletion: options.showsCompletion)
            Terminal.showPanel(panel.lines(columns: size.columns, rows: size.rows))
        }
    }

    func show(_ event: TrainingEvent) {
        let now = created.duration(to: clock.now).seconds
        state.withLock { $0.panel.apply(event, at: now) }
        switch event {
        case .started(let plan): start(plan)
        case .notice(let text), .warning(let text): Terminal.complain(text)
        case .phase(let phase, let step): begin(phase, step)
        case .progress(let phase, _, let done, let total):
            state.withLock { if $0.phase?.kind == phase { $0.progress = (done, total) } }
        case .rollout(let report):
            state.withLock {
                $0.rewardNames = report.rewardNames
                $0.rollout = report
            }
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
        if event.changesPanelAtOnce, showsPanel { showPanel() }
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
        Terminal.printLine(line.styled(columns: Terminal.outputColumns))
        printCompletions(step: record.step)
    }

    private func printCompletions(step: Int) {
        guard let limit = options.completionsToPrint, let report = state.withLock({ $0.rollout }) else { return }
        let table = CompletionsTable(
            report: report, step: step, limit: limit, showsPromptsOnce: options.printsPromptsOnce,
            glyphs: Terminal.outputTraits.glyphs)
        Terminal.printLine(table.lines(columns: Terminal.outputColumns ?? 120).joined(separator: "\n"))
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

extension TrainingEvent {
    /// Whether a reader would miss it until the timer's next tick: a run of short steps may be over by then.
    fileprivate var changesPanelAtOnce: Bool {
        switch self {
        case .started, .logged, .evaluated: true
        default: false
        }
    }
}

extension TrainingPhase {
    var label: String {
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

    /// The same in few words.
    func count(done: Int, of total: Int) -> String {
        self == .reward || self == .train ? "\(done)/\(total)" : "\(done) tokens"
    }
}
