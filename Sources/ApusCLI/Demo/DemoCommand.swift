import Apus
import ArgumentParser
import Foundation

/// `apus demo`: watch a tiny model learn, without a download.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Watch a tiny model learn to show its work, in under a minute. Needs no download.",
        discussion: """
            The model, of 455,520 parameters, is inside the program. GRPO on arithmetic problems teaches it to write its \
            working; accuracy is measured on 256 problems whose numbers training never shows. What is run is \
            Recipes/arithmetic-demo.yaml. The same seed gives the same run.

              apus demo
              apus demo --seed 1 --json

            --json prints one object with accuracy_before, accuracy_after (shares), seconds and steps.
            """)

    @Option(
        parsing: .unconditional, help: "The seed of the problems, the adapter and the sampling (default: 0).",
        transform: NumericOption.integer(like: "seed"))
    var seed = 0

    @Option(
        parsing: .unconditional, help: "Optimizer steps (default: as many as the recipe says).",
        transform: NumericOption.steps)
    var steps: Int?

    @Option(help: "Where the model, the adapter and metrics.jsonl go.")
    var outputDir = DemoRecipe().outputDirectory

    @OptionGroup var device: DeviceOptions

    @Flag(help: "Print one JSON object instead.")
    var json = false

    func validate() throws {
        if outputDir.isEmpty { throw ValidationError("--output-dir must be a path, found nothing") }
    }

    func run() async throws {
        let clock = ContinuousClock()
        let start = clock.now
        let recipe = DemoRecipe(
            outputDirectory: outputDir, seed: seed, steps: steps, device: device.device ?? .cpu, threads: device.threads
        )
        let trainer = try recipe.makeTrainer()
        let display = DemoDisplay(steps: trainer.plan.maxSteps, isQuiet: json)
        defer { display.finish() }
        display.introduce(trainer.plan)
        trainer.onEvent = { display.show($0) }
        let outcome = try await train(trainer, display)
        let (first, last) = display.measures
        guard let first, let last else {
            throw CommandFailure(.runFailed, "nothing was measured: the demo's recipe does not evaluate")
        }
        let seconds = start.duration(to: clock.now).seconds
        if json {
            let result = DemoResult(
                accuracyBefore: first.accuracy, accuracyAfter: last.accuracy, seconds: seconds, steps: outcome.step)
            Terminal.printLine(try JSONLine.encode(result))
        } else {
            display.finish()
            let ending = DemoEnding(
                before: first, after: last, seconds: seconds, steps: outcome.step, outputDirectory: outputDir)
            for line in ending.lines { Terminal.printLine(line) }
        }
    }

    /// Trains to the end, and measures there.
    ///
    /// - Throws: `CommandFailure`, also when a signal stopped the run.
    private func train(_ trainer: GRPOTrainer, _ display: DemoDisplay) async throws -> TrainingOutcome {
        let stop = trainer.stopSignal
        let signals = StopSignals { signal in
            stop.request()
            Terminal.complain("\(signal.name): finishing the step; once more stops at once")
        }
        do {
            let outcome = try await trainer.run()
            if let signal = signals.received {
                throw CommandFailure(signal.status, "stopped by \(signal.name) after step \(outcome.step)")
            }
            if display.measures.last?.step != outcome.step { try await trainer.evaluate() }
            return outcome
        } catch {
            throw CommandFailure(training: error)
        }
    }
}

/// What `apus demo --json` prints.
struct DemoResult: Encodable {
    var accuracyBefore: Double
    var accuracyAfter: Double
    var seconds: Double
    var steps: Int

    enum CodingKeys: String, CodingKey {
        case accuracyBefore = "accuracy_before"
        case accuracyAfter = "accuracy_after"
        case seconds
        case steps
    }
}
