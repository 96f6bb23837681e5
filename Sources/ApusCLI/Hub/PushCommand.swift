import Apus
import ArgumentParser
import Foundation

/// `apus push`: takes an adapter, a checkpoint or an export to the hub.
struct PushCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push",
        abstract: "Give an adapter, a checkpoint or an export to the hub.",
        discussion: """
            The repository is made if there is none. What it has already is not sent again; of a checkpoint, what only a run \
            that goes on needs stays here unless --all is given. A README.md that says what was trained, how, and how to use it \
            is added where neither the folder nor the repository has one. The last line is the address.

              apus push outputs/checkpoint-100 org/name --dry-run
              apus push outputs/checkpoint-100 org/name --private

            HF_TOKEN is a token with write access, or hf auth login has left one. HF_ENDPOINT asks another hub.
            """)

    @Argument(help: "The folder, such as outputs/checkpoint-100.")
    var folder: String

    @Argument(help: "org/name, with your account or organization as org.")
    var name: String

    @Flag(name: .customLong("private"), help: "Make a repository that only its owners see; refused for a public one.")
    var isPrivate = false

    @Option(help: "The branch; it is made if there is none (default: main).")
    var revision: String?

    @Option(help: "What the commit says.")
    var message: String?

    @Option(help: "The base model's name on the hub, for an adapter that names a folder of this machine.")
    var baseModel: String?

    @Option(help: "The data set's name on the hub, for the README.md.")
    var dataset: String?

    @Option(help: "The license, such as apache-2.0, for the README.md.")
    var license: String?

    @Flag(help: "Send what only a run that goes on needs too: the optimizer's state and the run's.")
    var all = false

    @Flag(help: "Show what would be sent, and the README.md, and stop. The hub is not asked.")
    var dryRun = false

    func run() async throws {
        do {
            let target = try target()
            let plan = try PlannedPush(
                folder, to: target, takesAll: all, base: baseModel, dataset: dataset, license: license)
            if dryRun { return plan.show() }
            try await plan.send(isPrivate: isPrivate, message: message)
        } catch {
            throw CommandFailure(.badInput, of: error)
        }
    }

    private func target() throws -> RepositoryName {
        let target = try RepositoryName(name)
        guard let revision else { return target }
        guard target.description == target.id else {
            throw CommandFailure(
                .badInput, "\(name) has a revision already, and --revision gives another; leave one out")
        }
        return try RepositoryName(id: target.id, revision: revision)
    }
}
