import Foundation

/// The name of a model or dataset on the hub, as people write it: `org/name`, `org/name@revision`, `org/name:selector`.
///
/// A revision is a branch, a tag or a commit; a selector names one of several files, such as `Q4_K_M` of a GGUF
/// repository. Old repositories have names without an organization, such as `gpt2`.
public struct RepositoryName: Sendable, Hashable, CustomStringConvertible {
    /// What a repository holds.
    public enum Kind: String, Sendable, CaseIterable {
        /// A model or an adapter.
        case model
        /// A dataset.
        case dataset

        /// How the hub's addresses and the cache's folders call it.
        var plural: String { rawValue + "s" }
    }

    /// What the repository holds.
    public let kind: Kind
    /// `org/name`.
    public let id: String
    /// A branch, a tag or a commit.
    public let revision: String
    /// Which of several files is meant; nil leaves the choice open.
    public let selector: String?

    /// Reads a name.
    ///
    /// - Throws: ``HubError`` with code `badName` that says what is wrong.
    public init(_ text: String, kind: Kind = .model) throws(HubError) {
        var rest = text[...]
        var selector: String?
        if let colon = rest.firstIndex(of: ":") {
            selector = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        var revision = "main"
        if let at = rest.firstIndex(of: "@") {
            revision = String(rest[rest.index(after: at)...])
            rest = rest[..<at]
        }
        try self.init(id: String(rest), kind: kind, revision: revision, selector: selector)
    }

    /// Memberwise.
    ///
    /// - Throws: ``HubError`` with code `badName` that says what is wrong.
    public init(id: String, kind: Kind = .model, revision: String = "main", selector: String? = nil) throws(HubError) {
        if let problem = Self.problem(id: id) ?? Self.problem(revision: revision) ?? Self.problem(selector: selector) {
            throw HubError(.badName, "'\(id.prefix(200))' \(problem)")
        }
        self.kind = kind
        self.id = id
        self.revision = revision
        self.selector = selector
    }

    private static let letters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".unicodeScalars)

    /// The hub's own rules for names.
    private static func problem(id: String) -> String? {
        let parts = id.split(separator: "/", omittingEmptySubsequences: false)
        let allowed = letters.union("-_.".unicodeScalars)
        guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }), id.utf8.count <= 200,
            parts.allSatisfy({ $0.utf8.count <= 96 })
        else { return "is not a name on the hub; write org/name" }
        guard id.unicodeScalars.allSatisfy({ allowed.contains($0) || $0 == "/" }) else {
            return "is not a name on the hub: only letters, digits, '-', '_' and '.' can be in one"
        }
        let ends = parts.flatMap { [$0.first, $0.last] }
        guard !ends.contains("."), !ends.contains("-"), !id.contains(".."), !id.contains("--"), !id.hasSuffix(".git")
        else {
            return "is not a name on the hub: '..', '--', an end in '.git' and '.' or '-' at an end cannot be in one"
        }
        return nil
    }

    /// Git's rules for names of branches and tags (`git check-ref-format`).
    private static func problem(revision: String) -> String? {
        let parts = revision.split(separator: "/", omittingEmptySubsequences: false)
        let forbidden = Set(" ~^:?*[\\\u{7F}".unicodeScalars)
        guard !revision.isEmpty, revision.utf8.count <= 250,
            revision.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !forbidden.contains($0) }),
            parts.allSatisfy({ !$0.isEmpty && !$0.hasPrefix(".") && !$0.hasSuffix(".") && !$0.hasSuffix(".lock") }),
            !revision.contains(".."), !revision.contains("@{"), revision != "@", !revision.hasPrefix("-")
        else { return "has a revision that git does not allow" }
        return nil
    }

    private static func problem(selector: String?) -> String? {
        guard let selector else { return nil }
        let allowed = letters.union("-_./".unicodeScalars)
        guard selector.utf8.count <= 200, !selector.contains(".."),
            selector.split(separator: "/", omittingEmptySubsequences: false).allSatisfy({ !$0.isEmpty }),
            selector.unicodeScalars.allSatisfy(allowed.contains)
        else { return "has ':' without a file's name after it, such as ':Q4_K_M'" }
        return nil
    }

    /// Whether the revision is a commit, which never changes.
    var isCommit: Bool { CommitHash.isWhole(revision) }

    /// The name as it was written, without what goes without saying.
    public var description: String {
        id + (revision == "main" ? "" : "@\(revision)") + (selector.map { ":\($0)" } ?? "")
    }

    /// What a message calls the repository.
    var described: String { "\(kind.rawValue) '\(id)'" }
}

/// The names that git gives to commits and files.
enum CommitHash {
    /// Whether a text is the whole name of a commit, or a file's by SHA-1: 40 hexadecimal digits in lower case.
    static func isWhole(_ text: String) -> Bool { isHexadecimal(text, count: 40) }

    /// Whether a text is so many hexadecimal digits in lower case.
    static func isHexadecimal(_ text: String, count: Int) -> Bool {
        text.utf8.count == count
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0) || (UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0)
            }
    }
}
