import ApusNetwork
public import Foundation

/// How something is pushed.
public struct PushOptions: Sendable {
    /// Whether only its owners see a repository that is made.
    public var isPrivate = false
    /// The commit's first line, and after a line break more.
    public var message = "Upload with apus"

    /// A public repository, and a commit that says where it is from.
    public init() {}
}

/// What came of a push.
public struct HubPush: Sendable, Equatable {
    /// The repository with the branch.
    public let name: RepositoryName
    /// The commit that has the files.
    public let commit: String
    /// Where people see it.
    public let url: URL
    /// Whether the repository was made.
    public let isNew: Bool
    /// Whether there is a new commit: not when the repository had everything.
    public let isChanged: Bool
    /// Paths of what was new to the repository.
    public let sent: [String]
    /// Paths of what it had.
    public let unchanged: [String]
    /// Paths of what the repository wants to be without, by its `.gitignore`.
    public let ignored: [String]
    /// Paths of suggestions that were not taken, since the repository has its own.
    public let kept: [String]
    /// Bytes that were sent; of large files only those that the hub had under no name.
    public let bytes: Int
}

extension Hub {
    /// Pushes the files of a folder to a model's repository in one commit. The repository is made if there is none, and so is
    /// the branch. What the hub has is not sent again, and a folder that is there already makes no commit. Files of the
    /// repository that the folder lacks stay.
    ///
    /// - Parameters:
    ///   - folder: what is pushed; its files must not change until it is done.
    ///   - name: `org/name`, or `org/name@branch`.
    ///   - progress: called a few times a second, from any thread.
    /// - Throws: ``HubError``; until the commit is there, nobody sees a part of it.
    public func push(
        _ folder: PushFolder, to name: RepositoryName, options: PushOptions = PushOptions(),
        progress: @escaping @Sendable (HubProgress) -> Void = { _ in }
    ) async throws(HubError) -> HubPush {
        try checkTarget(name)
        let upload = RepositoryUpload(
            connection: HubConnection(settings), name: name, options: options, meter: ProgressMeter(progress))
        do throws(HubError) {
            return try await upload.push(folder)
        } catch {
            guard error.code == .cancelled else { throw error }
            throw HubError(.cancelled, "the upload was cancelled; what the hub has by now is not sent again")
        }
    }

    private func checkTarget(_ name: RepositoryName) throws(HubError) {
        guard !settings.isOffline else {
            throw HubError(.offline, "HF_HUB_OFFLINE is set, and pushing to \(name.described) needs the hub; unset it")
        }
        guard name.id.contains("/") else {
            throw HubError(.badName, "'\(name.id)' does not say whose it is; write org/name, with your account as org")
        }
        guard name.selector == nil, !name.isCommit else {
            throw HubError(.badName, "'\(name)' is no branch that can be pushed to; write org/name or org/name@branch")
        }
        guard settings.token != nil else {
            throw HubError(
                .unauthorized,
                "pushing to \(name.described) needs a token with write access: make one at "
                    + "\(settings.endpoint.withoutSecrets)/settings/tokens and set HF_TOKEN, or run hf auth login")
        }
    }
}
