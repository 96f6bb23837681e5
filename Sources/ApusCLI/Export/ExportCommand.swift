import Apus
import ArgumentParser
import Foundation

/// `apus export`: writes a model, with an adapter merged into it or the adapter alone, in a form that other programs load.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a trained adapter or the merged model for other programs.",
        discussion: """
            Formats:
              adapter    the PEFT adapter, checked against vLLM's rules; the serve command is printed
              merged     16-bit safetensors in a Hugging Face folder: transformers, vLLM, Apus
              bnb-4bit   the same folder with linear layers in bitsandbytes' NF4
              gguf       one file for llama.cpp, Ollama, LM Studio, Apus; see --type
              gguf-lora  the adapter alone, for llama.cpp's --lora beside the base model

              apus export --model M --adapter outputs/checkpoint-100 --format gguf --type Q4_K_M --output tuned.gguf
              apus export --model M --adapter outputs/checkpoint-100 --format merged --output tuned

            Merging adds scale * B A to the model's weights in fp32 and rounds once. The weights are those of --model: \
            a GGUF file's are decoded first, so what its quantisation lost stays lost. An adapter that was trained on \
            4-bit weights meets slightly other ones when it is merged into a 16-bit model: answers can differ in places. \
            To be exact, compare with `apus eval` or `apus generate --precision bf16` before you publish.

            Nothing is replaced without --overwrite, and what is written appears under its name when it is complete. \
            The exit status is 2 when nothing was begun and 3 when writing failed.
            """)

    /// What is written.
    enum Format: String, CaseIterable, ExpressibleByArgument {
        case adapter, merged
        case bnb4bit = "bnb-4bit"
        case gguf
        case ggufLoRA = "gguf-lora"
    }

    @Option(help: ArgumentHelp(ModelOptions.modelHelp))
    var model: String

    @Option(help: ArgumentHelp(ModelOptions.adapterHelp))
    var adapter: String?

    @Option(help: "adapter, merged, bnb-4bit, gguf or gguf-lora.")
    var format: Format

    @Option(help: "The new folder (adapter, merged, bnb-4bit) or file (gguf, gguf-lora).")
    var output: String

    @Option(
        help: """
            Numbers: of gguf F32, F16, BF16, Q8_0, Q4_0 or Q4_K_M (default F16); of gguf-lora F32 or F16 (default F32); \
            of merged bfloat16 or float16 (default bfloat16).
            """)
    var type: String?

    @Option(
        help:
            "What the model is called: in a GGUF file's metadata, and in vLLM's requests (default: the output's name).")
    var name: String?

    @Flag(help: "Of bnb-4bit: keep the scales in 8 bits too, which saves 0.4 bits a weight.")
    var doubleQuant = false

    @Flag(help: "Replace what --output names.")
    var overwrite = false

    func validate() throws {
        if doubleQuant, format != .bnb4bit { throw ValidationError("--double-quant is for --format bnb-4bit only") }
        _ = try exportType()
        try checkName()
    }

    func run() async throws {
        let model = try await ModelLoading.path(of: model)
        let adapter = if let adapter { try await ModelLoading.path(of: adapter) } else { String?.none }
        let (write, hint) = try failing(as: .badInput) { try prepare(model: model, adapter: adapter) }
        let progress = ExportProgress()
        do {
            try write(progress.show)
        } catch {
            progress.finish()
            throw CommandFailure(.runFailed, String(describing: error))
        }
        progress.finish()
        Terminal.printLine("wrote \(output)")
        if let hint { Terminal.printLine(hint) }
    }

    /// Opens and checks everything; what is given out writes, and the line says how to use the result.
    private func prepare(
        model: String, adapter: String?
    ) throws -> (write: (ExportedModel.Progress?) throws -> Void, hint: String?) {
        let exported = try ExportedModel(model: model, adapter: adapter)
        let place = output.shellQuoted
        switch try exportType() {
        case .adapter:
            let (rules, write) = try exported.preparedAdapter(to: output, overwrites: overwrite)
            let command = rules.command(base: servedBase(exported), adapter: output, name: servedName)
            return ({ _ in try write() }, command)
        case .merged(let type):
            let write = try exported.preparedMerge(to: output, type: type, overwrites: overwrite)
            return (write, "vllm serve \(place)")
        case .bitsAndBytes:
            let write = try exported.preparedBitsAndBytes(
                to: output, doubleQuantization: doubleQuant, overwrites: overwrite)
            return (write, "vllm serve \(place)")
        case .gguf(let type):
            let write = try exported.preparedGGUF(to: output, type: type, name: servedName, overwrites: overwrite)
            return (write, "llama-server -m \(place)")
        case .ggufLoRA(let type):
            let write = try exported.preparedGGUFAdapter(
                to: output, type: type, name: servedName, overwrites: overwrite)
            let base = exported.isGGUF ? model.shellQuoted : "BASE.gguf"
            return (write, "llama-server -m \(base) --lora \(place)")
        }
    }
}

/// A format together with the numbers that it is written in.
private enum ExportType {
    case adapter
    case merged(ExportedModel.SixteenBits)
    case bitsAndBytes
    case gguf(GGUFModelType)
    case ggufLoRA(ExportedModel.GGUFAdapterType)
}

extension ExportCommand {
    private func exportType() throws -> ExportType {
        switch format {
        case .adapter: try refuseType(.adapter)
        case .bnb4bit: try refuseType(.bitsAndBytes)
        case .merged: .merged(try chosen(default: .bfloat16))
        case .gguf: .gguf(try chosen(default: .f16))
        case .ggufLoRA: .ggufLoRA(try chosen(default: .f32))
        }
    }

    private func refuseType(_ result: ExportType) throws -> ExportType {
        guard let type else { return result }
        throw ValidationError("--type \(type): \(format.rawValue) has only one kind of numbers; leave --type out")
    }

    private func chosen<T: RawRepresentable<String> & CaseIterable>(default fallback: T) throws -> T {
        guard let type else { return fallback }
        guard let found = T.allCases.first(where: { $0.rawValue.lowercased() == type.lowercased() }) else {
            let known = T.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--type: \(format.rawValue) has \(known); found '\(type)'")
        }
        return found
    }

    /// A name goes into files and commands: it must not be able to point anywhere.
    private func checkName() throws {
        guard let name else { return }
        let isPlain = name.unicodeScalars.allSatisfy { scalar in
            scalar.isASCII
                && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "._-".contains(Character(scalar)))
        }
        guard isPlain, let first = name.first, first != ".", first != "-", name.count <= 100 else {
            throw ValidationError(
                "--name: wanted at most 100 letters, digits, '.', '_' and '-', the first a letter or digit, found '\(name)'"
            )
        }
    }

    private var servedName: String {
        if let name { return name }
        let base = URL(filePath: output).standardizedFileURL.lastPathComponent
        return base.hasSuffix(".gguf") ? String(base.dropLast(5)) : base
    }

    /// vLLM wants the base model's Hugging Face folder or name.
    private func servedBase(_ exported: ExportedModel) -> String {
        exported.isGGUF ? "BASE_MODEL" : model
    }
}
