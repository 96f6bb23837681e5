import ApusFormats
import ApusNetwork
import Foundation

extension HubConnection {
    /// The commit that a revision is now.
    ///
    /// - Returns: The commit, and what the hub calls the repository when that is another name.
    /// - Throws: ``HubError``.
    func info(of name: RepositoryName) async throws(HubError) -> (commit: String, currentID: String?) {
        let url = try address("/api/\(name.kind.plural)/\(name.id)/revision/\(Self.encoded(name.revision))")
        let tree = try await answer(url, about: HubSubject(name: name)).json()
        guard let commit = tree["sha"]?.string else {
            throw HubError(.badAnswer, "\(url.withoutSecrets) does not answer as the hub does; check HF_ENDPOINT")
        }
        let id = tree["id"]?.string
        return (commit, id.flatMap { $0.lowercased() == name.id.lowercased() ? nil : $0 })
    }

    /// Pages and files that a listing may have.
    private static let limits = (pages: 10_000, files: 2_000_000)

    /// The files of a commit, page by page.
    ///
    /// - Throws: ``HubError``.
    func tree(of name: RepositoryName, at commit: String) async throws(HubError) -> [HubFile] {
        let path = "/api/\(name.kind.plural)/\(name.id)/tree/\(commit)"
        var query: String? = "recursive=true&expand=false"
        var files: [HubFile] = []
        for _ in 0..<Self.limits.pages {
            let url = try address(path, query: query)
            let answer = try await answer(url, about: HubSubject(name: name))
            guard let entries = try answer.json().array, files.count <= Self.limits.files else {
                throw HubError(.badAnswer, "\(url.withoutSecrets) does not answer with a listing; check HF_ENDPOINT")
            }
            for entry in entries { if let file = try HubFile.inTree(entry) { files.append(file) } }
            guard let next = Self.nextQuery(answer.outcome.head["Link"]), next != query else { return files }
            query = next
        }
        throw HubError(.badAnswer, "the listing of \(name.described) does not end")
    }

    /// What the address of the next page asks for. Only that is taken of it: a mirror may repeat the hub's own address, and a
    /// page elsewhere would be asked with the token.
    static func nextQuery(_ link: String?) -> String? {
        for entry in (link ?? "").split(separator: "<") {
            let parts = entry.split(separator: ">", maxSplits: 1)
            guard parts.count == 2, parts[1].contains("rel=\"next\"") || parts[1].contains("rel=next") else { continue }
            return parts[0].split(separator: "?", maxSplits: 1).dropFirst().first.map(String.init)
        }
        return nil
    }

    /// The same connection, which tries once or as often as the settings say.
    func trying(once: Bool) -> HubConnection {
        var copy = self
        copy.attempts = once ? 1 : settings.attempts
        return copy
    }
}
