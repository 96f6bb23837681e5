import Apus
import ArgumentParser
import Foundation

/// Parses, runs, and turns every error into one line on standard error and a documented exit status.
@main
enum EntryPoint {
    static func main() async {
        // Whoever reads our output may go away (`apus train | head`): that must not end a run.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try ApusCommand.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            // The answer is out; the next run with this model shall begin faster.
            WeightCache.finishWriting()
        } catch {
            exit(report(error).rawValue)
        }
    }

    /// Prints what the user must know about an error.
    ///
    /// - Returns: The status to exit with.
    static func report(_ error: any Error) -> ExitStatus {
        if let failure = error as? CommandFailure {
            Terminal.complain(failure.description)
            return failure.status
        }
        if ApusCommand.exitCode(for: error) == .success {
            // `--help` and `--version` arrive as errors too; their text is the answer.
            print(ApusCommand.fullMessage(for: error))
            return .success
        }
        Terminal.complain("\(ApusCommand.message(for: error)) (see `apus --help`)")
        return .badInput
    }
}
