import ApusFormats

/// Which files of a repository are wanted.
public struct FileSelection: Sendable {
    private let body: @Sendable (HubListing) throws(HubError) -> [HubFile]

    private init(_ body: @escaping @Sendable (HubListing) throws(HubError) -> [HubFile]) { self.body = body }

    /// Every file.
    public static let all = FileSelection { (listing) throws(HubError) in listing.files }

    /// Every file that a rule wants; none is an error.
    public static func matching(_ isWanted: @escaping @Sendable (HubFile) -> Bool) -> FileSelection {
        FileSelection { (listing) throws(HubError) in
            let files = listing.files.filter(isWanted)
            guard !files.isEmpty else {
                throw HubError(
                    .missingFile, "\(listing.name.described) has no file that fits at '\(listing.name.revision)'")
            }
            return files
        }
    }

    /// Files by their paths; one that the repository lacks is an error.
    public static func named(_ paths: [String]) -> FileSelection {
        FileSelection { (listing) throws(HubError) in
            var files: [HubFile] = []
            for path in paths {
                guard let file = listing.file(path) else {
                    let place = listing.isOfCache ? " in the cache" : ""
                    throw HubError(
                        listing.isOfCache ? .offline : .missingFile,
                        "\(listing.name.described) has no file '\(path)' at '\(listing.name.revision)'\(place)")
                }
                if !files.contains(file) { files.append(file) }
            }
            return files
        }
    }

    func choose(from listing: HubListing) throws(HubError) -> [HubFile] { try body(listing) }
}
