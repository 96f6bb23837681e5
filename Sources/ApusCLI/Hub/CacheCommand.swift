import Apus
import ArgumentParser
import Foundation

/// `apus cache`: what models and data sets from the hub take on the disk, and taking them out.
struct CacheCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache",
        abstract: "List what the hub's cache holds, and take out of it what is not needed.",
        discussion: """
            The cache is the one that Python's libraries have too: HF_HUB_CACHE, or hub in HF_HOME, or \
            ~/.cache/huggingface/hub.

              apus cache
              apus cache prune --dry-run
              apus cache remove openai/gsm8k --dataset
            """,
        subcommands: [List.self, Prune.self, Remove.self], defaultSubcommand: List.self)

    /// Where the cache is.
    fileprivate static func cache() throws -> HubCache { try failing(as: .badInput) { try NamedFiles.hub().cache } }

    /// `apus cache list`
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every repository with its revisions and sizes.")

        @Flag(help: "Print one JSON object.")
        var json = false

        func run() throws {
            let cache = try CacheCommand.cache()
            let listing = CacheListing(cache.repositories(), in: cache.folder.path(percentEncoded: false))
            Terminal.printLine(json ? try JSONLine.encode(listing.json) : listing.text)
        }
    }

    /// `apus cache prune`
    struct Prune: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take out revisions that no branch names any more, and what cut downloads left a day ago.")

        @Flag(help: "Only say what would go.")
        var dryRun = false

        func run() throws {
            let removal = try failing(as: .runFailed) { try CacheCommand.cache().prune(isDry: dryRun) }
            CacheCommand.tell(removal, dryRun ? "would free" : "freed")
        }
    }

    /// `apus cache remove`
    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take out a whole repository.")

        @Argument(help: "Its name, such as org/name.")
        var name: String

        @Flag(help: "A data set, not a model.")
        var dataset = false

        func run() throws {
            let removal = try failing(as: .badInput) {
                try CacheCommand.cache().remove(try RepositoryName(name, kind: dataset ? .dataset : .model))
            }
            CacheCommand.tell(removal, "freed")
        }
    }

    fileprivate static func tell(_ removal: HubCache.Removal, _ verb: String) {
        for place in removal.places { Terminal.printLine(place) }
        Terminal.printLine("\(verb) \(mebibytes(removal.bytes)) MiB")
    }
}

/// What the cache holds, for people and for programs.
private struct CacheListing {
    let repositories: [HubCache.Repository]
    let folder: String

    init(_ repositories: [HubCache.Repository], in folder: String) {
        self.repositories = repositories.sorted { $0.size > $1.size }
        self.folder = folder
    }

    var text: String {
        guard !repositories.isEmpty else { return "\(folder) holds nothing yet; apus pull org/name brings something" }
        var table = TextTable(head: ["", "revisions", "MiB", "files", "used"], wordColumns: 2)
        for repository in repositories {
            let revisions = repository.revisions.map { revision in
                revision.references.isEmpty
                    ? String(revision.commit.prefix(8)) : revision.references.joined(separator: ", ")
            }
            table.add([
                repository.id + (repository.kind == .dataset ? " (data set)" : ""), revisions.joined(separator: "; "),
                String(mebibytes(repository.size + repository.incompleteSize)),
                String(repository.revisions.map(\.files).reduce(0, +)), repository.lastUsed.map(Self.day) ?? "",
            ])
        }
        let total = repositories.map { $0.size + $0.incompleteSize }.reduce(0, +)
        return "\(table)\n\(mebibytes(total)) MiB in \(folder)"
    }

    private static func day(_ date: Date) -> String { date.formatted(.iso8601.year().month().day()) }

    var json: JSONValue {
        .object([
            "folder": .string(folder),
            "repositories": .array(
                repositories.map { repository in
                    .object([
                        "name": .string(repository.id), "kind": .string(repository.kind.rawValue),
                        "bytes": .integer(repository.size), "incomplete_bytes": .integer(repository.incompleteSize),
                        "last_used": repository.lastUsed.map { .string($0.formatted(.iso8601)) } ?? .null,
                        "revisions": .array(
                            repository.revisions.map { revision in
                                .object([
                                    "commit": .string(revision.commit), "bytes": .integer(revision.size),
                                    "files": .integer(revision.files),
                                    "references": .array(revision.references.map(JSONValue.string)),
                                ])
                            }),
                    ])
                }),
        ])
    }
}
