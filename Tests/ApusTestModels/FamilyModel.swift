import ApusFormats
public import ApusModel
public import ApusTensor
import ApusTestSupport
import Foundation

/// A tiny model of a family, and what transformers and PEFT computed with it.
public struct FamilyModel {
    /// What `golden.json` says.
    public struct Golden: Decodable, Sendable {
        /// A greedy continuation.
        public struct Greedy: Decodable, Sendable {
            /// What was continued.
            public var prompt: [Int32]
            /// What followed.
            public var tokens: [Int32]
        }

        /// Tokens of the text that no loss is taken of.
        public var promptLength: Int
        /// Without the adapter.
        public var greedy: Greedy
        /// How far tokens' log-probabilities move on average where transformers computes in bf16.
        public var bf16LogProbMean: Float

        enum CodingKeys: String, CodingKey {
            case promptLength = "prompt_length"
            case greedy
            case bf16LogProbMean = "bf16_logprob_mean"
        }
    }

    /// The fixtures' folders, one a family and configuration.
    public static let names: [String] = {
        let folder = Fixture.url("families")
        let all = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return all.filter { FileManager.default.fileExists(atPath: folder.appending(path: "\($0)/golden.json").path) }
            .sorted()
    }()

    /// The fixtures with gradients of all weights.
    public static let fullyTrained = names.filter {
        FileManager.default.fileExists(atPath: Fixture.url("families/\($0)/full.safetensors").path)
    }

    /// What transformers computed besides tensors.
    public let golden: Golden
    /// The text.
    public let tokens: [Int32]
    private let name: String
    private let tensors: SafetensorsFile

    /// Opens a fixture.
    public init(_ name: String) throws {
        self.name = name
        golden = try Fixture.json("families/\(name)/golden.json")
        tensors = try SafetensorsFile(path: Fixture.url("families/\(name)/golden.safetensors").path)
        tokens = try tensors.readBytes("tokens").chunks(of: 4).map { bytes in
            Int32(truncatingIfNeeded: bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) })
        }
    }

    /// The text as a prompt and one completion.
    public var group: TokenGroup {
        TokenGroup(
            prompt: Array(tokens[..<golden.promptLength]), completions: [Array(tokens[golden.promptLength...])])
    }

    /// Golden values by their name.
    public func floats(_ name: String) throws -> [Float] { try tensors.floats(name) }

    /// Golden gradients of all weights by their name; `full_loss` is the loss.
    public func full(_ name: String) throws -> [Float] {
        try SafetensorsFile(path: Fixture.url("families/\(self.name)/full.safetensors").path).floats(name)
    }

    /// Calls `body` with the model's folder, a tokenizer beside the weights.
    public func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
        try withModelFolder(copying: "families/\(name)", body)
    }

    /// The model and its adapter.
    ///
    /// - Parameter isForItsText: whether rotary frequencies are those for the text's length, or those of the first training.
    public func load(
        _ precision: WeightPrecision, _ backend: any Backend, isForItsText: Bool = true
    ) throws -> (LanguageModel, LoRAAdapter) {
        try withFolder { path in
            let model = try LanguageModel(
                path: path, precision: precision, contextLength: isForItsText ? tokens.count : nil, backend: backend,
                cache: nil)
            return (model, try LoRAAdapter(directory: URL(filePath: path + "/adapter"), for: model))
        }
    }
}

extension TrainingPass {
    /// The negative sum of a group's log-probabilities, with its gradients.
    package func lossWithGradients(_ group: TokenGroup) throws -> Float {
        let scores = try forward([group])[0].map(\.logProbs)
        try backward([scores.map { $0.map { _ in -1 } }])
        return -scores.joined().reduce(0, +)
    }
}

extension [UInt8] {
    fileprivate func chunks(of size: Int) -> [ArraySlice<UInt8>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}
