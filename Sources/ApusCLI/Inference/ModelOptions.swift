public import Apus
public import ArgumentParser
import Foundation
import Synchronization

extension WeightPrecision: ExpressibleByArgument {}
extension GradientCheckpointing: ExpressibleByArgument {}

/// The options of every command that loads a model.
struct ModelOptions: ParsableArguments {
    /// What training uses too when nobody says otherwise.
    static let defaultPrecision = WeightPrecision.nf4

    @Option(help: ArgumentHelp(ModelOptions.modelHelp))
    var model: String

    @Option(help: ArgumentHelp(ModelOptions.adapterHelp))
    var adapter: String?

    @Option(help: ArgumentHelp(ModelOptions.precisionHelp))
    var precision = ModelOptions.defaultPrecision

    @OptionGroup var device: DeviceOptions

    @Flag(name: .customLong("no-cache"), help: ArgumentHelp(ModelOptions.noCacheHelp))
    var noCache = false

    static let modelHelp =
        "A model folder in Hugging Face's layout, a GGUF file, or a name on the hub (org/name, org/name:Q4_K_M)."

    static let adapterHelp = "A PEFT adapter folder, such as outputs/checkpoint-100, or a name on the hub."

    static let precisionHelp: String =
        "How weights are kept: nf4 (4 bits), int8 (8 bits), bf16, or f32 with fp32 reference arithmetic throughout."

    static let noCacheHelp: String =
        "Quantise the weights anew, and do not keep them for the next run. (\(WeightCache.environmentVariable)=off does so "
        + "for every command, and =FOLDER keeps them elsewhere.)"

    /// Loads the model and, if one was named, its adapter.
    ///
    /// - Throws: `CommandFailure` with status 2.
    func load() async throws -> (model: LanguageModel, adapter: LoRAAdapter?) {
        let path = try await ModelLoading.path(of: model)
        let adapter = if let adapter { try await ModelLoading.path(of: adapter) } else { String?.none }
        let model = try ModelLoading.model(
            path: path, precision: precision, on: device.open().backend, usesCache: !noCache)
        guard let adapter else { return (model, nil) }
        let loaded = try failing(as: .badInput) { try ModelLoading.adapter(path: adapter, for: model) }
        return (model, loaded)
    }
}

/// Loads models for commands and shows progress on a terminal.
enum ModelLoading {
    /// The folder or file of a model or an adapter that is named by its path, or by its name on the hub.
    ///
    /// - Throws: `CommandFailure` with status 2.
    static func path(of name: String) async throws -> String {
        do {
            return try await NamedFiles.standard.model(name)
        } catch {
            throw CommandFailure(.badInput, of: error)
        }
    }

    /// Loads a model to a device.
    ///
    /// - Parameter usesCache: whether quantised weights may come from the user's cache, and go there.
    /// - Throws: `CommandFailure` with status 2.
    static func model(
        path: String, precision: WeightPrecision, on backend: any Backend, usesCache: Bool
    ) throws -> LanguageModel {
        defer { Terminal.clearTransientLine() }
        showProgress(0)
        let model = try failing(as: .badInput) {
            try LanguageModel(
                path: path, precision: precision, backend: backend,
                cache: usesCache ? .standard : nil, progress: showProgress)
        }
        if !hasTold.exchange(true, ordering: .relaxed) {
            if let rounding = model.secondRounding { Terminal.complain(notice(of: rounding)) }
            for remark in model.tokenizer.remarks { Terminal.complain(remark) }
        }
        return model
    }

    /// All weights of a model folder, to be trained on a device.
    ///
    /// - Parameter seed: of random weights in the place of those that the folder holds; nil for these.
    /// - Throws: `CommandFailure` with status 2.
    static func parameters(
        _ settings: RunSettings, fromScratch seed: UInt64? = nil, on backend: any Backend
    ) throws -> FullParameters {
        let folder = URL(filePath: settings.modelPath, directoryHint: .isDirectory)
        return try failing(as: .badInput) {
            let parameters =
                if let seed { try FullParameters(randomFrom: folder, seed: seed, backend: backend) } else {
                    try FullParameters(directory: folder, backend: backend)
                }
            parameters.storedPrecision = FullParameters.StoredPrecision(rawValue: settings.dtype) ?? .bfloat16
            return parameters
        }
    }

    /// Whether the notice was given: a program that loads several times says it once.
    private static let hasTold = Atomic(false)

    /// One line: what happens to the weights, and what to change.
    static func notice(of rounding: SecondRounding) -> String {
        func share(_ error: Double) -> String { "\(fixed(100 * error, 1)) %" }
        let effect =
            rounding.errorIn8Bits == 0 ? "keeps them exactly" : "changes them by \(share(rounding.errorIn8Bits))"
        return "weights: the file's linear layers are \(rounding.types.joined(separator: " and ")) blocks, which NF4 "
            + "rounds a second time: that changes them by \(share(rounding.error)) (root mean square), and "
            + "log-probabilities with them; --precision int8 (load_in_8bit: true) \(effect), for "
            + "\(mebibytes(rounding.bytesFor8Bits)) MiB more"
    }

    private static func showProgress(_ fraction: Double) {
        guard Terminal.showsProgress else { return }
        Terminal.showTransient("loading \((fraction * 100).rounded().wholeNumber(in: 0...100)) %")
    }
}

/// The option of every command that keeps keys and values of its own accord.
struct MemoryOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: """
            Share of the memory that keys and values may take, with the weights \
            (default: \(MemoryBudget.defaultUtilization)).
            """,
        transform: NumericOption.number(like: "memory_utilization"))
    var memoryUtilization = MemoryBudget.defaultUtilization

    /// What keys and values may take.
    var budget: MemoryBudget { MemoryBudget(utilization: memoryUtilization) }
}

/// The options of every command that continues a prompt.
struct PromptOptions: ParsableArguments {
    @Option(help: "The user's message, or with --raw the text to continue.")
    var prompt: String

    @OptionGroup var format: PromptFormat

    /// The prompt's tokens, at least one.
    ///
    /// - Throws: `CommandFailure` with status 2, for instance when the model has no chat template.
    func tokens(for tokenizer: Tokenizer) throws -> [Int32] {
        format.warn(of: [SourcedPrompt(text: prompt, place: "--prompt")], tokenizer)
        return try format.tokens(of: prompt, for: tokenizer)
    }
}

/// What a chat template is given beside the messages.
struct TemplateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What the chat template may read beside the messages, such as '{enable_thinking: false}'.",
            valueName: "mapping"), transform: Self.mapping)
    var chatTemplateKwargs: [String: JSONValue] = [:]

    private static func mapping(_ text: String) throws -> [String: JSONValue] {
        guard let members = try ConfigurationFile.parseValue(text)?.untyped.object else {
            throw ValidationError(
                "--chat-template-kwargs wants a mapping such as '{enable_thinking: false}', found '\(text)'")
        }
        return members
    }
}

/// How a prompt becomes tokens.
struct PromptFormat: ParsableArguments {
    @Option(help: "A system message before the prompt.")
    var system: String?

    @Flag(help: "Take the prompt as text, without the model's chat template.")
    var raw = false

    @OptionGroup var template: TemplateOptions

    func validate() throws {
        if raw, system != nil { throw ValidationError("--system needs the chat template; leave out --raw") }
        if raw, !template.chatTemplateKwargs.isEmpty {
            throw ValidationError("--chat-template-kwargs needs the chat template; leave out --raw")
        }
    }

    /// The tokens of a text, at least one.
    ///
    /// - Throws: `CommandFailure` with status 2, for instance when the model has no chat template.
    func tokens(of prompt: String, for tokenizer: Tokenizer) throws -> [Int32] {
        if raw { return try checked(tokenizer.encodePrompt(prompt)) }
        let system = system.map { [Message(role: "system", content: $0)] } ?? []
        let messages = system + [Message(role: "user", content: prompt)]
        return try tokens(of: messages, variables: template.chatTemplateKwargs, for: tokenizer)
    }

    /// The tokens of a conversation, ready to be continued.
    ///
    /// - Throws: `CommandFailure` with status 2.
    func tokens(
        of messages: [Message], variables: [String: JSONValue], for tokenizer: Tokenizer
    ) throws -> [Int32] {
        guard tokenizer.chatTemplate != nil else {
            throw CommandFailure(.badInput, "the model has no chat template; give the whole prompt with --raw")
        }
        return try checked(failing(as: .badInput) { try tokenizer.encodePrompt(messages, variables: variables) })
    }

    private func checked(_ tokens: [Int32]) throws -> [Int32] {
        guard !tokens.isEmpty else { throw CommandFailure(.badInput, "--prompt has no token to continue from") }
        return tokens
    }
}
