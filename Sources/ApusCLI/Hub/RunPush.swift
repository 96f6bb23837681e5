import Apus

/// The push of a run's result, which `push_to_hub` asks for: checked before the run begins, and done when it has ended.
struct RunPush {
    private let target: RepositoryName
    private let isPrivate: Bool
    private let dataset: String?

    /// Nil where nobody asks for it.
    ///
    /// - Throws: `CommandFailure` with status 2 for what would keep the result from being pushed.
    init?(_ settings: RunSettings) throws {
        guard settings.pushesToHub else { return nil }
        guard let name = settings.hubModel else {
            throw CommandFailure(.badInput, "push_to_hub: needs the name of a repository; give hub_model_id: org/name")
        }
        do {
            let revision = settings.hubRevision ?? "main"
            target = try RepositoryName(id: RepositoryName(name).id, revision: revision)
            let hub = try NamedFiles.hub()
            guard !hub.settings.isOffline else {
                throw CommandFailure(.badInput, "push_to_hub: HF_HUB_OFFLINE is set; leave out one of them")
            }
            guard hub.settings.token != nil else {
                throw CommandFailure(
                    .badInput, "push_to_hub: needs a token with write access: set HF_TOKEN, or run hf auth login")
            }
        } catch {
            throw CommandFailure(.badInput, of: error)
        }
        isPrivate = settings.isPrivateOnHub
        dataset = settings.datasets.isEmpty && NamedFiles.isName(settings.dataset) ? settings.dataset : nil
    }

    /// Pushes a checkpoint. The run has ended and is saved, whatever becomes of this.
    ///
    /// - Throws: `CommandFailure` with status 3, which says how to try again.
    func push(_ checkpoint: String?) async throws {
        guard let checkpoint else {
            throw CommandFailure(.runFailed, "push_to_hub: no checkpoint was saved; see save_strategy")
        }
        do {
            try await PlannedPush(checkpoint, to: target, takesAll: false, dataset: dataset).send(isPrivate: isPrivate)
        } catch {
            let command = "apus push \(checkpoint.shellQuoted) \(target.id)"
            throw CommandFailure(.runFailed, "push_to_hub: \(error); the run is saved, and \(command) tries again")
        }
    }
}
