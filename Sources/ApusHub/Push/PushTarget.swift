import ApusFormats
import ApusNetwork
import Foundation

/// The repository and the branch that something is pushed to.
struct PushTarget: Sendable {
    let connection: HubConnection
    let name: RepositoryName
    /// Whether only its owners are to see it.
    let isPrivate: Bool

    /// What the hub says of the branch.
    struct State: Sendable {
        /// Its newest commit; nil for a branch without any.
        var commit: String?
        var isPrivate: Bool
    }

    private var subject: HubSubject { HubSubject(name: name) }

    /// Asks what there is now.
    ///
    /// - Throws: ``HubError``.
    func state() async throws(HubError) -> State {
        let revision = HubConnection.encoded(name.revision)
        let url = try connection.address("/api/models/\(name.id)/revision/\(revision)")
        let tree = try await connection.answer(url, about: subject).json()
        guard tree.members != nil, let id = tree["id"]?.string else {
            throw HubError(.badAnswer, "\(url.withoutSecrets) does not answer as the hub does; check HF_ENDPOINT")
        }
        guard id.lowercased() == name.id.lowercased() else {
            throw HubError(.badName, "the hub calls \(name.described) '\(id)' now; push to that name")
        }
        return State(
            commit: tree["sha"]?.string.flatMap { CommitHash.isWhole($0) ? $0 : nil },
            isPrivate: tree["private"]?.bool == true)
    }

    /// Makes what is missing: the repository, then the branch.
    ///
    /// - Throws: ``HubError``; nothing is sent to a repository that others see when they are not to.
    func open() async throws(HubError) -> (State, isNew: Bool) {
        var isNew = false
        var state: State
        do throws(HubError) {
            state = try await self.state()
        } catch {
            switch error.code {
            case .missingRepository:
                isNew = try await create()
                state = try await newState()
            case .missingRevision where name.revision != "main": state = try await newState()
            default: throw error
            }
        }
        if isPrivate, !state.isPrivate {
            throw HubError(
                .conflict,
                "\(name.described) is public, and --private is wanted: make it private at "
                    + "\(connection.settings.endpoint.withoutSecrets)/\(name.id)/settings, or push to another name")
        }
        return (state, isNew)
    }

    /// Makes the repository.
    ///
    /// - Returns: Whether it was not there.
    private func create() async throws(HubError) -> Bool {
        let parts = name.id.split(separator: "/").map(String.init)
        guard parts.count == 2 else {
            throw HubError(.badName, "'\(name.id)' does not say whose it is; write org/name")
        }
        var members: [JSONValue.Member] = [
            .init(key: "name", value: .string(parts[1])), .init(key: "organization", value: .string(parts[0])),
            .init(key: "type", value: "model"),
        ]
        // Left out otherwise: an organization may have its own rule for what is new.
        if isPrivate { members.append(.init(key: "private", value: true)) }
        return try await make(try connection.address("/api/repos/create"), .object(members))
    }

    /// The branch, made from the main one where it is missing. What was made a moment ago may not be seen everywhere yet.
    private func newState() async throws(HubError) -> State {
        try await connection.retrying(about: subject) { () async throws(HubTrouble) in
            do throws(HubError) {
                do throws(HubError) {
                    return try await state()
                } catch {
                    guard error.code == .missingRevision, name.revision != "main" else { throw error }
                    let branch = HubConnection.encoded(name.revision)
                    let url = try connection.address("/api/models/\(name.id)/branch/\(branch)")
                    _ = try await make(url, .object([JSONValue.Member]()))
                    return try await state()
                }
            } catch {
                var trouble = HubTrouble(error)
                trouble.isPassing = error.code == .missingRepository || error.code == .missingRevision
                throw trouble
            }
        }
    }

    /// Makes something.
    ///
    /// - Returns: Whether it was not there already.
    private func make(_ url: URL, _ tree: JSONValue) async throws(HubError) -> Bool {
        let body = HTTPExchange.Body.data(Data(JSONWriter.ordered.write(tree).utf8))
        return try await connection.retrying(about: subject) { () async throws(HubTrouble) in
            do throws(HubTrouble) {
                _ = try await connection.posted(body, to: url, about: subject)
                return true
            } catch {
                // Of two that are made at once for one account the hub refuses one, whatever their names are.
                let isOther = error.error.description.contains("another conflicting operation")
                guard error.error.code == .conflict, !isOther else { throw error }
                return false
            }
        }
    }
}
