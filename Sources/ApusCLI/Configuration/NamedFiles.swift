import Apus
import Foundation

/// Finds what settings and options name: a path on this machine or, where a hub is asked, a name there.
struct NamedFiles: Sendable {
    /// Nil for paths alone.
    private let hub: Hub?

    /// Paths alone.
    static let local = NamedFiles(hub: nil)

    /// Paths, and names on the hub of the environment.
    ///
    /// - Throws: `HubError` for an environment that names no hub.
    static var standard: NamedFiles {
        get throws { NamedFiles(hub: try hub()) }
    }

    /// Paths, and what the hub's cache has already.
    ///
    /// - Throws: `HubError` for an environment that names no hub.
    static var cached: NamedFiles {
        get throws {
            var hub = try hub()
            hub.settings.isOffline = true
            return NamedFiles(hub: hub)
        }
    }

    /// The hub that the environment names.
    ///
    /// - Throws: `HubError` where what it names is none.
    static func hub() throws -> Hub { Hub(settings: try HubSettings(environment: ProcessInfo.processInfo.environment)) }

    /// The folder or file of a model or an adapter.
    ///
    /// - Parameter revision: which one of a name that does not say it.
    /// - Throws: `HubError` for a name that the hub does not have, or that cannot be brought.
    func model(_ path: String, revision: String = "main") async throws -> String {
        guard let hub, Self.isName(path) else { return path }
        let named = try RepositoryName(path)
        let name = try RepositoryName(
            id: named.id, revision: named.revision == "main" ? revision : named.revision, selector: named.selector)
        let display = HubDisplay(path)
        defer { display.finish() }
        let model = try await Self.naming(path) {
            try await hub.model(name, progress: display.show)
        }
        display.tell(about: model.snapshot)
        return model.path
    }

    /// A data set, with all files of the splits that are named.
    ///
    /// - Parameter others: splits that are wanted too, where there are such.
    /// - Throws: `DataError` or `HubError` for what is not there.
    func dataset(_ reference: DatasetReference, others: [String] = []) async throws -> LocalDataset {
        if let found = try reference.local() { return found }
        guard let hub, Self.isName(reference.path) else {
            return try reference.within(reference.path, name: reference.path)
        }
        let display = HubDisplay(reference.path)
        defer { display.finish() }
        return try await Self.naming(reference.path) {
            try await hub.dataset(reference, others: others, progress: display.show)
        }
    }

    /// Says of what the hub cannot bring that it is no path either.
    private static func naming<Result>(_ name: String, _ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as HubError {
            throw CommandFailure(.badInput, "\(name): is no file or folder here, and not from the hub: \(error)")
        }
    }

    /// Whether nothing on this machine is meant, and a name on the hub can be: `org/name` where there is neither such a file
    /// nor a folder `org`.
    static func isName(_ path: String) -> Bool {
        let parts = path.prefix { $0 != "@" && $0 != ":" }.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = parts.first, !["", ".", "..", "~"].contains(first),
            !FileManager.default.fileExists(atPath: path), !FileManager.default.fileExists(atPath: String(first))
        else { return false }
        return (try? RepositoryName(path)) != nil
    }
}
