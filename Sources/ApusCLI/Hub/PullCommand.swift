import Apus
import ArgumentParser
import Foundation

/// `apus pull`: brings a model or a data set into the cache that all programs of the field share.
struct PullCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull",
        abstract: "Bring a model, an adapter or a data set from the hub, by name.",
        discussion: """
            What a command is given by name it brings itself; this is for doing so beforehand. A name is org/name, with \
            @revision for a branch, tag or commit, and of GGUF repositories with :Q4_K_M for one of the files. Of models only \
            what is needed to load them is brought. What was cut off goes on where it was. The last line is the path.

              apus pull HuggingFaceTB/SmolLM2-135M-Instruct
              apus pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M
              apus pull openai/gsm8k --dataset --config main

            HF_ENDPOINT=https://hf-mirror.com asks a mirror. HF_TOKEN is for what needs an account, HF_HOME and HF_HUB_CACHE \
            say where the cache is, and with HF_HUB_OFFLINE=1 nothing is asked.
            """)

    @Argument(help: "org/name, org/name@revision, or org/name:QUANTIZATION of a GGUF repository.")
    var name: String

    @Flag(help: "A data set, of which all files are brought unless --config or --split say which.")
    var dataset = false

    @Option(help: "Of a data set: the configuration, such as main.")
    var config: String?

    @Option(help: "Of a data set: the splits, such as train or train+test (default: all of the configuration).")
    var split: String?

    func validate() throws {
        if !dataset, config != nil || split != nil {
            throw ValidationError("--config and --split are of data sets; give --dataset too")
        }
    }

    func run() async throws {
        let display = HubDisplay(name)
        defer { display.finish() }
        do {
            let path = try await pull(try NamedFiles.hub(), display)
            display.finish()
            Terminal.printLine(path)
        } catch {
            throw CommandFailure(.badInput, of: error)
        }
    }

    private func pull(_ hub: Hub, _ display: HubDisplay) async throws -> String {
        guard dataset else {
            let model = try await hub.model(try RepositoryName(name), progress: display.show)
            display.tell(about: model.snapshot)
            return model.path
        }
        guard config != nil || split != nil else {
            let snapshot = try await hub.snapshot(of: try RepositoryName(name, kind: .dataset), progress: display.show)
            display.tell(about: snapshot)
            return snapshot.folder.path(percentEncoded: false)
        }
        let splits = try split.map { try SplitExpression($0, name: "--split") }
        let found = try await hub.dataset(name, configuration: config, splits: splits, progress: display.show)
        return found.folder?.path(percentEncoded: false) ?? name
    }
}
