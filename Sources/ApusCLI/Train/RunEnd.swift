import Apus

/// The end of a training run, as the user hears of it.
struct RunEnd {
    let outcome: TrainingOutcome
    /// The folder of the newest checkpoint.
    let checkpoint: String?
    /// Whether the run can go on from it: with `save_only_model` it cannot.
    let canGoOn: Bool

    /// Ends the program with the status of the signal that stopped the run, if one did.
    ///
    /// - Throws: `CommandFailure`.
    func failIfStopped(by signals: StopSignals) throws(CommandFailure) {
        guard outcome.wasStopped, let signal = signals.received else { return }
        let place =
            checkpoint.map {
                canGoOn
                    ? "to go on: the same command with --resume_from_checkpoint \($0.shellQuoted)" : "saved in \($0)"
            } ?? "nothing was saved"
        throw CommandFailure(signal.status, "stopped by \(signal.name) after step \(outcome.step); \(place)")
    }

    /// Accuracy at the beginning and at the end, where the run measured it at both.
    var accuracy: AccuracyTable? {
        let evaluations = outcome.evaluations
        guard let first = evaluations.first else { return nil }
        let best = outcome.bestCheckpoint == nil ? nil : evaluations.best
        guard
            let (step, answers) = best.flatMap({ best in best.answers.map { (best.step, $0) } })
                ?? evaluations.last.map({ ($0.step, $0.answers) }), step > first.step
        else { return nil }
        return AccuracyTable(
            before: first.answers, after: answers, beforeName: first.step == 0 ? "before" : "after step \(first.step)",
            afterName: (best == nil ? "after step" : "best step") + " \(step)")
    }

    /// Where the result lies, and a command to try it: the checkpoint is an adapter of the run's model, or a model.
    func whatNext(_ settings: RunSettings) -> String? {
        let isAdapter = settings.usesPEFT
        guard let checkpoint = outcome.bestCheckpoint ?? checkpoint else { return nil }
        let model =
            isAdapter ? "\(settings.model.shellQuoted) --adapter \(checkpoint.shellQuoted)" : checkpoint.shellQuoted
        let precision = isAdapter ? settings.precision : .bf16
        let option = precision == ModelOptions.defaultPrecision ? "" : " --precision \(precision.rawValue)"
        return """
            saved in \(checkpoint); to try it:
              apus generate --model \(model)\(option) --prompt "..."
            """
    }
}
