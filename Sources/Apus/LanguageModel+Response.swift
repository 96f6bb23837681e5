public import ApusGeneration
public import ApusModel
import ApusText
import Foundation

extension LanguageModel {
    /// The model's answer to one message, through its chat template.
    ///
    /// - Parameters:
    ///   - message: what the user says.
    ///   - system: a system message before it.
    ///   - adapter: a trained adapter; nil for the base model.
    ///   - sampling: how tokens are drawn, and how many at most.
    ///   - onText: hears the answer as it comes, in whole characters.
    /// - Throws: `TextError` for a model without a chat template, `ModelError` for a message that leaves no room in the
    ///   model's context, `MemoryShortage` where memory does not hold it.
    public func response(
        to message: String, system: String? = nil, adapter: LoRAAdapter? = nil,
        sampling: SamplingParameters = SamplingParameters(maxNewTokens: 200), onText: ((String) -> Void)? = nil
    ) throws -> String {
        let messages =
            (system.map { [Message(role: "system", content: $0)] } ?? []) + [
                Message(role: "user", content: message)
            ]
        let prompt = try tokenizer.encodeChat(messages, addGenerationPrompt: true)
        var decoder = StreamingDecoder(tokenizer: tokenizer)
        let completions = try GenerationEngine(model: self, adapter: adapter).generate(
            [GenerationRequest(prompt: prompt)], sampling: sampling
        ) { heard in
            let text = decoder.append(heard.token)
            if !text.isEmpty { onText?(text) }
            return true
        }
        let rest = decoder.finish()
        if !rest.isEmpty { onText?(rest) }
        return tokenizer.decode(completions[0][0].tokens)
    }
}

extension LoRAAdapter {
    /// Writes the adapter in PEFT's layout into a folder, which is made where there is none.
    ///
    /// - Throws: `FormatError` or a `CocoaError` when something cannot be written.
    public func save(to path: String) throws {
        let folder = URL(filePath: path, directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try save(to: folder)
    }
}
