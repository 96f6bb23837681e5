import Apus
import Foundation

/// What a push sends, settled before the hub is asked.
struct PlannedPush {
    /// The files, with the card and the adapter's base model by its name.
    private(set) var folder: PushFolder
    /// What is pushed, in a word or two.
    let kindName: String
    /// What others will miss; nil for nothing.
    let warning: String?
    private let target: RepositoryName
    private let hasOwnCard: Bool
    private let cardText: String

    /// Looks at a folder.
    ///
    /// - Parameters:
    ///   - takesAll: whether what only a run that goes on needs is sent too.
    ///   - base, dataset, license: what the card says where the files do not.
    /// - Throws: `HubError` or `CommandFailure` for what cannot be pushed.
    init(
        _ path: String, to target: RepositoryName, takesAll: Bool, base: String? = nil, dataset: String? = nil,
        license: String? = nil
    ) throws {
        self.target = target
        let url = URL(filePath: path, directoryHint: .isDirectory)
        if !takesAll { try Self.checkIsNoRun(url, path) }
        folder = try PushFolder(url) { takesAll || !Self.isOfRun($0) }
        var card = ModelCard(of: url.standardizedFileURL, for: target) { method in
            switch method {
            case .grpo: SettingTable.defaults
            case .sft: SFTConfiguration().members
            }
        }
        if let base { card.base = try RepositoryName(base) }
        if let dataset { card.dataset = try RepositoryName(dataset, kind: .dataset) }
        card.license = license
        kindName = card.kindName
        cardText = card.text
        guard license == nil || cardText.contains("\nlicense: ") else {
            throw CommandFailure(
                .badInput, "--license takes the name that the hub has for one, such as apache-2.0 or mit")
        }
        hasOwnCard = folder.file(Self.cardName) != nil
        if let base = card.base { try folder.nameBase(base) }
        folder.add(Data(cardText.utf8), as: Self.cardName, unlessPresent: true)
        let isNameless = card.base == nil && kindName == "adapter"
        warning =
            isNameless
            ? "the adapter's base model is \(card.writtenBase ?? "not named"), which others do not find on the hub; "
                + "--base-model org/name says which it is" : nil
    }

    private static let cardName = "README.md"

    /// Whether only a run that goes on needs a file: state of the optimizer, of random numbers and of the run, as Apus,
    /// Transformers and DeepSpeed call it.
    static func isOfRun(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        guard let name = parts.last else { return false }
        let beginnings = ["optimizer.", "scheduler.", "scaler.", "rng_state", ".checkpoint-draft-"]
        let names = ["apus_state.json", "apus_manifest.json", "training_args.bin", "latest", "zero_to_fp32.py"]
        return beginnings.contains { name.hasPrefix($0) } || names.contains(String(name))
            || parts.dropLast().contains { $0.hasPrefix("global_step") || $0.hasPrefix(".checkpoint-draft-") }
    }

    /// Of a run's output folder one checkpoint is meant, and which one only its owner knows.
    private static func checkIsNoRun(_ url: URL, _ path: String) throws {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path(percentEncoded: false))) ?? []
        let isModel = names.contains { $0.hasSuffix(".safetensors") || $0.lowercased().hasSuffix(".gguf") }
        let steps = names.compactMap { name in
            name.hasPrefix("checkpoint-") ? Int(name.dropFirst("checkpoint-".count)) : nil
        }
        guard !isModel, let newest = steps.max() else { return }
        let place = path.hasSuffix("/") ? path : path + "/"
        throw CommandFailure(
            .badInput,
            "\(path) is the folder of a run with \(steps.count) checkpoints; push one of them, such as "
                + "\(place)checkpoint-\(newest), or everything with --all")
    }

    /// Sends it, and says what became of that; the last line is the address.
    ///
    /// - Parameters:
    ///   - isPrivate: whether a repository that is made is for its owners alone.
    ///   - message: what the commit says; nil for what is pushed.
    /// - Throws: `HubError`.
    func send(isPrivate: Bool, message: String? = nil) async throws {
        if let warning { Terminal.complain(warning) }
        let display = HubDisplay(target.id)
        defer { display.finish() }
        var options = PushOptions()
        options.isPrivate = isPrivate
        options.message = message ?? "Upload \(kindName) with apus"
        let push = try await NamedFiles.hub().push(folder, to: target, options: options, progress: display.show)
        display.finish()
        tell(push, isPrivate: isPrivate)
    }

    private func tell(_ push: HubPush, isPrivate: Bool) {
        if push.isNew { Terminal.printLine("made \(push.name.id)\(isPrivate ? ", which only its owners see" : "")") }
        if !push.ignored.isEmpty {
            Terminal.printLine("left out by the repository's .gitignore: \(push.ignored.joined(separator: ", "))")
        }
        if !push.kept.isEmpty { Terminal.printLine("kept the repository's own \(push.kept.joined(separator: ", "))") }
        if push.isChanged {
            let rest = push.unchanged.isEmpty ? "" : "; it had \(push.unchanged.count)"
            let count = push.sent.count == 1 ? "1 file" : "\(push.sent.count) files"
            Terminal.printLine("sent \(count), \(fixed(Double(push.bytes) / 1e6, 1)) MB\(rest)")
        } else {
            Terminal.printLine("\(push.name.id) has all \(push.unchanged.count) files already; nothing was sent")
        }
        Terminal.printLine(push.url.absoluteString)
    }

    /// Shows what would be sent.
    func show() {
        var table = TextTable(head: ["would send", "bytes"])
        for file in folder.files { table.add([file.path, String(file.size)]) }
        Terminal.printLine(table.description)
        if !folder.leftOut.isEmpty {
            Terminal.printLine("left out: \(folder.leftOut.map(\.path).joined(separator: ", ")) (--all sends them too)")
        }
        if let warning { Terminal.complain(warning) }
        guard !hasOwnCard else { return Terminal.printLine("README.md is the folder's own") }
        Terminal.printLine("\nREADME.md, unless the repository has its own:\n")
        Terminal.printLine(cardText)
    }
}
