public import ApusData
public import ApusHub
import Foundation

extension Hub {
    /// Brings the files of a data set's splits into the cache: those that its README or the names of its files say or, where
    /// the hub alone can read the data set, those of the copy that it keeps on a branch.
    ///
    /// - Parameters:
    ///   - reference: the data set, and which of its splits.
    ///   - others: splits that are brought too, where there are such.
    ///   - progress: called a few times a second, from any thread.
    /// - Throws: `HubError`, and `DataError` for a configuration or split that is not there.
    public func dataset(
        _ reference: DatasetReference, others: [String] = [],
        progress: @escaping @Sendable (HubProgress) -> Void = { _ in }
    ) async throws -> LocalDataset {
        let name = try RepositoryName(reference.path, kind: .dataset)
        let listing = try await listing(of: name)
        let paths = listing.files.map(\.path).compactMap { path in reference.folder.map { path.within($0) } ?? path }
        if let chosen = try reference.chosen(among: paths) {
            let folder = try await folder(with: chosen, of: name, reference, progress)
            let files = chosen.map { folder.appending(path: $0).path(percentEncoded: false) }
            return LocalDataset(files: files, name: reference.path)
        }
        let readme = try await readme(of: listing, reference)
        let layout = try DatasetLayout(files: paths, readme: readme, name: reference.path)
        guard layout.configurations.isEmpty, reference.folder == nil, name.revision == "main" else {
            return try await dataset(reference, others, of: name, layout, progress)
        }
        // Data sets in other formats, such as those that a script of their own makes.
        let branch = try RepositoryName(id: name.id, kind: .dataset, revision: "refs/convert/parquet")
        guard let converted = try? await self.listing(of: branch) else {
            return try await dataset(reference, others, of: name, layout, progress)
        }
        let convertedLayout = DatasetLayout(convertedFiles: converted.files.map(\.path), name: reference.path)
        return try await dataset(reference, others, of: branch, convertedLayout, progress)
    }

    /// Brings the files of a configuration's splits into the cache.
    ///
    /// - Parameters:
    ///   - name: the data set's name on the hub.
    ///   - configuration: nil for its default one.
    ///   - splits: nil for all of the configuration.
    ///   - progress: called a few times a second, from any thread.
    /// - Throws: `HubError`, and `DataError` for a configuration or split that is not there.
    public func dataset(
        _ name: String, configuration: String?, splits: SplitExpression? = nil,
        progress: @escaping @Sendable (HubProgress) -> Void = { _ in }
    ) async throws -> LocalDataset {
        if let splits {
            return try await dataset(
                DatasetReference(name, configuration: configuration, split: splits), progress: progress)
        }
        // What splits there are the README says, which has to be here first.
        var reference = DatasetReference(name, configuration: configuration, split: SplitExpression(parts: []))
        let layout = try await dataset(reference, progress: progress).layout
        let names = try layout?.configuration(configuration).splits.map(\.name) ?? []
        reference.split = SplitExpression(parts: names.map { SplitExpression.Part($0) })
        return try await dataset(reference, progress: progress)
    }

    private func dataset(
        _ reference: DatasetReference, _ others: [String], of name: RepositoryName, _ layout: DatasetLayout,
        _ progress: @escaping @Sendable (HubProgress) -> Void
    ) async throws -> LocalDataset {
        var files: [String] = []
        for part in reference.split.parts {
            files += try self.files(of: part.split, in: layout, reference)
        }
        for split in others { files += (try? layout.files(of: split, in: reference.configuration)) ?? [] }
        let folder = try await folder(with: files, of: name, reference, progress)
        return LocalDataset(folder: folder, layout: layout, name: reference.path)
    }

    private func files(
        of split: String, in layout: DatasetLayout, _ reference: DatasetReference
    ) throws -> [String] {
        do {
            return try layout.files(of: split, in: reference.configuration)
        } catch {
            guard settings.isOffline else { throw error }
            throw HubError(.offline, "\(error); HF_HUB_OFFLINE is set, and only what is in the cache is looked at")
        }
    }

    /// The folder within the cache that paths start from, with these files in it.
    private func folder(
        with files: [String], of name: RepositoryName, _ reference: DatasetReference,
        _ progress: @escaping @Sendable (HubProgress) -> Void
    ) async throws -> URL {
        let paths = files.map { file in reference.folder.map { "\($0)/\(file)" } ?? file }
        let snapshot = try await snapshot(of: name, files: .named(paths), progress: progress)
        return reference.folder.map { snapshot.folder.appending(path: $0) } ?? snapshot.folder
    }

    /// The README, which tells about files from the top of the data set.
    private func readme(of listing: HubListing, _ reference: DatasetReference) async throws -> String? {
        let path = "README.md"
        guard reference.folder == nil, listing.file(path) != nil else { return nil }
        let snapshot = try await snapshot(of: listing.name, files: .named([path]))
        return String(decoding: try Data(contentsOf: snapshot.folder.appending(path: path)), as: UTF8.self)
    }
}

extension String {
    /// The path from a folder on; nil for a path elsewhere.
    fileprivate func within(_ folder: String) -> String? {
        let start = folder.split(separator: "/").joined(separator: "/") + "/"
        return hasPrefix(start) ? String(dropFirst(start.count)) : nil
    }
}
