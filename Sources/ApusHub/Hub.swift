import ApusFormats
public import Foundation

/// The hub, or a mirror of it: brings models and datasets by name into the cache that the whole ecosystem shares.
///
///     let hub = Hub(settings: try HubSettings(environment: ProcessInfo.processInfo.environment))
///     let model = try await hub.model(try RepositoryName("HuggingFaceTB/SmolLM2-135M-Instruct"))
///     print(model.path)  // the snapshot's folder, or the GGUF file
///
///     let name = try RepositoryName("openai/gsm8k", kind: .dataset)
///     let snapshot = try await hub.snapshot(of: name, files: .matching { $0.path.hasPrefix("main/") }) { progress in
///         print("\(progress.bytes) of \(progress.totalBytes) bytes")
///     }
///
/// What is here already is not fetched again, by this library or `huggingface_hub`; what was cut goes on from where it was.
/// With `HF_HUB_OFFLINE` the network is never touched. Every call ends within the settings' bounds, and a cancelled task's
/// within about a second.
public struct Hub: Sendable {
    /// Where the hub and the cache are, and how long to wait.
    public var settings: HubSettings

    /// Nothing is asked or written yet.
    public init(settings: HubSettings) { self.settings = settings }

    /// What the cache has.
    public var cache: HubCache { HubCache(settings.cache) }

    /// What a repository has at its revision.
    ///
    /// - Throws: ``HubError``.
    public func listing(of name: RepositoryName) async throws(HubError) -> HubListing {
        try await listing(of: name, HubConnection(settings))
    }

    /// Brings files of a repository into the cache.
    ///
    /// - Parameters:
    ///   - files: which.
    ///   - progress: called a few times a second, from any thread.
    /// - Throws: ``HubError``.
    public func snapshot(
        of name: RepositoryName, files: FileSelection = .all,
        progress: @escaping @Sendable (HubProgress) -> Void = { _ in }
    ) async throws(HubError) -> HubSnapshot {
        try await snapshot(of: name, ProgressMeter(progress)) { (listing, _) throws(HubError) in
            try files.choose(from: listing)
        }
    }

    /// Brings a model, an adapter, or one file of a GGUF repository: what is needed to load it, and no more.
    ///
    /// - Parameter progress: called a few times a second, from any thread.
    /// - Throws: ``HubError``; code `unsupported` when the repository has no weights in safetensors or GGUF, or when a
    ///   selector such as `:Q4_K_M` is needed.
    public func model(
        _ name: RepositoryName, progress: @escaping @Sendable (HubProgress) -> Void = { _ in }
    ) async throws(HubError) -> HubModel {
        let snapshot = try await snapshot(of: name, ProgressMeter(progress)) {
            (listing, fetch) async throws(HubError) in
            let files = try ModelFiles(listing)
            guard let index = files.index else { return files.files }
            // The index says which shards there are: names alone could belong to another variant.
            try await fetch([index])
            let place = RepositoryFolder(name, in: settings.cache).pointer(index, at: listing.commit)
            return try files.files + files.shards(namedIn: (try? Data(contentsOf: place)) ?? Data())
        }
        let file = snapshot.files.filter { $0.path.lowercased().hasSuffix(".gguf") }.map(\.path).min()
        let isGGUF = snapshot.files.allSatisfy { $0.path.lowercased().hasSuffix(".gguf") }
        return HubModel(snapshot: snapshot, file: isGGUF ? file : nil)
    }

    /// Brings what `choose` wants of a listing; it may have files fetched to find out.
    private func snapshot(
        of name: RepositoryName, _ meter: ProgressMeter,
        _ choose: (HubListing, (_ first: [HubFile]) async throws(HubError) -> Void) async throws(HubError) -> [HubFile]
    ) async throws(HubError) -> HubSnapshot {
        let folder = RepositoryFolder(name, in: settings.cache)
        meter.begin(.asking)
        var connection = HubConnection(settings)
        // With something to fall back to, a network that is away is not waited for.
        if folder.commit(of: name) != nil { connection = connection.trying(once: true) }
        let listing: HubListing
        do throws(HubError) {
            listing = try await self.listing(of: name, connection)
        } catch {
            guard [.unavailable, .stalled, .rateLimited].contains(error.code), let cached = try cachedListing(of: name)
            else {
                throw error
            }
            let files = try await choose(cached) { (_) throws(HubError) in }
            guard files.allSatisfy({ folder.has($0, at: cached.commit) }) else { throw error }
            return HubSnapshot(cached, files, folder, isFromCache: true)
        }
        connection = connection.trying(once: false)
        let download = BlobDownload(connection: connection, folder: folder, listing: listing, meter: meter)
        let fetch = { (files: [HubFile]) async throws(HubError) in
            if settings.isOffline {
                try offline(files, of: listing, in: folder)
            } else {
                try await download.fetch(files)
            }
        }
        let files = try await choose(listing, fetch)
        if !settings.isOffline { try folder.remember(listing) }
        try await fetch(files)
        if !settings.isOffline { try folder.rememberReference(listing) }
        return HubSnapshot(listing, files, folder, isFromCache: settings.isOffline)
    }

    private func offline(_ files: [HubFile], of listing: HubListing, in folder: RepositoryFolder) throws(HubError) {
        let missing = files.filter { !folder.has($0, at: listing.commit) }
        guard let first = missing.first else { return }
        let others = missing.count > 1 ? " and \(missing.count - 1) more" : ""
        throw HubError(
            .offline,
            "HF_HUB_OFFLINE is set, and '\(first.path)'\(others) of \(listing.name.described) is not in \(folder.url.path(percentEncoded: false))"
        )
    }

    private func cachedListing(of name: RepositoryName) throws(HubError) -> HubListing? {
        let folder = RepositoryFolder(name, in: settings.cache)
        guard let commit = folder.commit(of: name) else { return nil }
        return try folder.listing(of: name, at: commit)
    }

    private func listing(of name: RepositoryName, _ connection: HubConnection) async throws(HubError) -> HubListing {
        let folder = RepositoryFolder(name, in: settings.cache)
        if settings.isOffline {
            if let cached = try cachedListing(of: name) { return cached }
            throw HubError(
                .offline,
                "HF_HUB_OFFLINE is set, and \(name.described) at '\(name.revision)' is not in \(settings.cache.path(percentEncoded: false))"
            )
        }
        // A commit never changes: what is known of it needs no question.
        if name.isCommit, let known = try folder.listing(of: name, at: name.revision), !known.isOfCache { return known }
        let info = try await connection.info(of: name)
        if let known = try folder.listing(of: name, at: info.commit), !known.isOfCache {
            return try HubListing(name, commit: info.commit, files: known.files, currentID: info.currentID)
        }
        let files = try await connection.tree(of: name, at: info.commit)
        return try HubListing(name, commit: info.commit, files: files, currentID: info.currentID)
    }
}

/// Files of a repository that are in the cache.
public struct HubSnapshot: Sendable {
    /// The repository as it was asked for.
    public let name: RepositoryName
    /// The commit that the files are of.
    public let commit: String
    /// The folder that has the files under their paths.
    public let folder: URL
    /// The files that were asked for.
    public let files: [HubFile]
    /// What the hub calls the repository now, when that is another name than the one asked for.
    public let currentID: String?
    /// Whether the hub was not asked, or not reached: there may be something newer.
    public let isFromCache: Bool

    init(_ listing: HubListing, _ files: [HubFile], _ folder: RepositoryFolder, isFromCache: Bool) {
        name = listing.name
        commit = listing.commit
        self.folder = folder.snapshot(listing.commit)
        self.files = files
        currentID = listing.currentID
        self.isFromCache = isFromCache
    }

    /// Where a file of the snapshot is.
    public func url(of file: HubFile) -> URL { folder.appending(path: file.path, directoryHint: .notDirectory) }
}

/// A model that is in the cache.
public struct HubModel: Sendable {
    /// The files and where they are from.
    public let snapshot: HubSnapshot
    /// The GGUF file's path in the snapshot, the first part of one in several; nil for a model that is a folder.
    let file: String?

    /// What a model is loaded from: the snapshot's folder, or the GGUF file.
    public var url: URL { file.map { snapshot.folder.appending(path: $0) } ?? snapshot.folder }
    /// The same as a path.
    public var path: String { url.path(percentEncoded: false) }
}
