import Apus
import Foundation
import Synchronization

/// Shows the demo: a line for each measurement on standard output and, on a terminal, the step in between.
final class DemoDisplay: Sendable {
    private struct State {
        var first: DemoMeasure?
        var last: DemoMeasure?
        var begin: ContinuousClock.Instant?
        var reward: Double?
    }

    private let steps: Int
    private let isQuiet: Bool
    private let state = Mutex(State())
    private let clock = ContinuousClock()

    /// The measurements before the first step and after the last one so far.
    var measures: (first: DemoMeasure?, last: DemoMeasure?) { state.withLock { ($0.first, $0.last) } }

    /// - Parameter isQuiet: print nothing but what goes wrong, and the progress on a terminal.
    init(steps: Int, isQuiet: Bool) {
        self.steps = steps
        self.isQuiet = isQuiet
    }

    /// Says what will be seen.
    func introduce(_ plan: TrainingPlan) {
        guard !isQuiet else { return }
        let batch = plan.batch
        let what = DemoEnding.wrapped(
            "It can calculate, but mostly blurts out an answer. In each of \(steps) steps GRPO samples \(batch.groupSize) "
                + "answers to each of \(batch.promptsPerGeneration) problems, scores them with five reward functions, and moves "
                + "the model towards the better ones. Measured are \(RunConfiguration.builtInEvaluationSize) problems with "
                + "numbers that training never shows: right answers, answers with working, and the mean reward (at most 4)."
        )
        Terminal.printLine("A tiny model (455,520 parameters) learns to show its work.\n\n\(what)\n")
    }

    /// Ends the progress line.
    func finish() { Terminal.clearTransientLine() }

    func show(_ event: TrainingEvent) {
        switch event {
        case .evaluated(let report): add(DemoMeasure(report))
        case .logged(let record): state.withLock { $0.reward = record["reward"] }
        case .stepFinished(let step, _): showProgress(step)
        case .phase(.evaluation, step: 0): Terminal.showTransient("measuring before the first step")
        case .phase(.rollout, step: 1): state.withLock { $0.begin = clock.now }
        // Warnings give advice on settings, to users who chose them. The demo's are chosen: that a solved problem family
        // leaves the model sure of its answers is their end, not a trouble.
        default: break
        }
    }

    private func add(_ measure: DemoMeasure) {
        state.withLock { state in
            if state.first == nil { state.first = measure }
            state.last = measure
        }
        guard !isQuiet else { return }
        Terminal.printLine(
            Self.line(measure, of: steps, columns: Terminal.outputColumns, glyphs: Terminal.outputTraits.glyphs))
    }

    /// `step  10/100  right  69.5 %  ██████████░░░░░  working  97 %  reward 2.93`, with the bar on a terminal only.
    static func line(
        _ measure: DemoMeasure, of steps: Int, columns: Int?, glyphs: Glyphs = .ascii
    ) -> StyledLine {
        let step = padded(String(measure.step), to: String(steps).count)
        var line = StyledLine("step \(step)/\(steps)  right \(padded(percentage(measure.accuracy), to: 7))")
        let working = padded("\(fixed(measure.working * 100, 0)) %", to: 5)
        let rest = "  working \(working)  reward \(fixed(measure.reward, 2))"
        let width = line.width + CellWidth.of(rest)
        if let columns, columns >= width + 12 {
            let bar = glyphs.bar(measure.accuracy, width: min(40, columns - width - 3))
            line.append("  ")
            line.append(bar.done, .done)
            line.append(bar.left)
        }
        line.append(rest)
        return line
    }

    private static func padded(_ text: String, to width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private func showProgress(_ step: Int) {
        let (begin, reward) = state.withLock { ($0.begin, $0.reward) }
        guard let begin, step < steps else { return }
        let elapsed = begin.duration(to: clock.now).seconds
        let left = timeSpan(elapsed / Double(step) * Double(steps - step))
        let rewardText = reward.map { ", reward \(fixed($0, 2))" } ?? ""
        Terminal.showTransient("step \(step)/\(steps)\(rewardText), \(timeSpan(elapsed)), left \(left)")
    }
}
