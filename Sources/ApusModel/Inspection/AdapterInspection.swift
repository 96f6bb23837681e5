internal import ApusFormats
import Foundation

/// What an adapter's folder holds, whether or not it can be loaded: read from headers, no matrix is touched.
public struct AdapterInspection: Sendable {
    /// The folder.
    public let path: String
    /// Bytes of the file of matrices.
    public let byteCount: Int
    /// How tensors are stored, what takes most bytes first.
    public let storage: [StoredTensors]
    /// Modules that the file holds a pair for.
    public let moduleCount: Int
    /// Tensors that are no matrix of a pair.
    public let otherTensors: [String]
    /// The shape, as `adapter_config.json` tells it; nil where the adapter cannot be used.
    public let configuration: LoRAConfiguration?
    /// Why it cannot be used, in one line; nil where it can.
    public let refusal: String?

    /// Whether a folder is an adapter's.
    public static func isAdapter(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: (path as NSString).appendingPathComponent("adapter_config.json"))
    }

    /// Reads `adapter_config.json` and the header of `adapter_model.safetensors`.
    ///
    /// - Throws: `FormatError` when there are no matrices, or their header is damaged.
    public init(path: String) throws {
        self.path = path
        let folder = path as NSString
        let source = try SafetensorsFile(path: folder.appendingPathComponent("adapter_model.safetensors"))
        byteCount = source.files.reduce(0) { $0 + $1.count }
        storage = StoredTensors.all(in: source)
        let matrices = source.entries.keys.filter { $0.contains(/\.lora_(embedding_)?[AB](\.|$)/) }
        moduleCount = matrices.count { $0.contains(/\.lora_(embedding_)?A/) }
        otherTensors = source.entries.keys.filter { !matrices.contains($0) }.sorted()
        do {
            let file = try LoRAConfigurationFile(path: folder.appendingPathComponent("adapter_config.json"))
            configuration = LoRAConfiguration(file)
            refusal = nil
        } catch {
            configuration = nil
            refusal = String(describing: error)
        }
    }

    /// Numbers in all tensors.
    public var elementCount: Int { storage.reduce(0) { $0 + $1.elementCount } }

    /// What a module's B A x is multiplied by where no pattern says otherwise; nil where the adapter cannot be used.
    public var scale: Float? { configuration.map { $0.scale(rank: $0.rank, alpha: $0.alpha) } }

    /// Whether single modules have ranks or alphas of their own.
    public var hasPatterns: Bool {
        configuration.map { !$0.rankPattern.isEmpty || !$0.alphaPattern.isEmpty } ?? false
    }

    /// Why the adapter does not fit a model, in one line; nil where it does.
    public func misfit(with model: String) -> String? {
        do {
            let checkpoint = try Checkpoint(path: model)
            _ = try AdapterFile(directory: path, for: checkpoint.configuration) { checkpoint }
            return nil
        } catch {
            return String(describing: error)
        }
    }
}
