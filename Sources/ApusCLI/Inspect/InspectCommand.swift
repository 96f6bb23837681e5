import Apus
import ArgumentParser

/// `apus inspect`: what a model or an adapter is, and what can be done with it.
struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Say what a model or an adapter is, and what can be done with it.",
        discussion: """
            Reads headers and the tokenizer, loads no weights. What cannot be used is described as far as it can be read, \
            with the sentence that says why; the exit status is 2 only for what is no model and no adapter at all.

              apus inspect models/model.gguf
              apus inspect outputs/checkpoint-100 --model models/model.gguf
              apus inspect models/Qwen3-0.6B --json
            """)

    @Argument(
        help: "A model folder in Hugging Face's layout, a GGUF file, a PEFT adapter folder, or a name on the hub.")
    var path: String

    @Option(help: "For an adapter: the model that it should fit.")
    var model: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() async throws {
        let path = try await ModelLoading.path(of: path)
        let model = if let model { try await ModelLoading.path(of: model) } else { String?.none }
        let inspection = try failing(as: .badInput) {
            AdapterInspection.isAdapter(path)
                ? try AdapterInspection(path: path).inspection(model: model)
                : try ModelInspection(path: path).inspection()
        }
        Terminal.printLine(json ? try JSONLine.encode(inspection.json) : inspection.text)
    }
}
