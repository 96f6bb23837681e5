import Apus

/// Finds what settings and options name: a path on this machine or, where a source of names is given, a name.
struct NamedFiles: Sendable {
    /// The folder or file of a model or an adapter.
    let model: @Sendable (String) async throws -> String
    /// A data set, with all files of the splits that are named.
    let dataset: @Sendable (DatasetReference, _ splits: [String]) async throws -> LocalDataset

    /// Paths alone.
    static let local = NamedFiles(
        model: { $0 },
        dataset: { reference, _ in
            if let found = try reference.local() { return found }
            return try LocalDataset(path: reference.path)
        })
}

extension NamedFiles {
    static let standard = local
    static let cached = local
}
