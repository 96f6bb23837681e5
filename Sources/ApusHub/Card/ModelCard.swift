public import ApusFormats
public import Foundation

/// The page that tells people what a model on the hub is: `README.md` with its front matter.
///
/// It is made of what the model's files say; what they do not say is left out. Nothing of this machine is in it but the names
/// of things: no paths.
public struct ModelCard: Sendable {
    /// How something was trained.
    public enum Method: String, Sendable {
        /// By rewards.
        case grpo
        /// On examples.
        case sft
    }

    /// What was trained, or made.
    enum Kind: Sendable {
        case adapter(rank: Int?)
        case model
        case gguf
    }

    /// The base model on the hub; nil where it is not known.
    public var base: RepositoryName?
    /// The data set on the hub; nil where it is not known.
    public var dataset: RepositoryName?
    /// The license's name as the hub spells it, such as `apache-2.0`; nil where it is not known.
    public var license: String?
    /// What the adapter's own configuration calls its base model; nil where it names none.
    public let writtenBase: String?

    let name: RepositoryName
    let kind: Kind
    let record: TrainingRecord
    let hasTokenizer: Bool
    let recipe: [(name: String, value: JSONValue)]

    /// Reads what a folder says.
    ///
    /// - Parameters:
    ///   - name: what the repository is to be called.
    ///   - defaults: the values of a run's settings that go without saying.
    public init(
        of folder: URL, for name: RepositoryName, defaults: (Method) -> [String: JSONValue] = { _ in [:] }
    ) {
        self.name = name
        record = TrainingRecord(of: folder)
        if let method = record.method { recipe = record.recipe(defaults: defaults(method)) } else { recipe = [] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false))) ?? []
        hasTokenizer = names.contains("tokenizer.json")
        if names.contains("adapter_config.json") {
            let adapter = TrainingRecord.tree(folder.appending(path: "adapter_config.json"))
            writtenBase = adapter?["base_model_name_or_path"]?.string
            kind = .adapter(rank: adapter?["r"]?.integer)
        } else {
            let configuration = TrainingRecord.tree(folder.appending(path: "config.json"))
            writtenBase = configuration?["_name_or_path"]?.string.flatMap { $0.isEmpty ? nil : $0 }
            kind = names.contains { $0.lowercased().hasSuffix(".gguf") } ? .gguf : .model
        }
        base = writtenBase.flatMap { Self.hubName($0, kind: .model) }
        dataset = (record.settings["dataset_name"] ?? record.identity["dataset_name"])?.string.flatMap {
            Self.hubName($0, kind: .dataset)
        }
    }

    /// The name on the hub that a path or name in a file means; nil for what is on this machine alone.
    static func hubName(_ text: String, kind: RepositoryName.Kind) -> RepositoryName? {
        guard text.utf8.count <= 4096 else { return nil }
        // The cache's folders are called after what is in them.
        for part in text.split(separator: "/") where part.hasPrefix("models--") || part.hasPrefix("datasets--") {
            let id = part.drop { $0 != "-" }.dropFirst(2).replacing("--", with: "/")
            if let name = try? RepositoryName(String(id), kind: kind), name.id.contains("/") { return name }
        }
        guard !FileManager.default.fileExists(atPath: text), let name = try? RepositoryName(text, kind: kind) else {
            return nil
        }
        let parts = name.id.split(separator: "/")
        // `models/llama` is a folder where there is a folder `models`.
        guard parts.count == 2, !FileManager.default.fileExists(atPath: String(parts[0])) else { return nil }
        return name
    }

    /// What it is in a word or two: `adapter`, `model` or `GGUF model`.
    public var kindName: String {
        switch kind {
        case .adapter: "adapter"
        case .model: "model"
        case .gguf: "GGUF model"
        }
    }

    /// The card.
    public var text: String {
        [frontMatter, "# \(title)", introduction, training, use].filter { !$0.isEmpty }.joined(separator: "\n\n") + "\n"
    }

    private var title: String { name.id.split(separator: "/").last.map(String.init) ?? name.id }

    /// The branch where it is not the main one and can be shown in commands as it is.
    var branch: String? {
        let isPlain = name.revision.utf8.allSatisfy { byte in
            Character(Unicode.Scalar(byte)).isASCII
                && (Character(Unicode.Scalar(byte)).isLetter || "0123456789._/-".utf8.contains(byte))
        }
        return name.revision == "main" || !isPlain ? nil : name.revision
    }

    /// Names of the hub are plain words to YAML, for they have a slash in them.
    private var frontMatter: String {
        var lines = ["---"]
        if let base { lines.append("base_model: \(base.id)") }
        switch kind {
        case .adapter: lines.append("library_name: peft")
        case .model: lines.append("library_name: transformers")
        case .gguf: break
        }
        lines.append("pipeline_tag: text-generation")
        lines.append("tags:")
        if let method = record.method { lines.append("- \(method.rawValue)") }
        if case .adapter = kind { lines.append("- lora") }
        lines.append("- apus")
        if let dataset { lines += ["datasets:", "- \(dataset.id)"] }
        if let license = license.flatMap(Self.plainWord) { lines.append("license: \(license)") }
        return (lines + ["---"]).joined(separator: "\n")
    }

    /// A word that needs no quotation marks in YAML; nil for another text.
    private static func plainWord(_ text: String) -> String? {
        let letters = Set("abcdefghijklmnopqrstuvwxyz".utf8)
        let others = Set("0123456789.-".utf8)
        guard text.utf8.count <= 60, text.utf8.first.map(letters.contains) == true,
            text.utf8.allSatisfy({ letters.contains($0) || others.contains($0) })
        else { return nil }
        return text
    }

    private var introduction: String {
        let what =
            switch kind {
            case .adapter: "A LoRA adapter"
            case .model: "A language model"
            case .gguf: "A language model in GGUF"
            }
        var sentence = what
        if let base {
            if case .adapter = kind { sentence += " for" } else { sentence += ", made from" }
            sentence += " [\(base.id)](https://huggingface.co/\(base.id))"
        } else if let place = writtenBase?.split(separator: "/").last {
            sentence += " for a model called \(Markdown.code(String(place))), which is not named by a name on the hub"
        }
        switch record.method {
        case .grpo: sentence += ", trained by reinforcement learning (GRPO)"
        case .sft: sentence += ", trained on examples"
        case nil: return sentence + ", by Apus."
        }
        return sentence + " with Apus."
    }
}
