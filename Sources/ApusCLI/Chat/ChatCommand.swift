import Apus
import ArgumentParser
import Foundation

/// `apus chat`: a conversation with a model.
struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat",
        abstract: "Talk to a model, with or without an adapter.",
        discussion: """
            Answers are printed as they come. When the conversation no longer fits the model's context, its oldest turns are \
            left out, and a line says so.

              /reset        begin again            /save FILE    write the conversation as JSON
              /exit         leave (or Ctrl-D)      /help         this list
              Ctrl-C        stop the answer; what was said so far stays. At the prompt, and the second time: leave

            A message that begins with a slash is written with two. Where standard input is no terminal, each line is a \
            message, and only answers are printed:

              printf 'What is 12 + 30?\\nAnd twice that?\\n' | apus chat --model M --adapter outputs/checkpoint-100
            """)

    @OptionGroup var modelOptions: ModelOptions

    @Option(help: "A system message before the conversation.")
    var system: String?

    @OptionGroup var template: TemplateOptions

    @OptionGroup var sampling: SamplingOptions

    @OptionGroup var memory: MemoryOptions

    func run() async throws {
        let (model, adapter) = try await modelOptions.load()
        guard model.tokenizer.chatTemplate != nil else {
            throw CommandFailure(.badInput, "the model has no chat template; use apus generate --raw")
        }
        let engine = GenerationEngine(model: model, adapter: adapter, memory: memory.budget)
        let conversation = Conversation(
            system: system, templateArguments: template.chatTemplateKwargs, tokenizer: model.tokenizer,
            contextLength: model.configuration.contextLength,
            answerLength: sampling.maxNewTokens)
        var session = ChatSession(
            conversation: conversation, engine: engine, tokenizer: model.tokenizer, sampling: sampling.parameters)
        try session.run()
    }
}
