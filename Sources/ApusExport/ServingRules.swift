package import ApusFormats

/// What vLLM demands of a LoRA adapter, and the command that serves one.
public struct ServingRules: Sendable, Equatable {
    /// The ranks that `--max-lora-rank` takes in every version.
    private static let ranks = [8, 16, 32, 64, 128, 256, 320, 512]

    /// The number to give as `--max-lora-rank`.
    public let maximumRank: Int

    /// Checks an adapter's configuration.
    ///
    /// DoRA, trained biases, whole modules and ranks that differ by module are refused when the file is read already.
    ///
    /// - Throws: `ExportError` for a rank that vLLM cannot be told, or a scale that it would compute differently.
    package init(_ configuration: LoRAConfigurationFile) throws {
        guard configuration.rankPattern.isEmpty, configuration.alphaPattern.isEmpty else {
            throw ExportError(
                "adapter_config.json: rank_pattern or alpha_pattern is set, and vLLM scales all modules by lora_alpha / r; "
                    + "export merged")
        }
        let rank = configuration.rank
        guard let maximum = Self.ranks.first(where: { $0 >= rank }) else {
            throw ExportError(
                "adapter_config.json: r is \(rank), vLLM serves at most \(Self.ranks[Self.ranks.count - 1]); "
                    + "train with a lower rank or export merged")
        }
        maximumRank = maximum
    }

    /// The command that serves a base model with the adapter, ready for a shell.
    ///
    /// - Parameters:
    ///   - base: the base model's folder or name on the hub.
    ///   - adapter: the adapter's folder.
    ///   - name: what requests call the adapter's model.
    public func command(base: String, adapter: String, name: String) -> String {
        "vllm serve \(Self.quoted(base)) --enable-lora --max-lora-rank \(maximumRank) "
            + "--lora-modules \(Self.quoted("\(name)=\(adapter)"))"
    }

    /// A word that a shell takes as it is.
    package static func quoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            default: "_-./=:,@+".utf8.contains(byte)
            }
        }
        if isPlain, !word.isEmpty { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }
}
