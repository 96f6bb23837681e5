import ApusData
import ApusFormats
import ApusModel
import ApusTensor
import ApusText
import Foundation

/// What a run is made of beside its settings, by key: `apus_state.json` holds it, and a continuation is compared with it.
enum RunIdentity {
    /// Reward functions are compared by these keys and their name: what was declared, and the files and servers behind it.
    static let rewardKey = "reward_funcs."
    static let rewardFileKey = "reward_file."
    static let rewardServerKey = "reward_server."

    /// The entries of a run.
    /// - Parameter dataset: the digest of its data.
    static func entries(of learner: any Learner, dataset: String) -> [String: JSONValue] {
        var entries = learner.identity
        entries["code_version"] = .string(CodeVersion.current)
        entries["dataset"] = .string(dataset)
        return entries
    }

    /// The entries of reward functions: their names, and what each is made of.
    static func entries(of rewards: [any RewardFunction]) -> [String: JSONValue] {
        var entries: [String: JSONValue] = ["reward_funcs": .array(rewards.map { .string($0.name) })]
        for reward in rewards {
            let identity = reward.identity
            entries[rewardKey + reward.name] = identity.definition
            entries[rewardServerKey + reward.name] = identity.server.map { .string($0.absoluteString) }
            // The path does not count: a run may be continued from another place.
            let hash = identity.file.flatMap { try? FileDigest.sha256(of: $0).hex }
            entries[rewardFileKey + reward.name] = hash.map { .string("sha256 \($0.prefix(16))") }
        }
        return entries
    }

    /// The entries of a frozen or a trained model: its hash (absent when its files are gone), precision and kernels.
    static func entries(of model: LanguageModel) -> [String: JSONValue] {
        var entries: [String: JSONValue] = ["precision": .string(model.precision.rawValue)]
        if let digest = try? ModelDigest.digest(path: model.checkpointPath) {
            entries["model"] = .string("sha256 \(digest)")
        }
        entries["instruction_set"] = .string(model.backend.arithmetic)
        return entries
    }

    /// The entries of what is trained of a model: the model's, the adapter's shape or that all weights are trained, and the frozen
    /// adapter of the reference policy.
    static func entries(
        of trained: Trained, in model: LanguageModel, reference: LoRAAdapter?
    ) -> [String: JSONValue] {
        var entries = entries(of: model)
        switch trained {
        case .frozen: break
        case .adapter(let adapter): entries.merge(Self.entries(of: adapter)) { $1 }
        case .full(let parameters):
            entries["use_peft"] = .bool(false)
            entries["dtype"] = .string(parameters.storedPrecision.rawValue)
        }
        entries["reference_adapter"] = reference.flatMap { try? .string(digest(of: $0)) }
        return entries
    }

    private static func entries(of adapter: LoRAAdapter) -> [String: JSONValue] {
        let shape = adapter.configuration
        let (modules, layers) = adapter.targets.names
        var entries: [String: JSONValue] = [:]
        entries["lora_r"] = .integer(shape.rank)
        entries["lora_alpha"] = .number(shape.alpha)
        entries["lora_target_modules"] = .array(modules.map(JSONValue.string))
        // Absent where all layers are adapted, as in checkpoints of earlier versions.
        entries["layers_to_transform"] = layers.map { .array($0.map(JSONValue.integer)) }
        entries["use_rslora"] = .bool(shape.usesRSLoRA)
        return entries
    }

    /// The beginning of the SHA-256 of a frozen adapter's values.
    static func digest(of adapter: LoRAAdapter) throws -> String {
        var hash = SHA256()
        for tensor in adapter.tensors {
            try adapter.values(of: tensor).withUnsafeBytes { hash.update($0) }
        }
        return "sha256 \(hash.hexadecimal.prefix(16))"
    }

    /// The number of rows and the beginning of the SHA-256 of what they hold, whatever file they came from.
    static func digest(of dataset: Dataset) -> String {
        var hash = DatasetHash()
        for sample in dataset.samples { hash.add(sample) }
        return "\(dataset.count) rows, sha256 \(hash.finish())"
    }

    /// The number of examples and the beginning of the SHA-256 of their tokens and of which of them are learnt.
    static func digest(of examples: [TrainingExample]) -> String {
        var hash = DatasetHash()
        for example in examples { hash.add(example) }
        return "\(examples.count) examples, sha256 \(hash.finish())"
    }
}

/// Hashes rows in a form in which no two different rows look the same: every part is preceded by its kind and its length.
private struct DatasetHash {
    private var hash = SHA256()

    mutating func add(_ sample: Sample) {
        switch sample.prompt {
        case .text(let text): add("p", text)
        case .messages(let messages):
            add("m", messages.count)
            for message in messages {
                add("r", message.role)
                add("c", message.content)
                if message != Message(role: message.role, content: message.content) { add(message.json) }
            }
        }
        add(.object(sample.columns))
        // What columns say is hashed already, and a run without other variables has the digest of earlier versions.
        let others = sample.templateVariables.filter { sample.columns[$0.key] != $0.value }
        if !others.isEmpty { add(.object(others)) }
    }

    mutating func add(_ example: TrainingExample) {
        add("t", example.prompt.count)
        add("l", example.completion.count)
        let bytes = (example.prompt + example.completion).flatMap { token in
            (0..<4).map { UInt8(truncatingIfNeeded: token >> (8 * $0)) }
        }
        hash.update(bytes)
        hash.update(example.isLearnt.map { UInt8($0 ? 1 : 0) })
    }

    func finish() -> String { String(hash.hexadecimal.prefix(16)) }

    private mutating func add(_ value: JSONValue) {
        switch value {
        case .null: add("0", 0)
        case .bool(let flag): add("b", flag ? 1 : 0)
        // A whole number that is a double counts as that, as in checkpoints of earlier versions.
        case .integer(let number) where Double(exactly: number) == nil: add("i", "\(number)")
        case .integer(let number): add(.number(Double(number)))
        case .number(let number): add("n", Int(bitPattern: UInt(number.bitPattern)))
        case .bigInteger(let number): add("i", "\(number)")
        case .string(let text): add("s", text)
        case .array(let items):
            add("a", items.count)
            for item in items { add(item) }
        case .object(let members):
            add("o", members.count)
            for member in members.sorted(by: { $0.key < $1.key }) {
                add("k", member.key)
                add(member.value)
            }
        }
    }

    private mutating func add(_ kind: Character, _ text: String) {
        add(kind, text.utf8.count)
        hash.update(text.utf8)
    }

    private mutating func add(_ kind: Character, _ number: Int) {
        hash.update("\(kind)\(number);".utf8)
    }
}
