import Apus

/// Why the program ends, as the shell sees it.
enum ExitStatus: Int32 {
    case success = 0
    /// Configuration, files or data were wrong: nothing was changed.
    case badInput = 2
    /// The run failed after it began: a reward that throws, a full disk, a number that is not finite.
    case runFailed = 3
    /// Stopped by SIGHUP (128 + 1), a terminal that was closed, after saving.
    case hungUp = 129
    /// Stopped by SIGINT (128 + 2) after saving.
    case interrupted = 130
    /// Stopped by SIGTERM (128 + 15) after saving.
    case terminated = 143
}

/// An end that the user must hear about: one line for standard error and the exit status that goes with it.
struct CommandFailure: Error, CustomStringConvertible {
    let status: ExitStatus
    let description: String

    init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}

extension CommandFailure {
    /// How a run's error ends the program: the trainer knows whether it had begun.
    init(training error: any Error) {
        if let failure = error as? CommandFailure {
            self = failure
        } else if let error = error as? TrainingError {
            self.init(error.isBadInput ? .badInput : .runFailed, error.description)
        } else {
            self.init(.runFailed, String(describing: error))
        }
    }
}

/// Runs `body`; whatever it throws ends the program with `status`, unless it already says how to end.
func failing<Result>(as status: ExitStatus, _ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch {
        throw CommandFailure(status, of: error)
    }
}

extension CommandFailure {
    /// The end of the program for an error, with `status` unless the error already says how to end. A `ModelError` speaks of
    /// what the model was given, so it is bad input whenever it shows.
    init(_ status: ExitStatus, of error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let error as ModelError: self.init(.badInput, error.description)
        default:
            let shortage = MemoryShortage(error)
            self.init(status, shortage.map { "\($0.finding); \($0.advice)" } ?? String(describing: error))
        }
    }
}

extension MemoryShortage {
    /// What to do, by the names of options.
    fileprivate var advice: String {
        switch work {
        case .trainingPass, .sequence: "raise --memory-utilization, or shorten prompts or --max-new-tokens"
        case .onCard:
            "shorten prompts or --max-new-tokens, raise --memory-utilization, or take a smaller model or --precision nf4"
        }
    }
}
