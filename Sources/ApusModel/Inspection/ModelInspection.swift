internal import ApusFormats
public import ApusText
import Foundation

/// What a model's files hold, whether or not it can be loaded: read from headers, no weight is touched.
public struct ModelInspection: Sendable {
    /// The file or folder.
    public let path: String
    /// Whether it is a GGUF file, in one part or several; else a folder in Hugging Face's layout.
    public let isGGUF: Bool
    /// Files that hold weights.
    public let fileCount: Int
    /// Bytes of these files.
    public let byteCount: Int
    /// How tensors are stored, what takes most bytes first.
    public let storage: [StoredTensors]
    /// The family, as the file calls it; nil where it names none.
    public let architectureName: String?
    /// The model's shape; nil where it cannot be loaded.
    public let configuration: ModelConfiguration?
    /// Why it cannot be loaded, in one line; nil where it can.
    public let refusal: String?
    /// The tokenizer; nil where it cannot be used.
    public let tokenizer: Tokenizer?
    /// Why the tokenizer cannot be used, in one line; nil where it can.
    public let tokenizerRefusal: String?

    /// Reads the headers of a folder's or a file's weights, its configuration and its tokenizer.
    ///
    /// - Throws: `FormatError` when there are no weights, or a header is damaged.
    public init(path: String) throws {
        self.path = path
        let source: any TensorSource
        if Checkpoint.isFolder(path) {
            source = try ShardedSafetensors(directory: path)
            architectureName = Self.architecture(ofFolder: path)
        } else {
            let file = try GGUFFile(path: path)
            source = file
            architectureName = file.metadata["general.architecture"]?.string
        }
        isGGUF = source is GGUFFile
        fileCount = source.files.count
        byteCount = source.files.reduce(0) { $0 + $1.count }
        storage = StoredTensors.all(in: source)
        (configuration, refusal) = Self.attempt { try Checkpoint(path: path).configuration }
        (tokenizer, tokenizerRefusal) = Self.attempt { try Checkpoint.tokenizer(of: source) }
    }

    /// Numbers in all tensors of the files, a quantised weight counting as what it stands for. A model of text and images has
    /// more of them than its text part.
    public var elementCount: Int { storage.reduce(0) { $0 + $1.elementCount } }

    /// Whether `apus export --format gguf` can write the model so that llama.cpp computes the same.
    public var canBecomeGGUF: Bool { configuration.map { $0.architecture.canSayInGGUF($0) } ?? false }

    private static func architecture(ofFolder path: String) -> String? {
        let file = (path as NSString).appendingPathComponent("config.json")
        guard let bytes = try? MappedFile(path: file).withBytes({ Data($0) }) else { return nil }
        return try? JSONMembers(json: bytes, file: file, kind: "a model's config.json").string("model_type")
    }

    private static func attempt<Value>(_ body: () throws -> Value) -> (Value?, refusal: String?) {
        do { return (try body(), nil) } catch { return (nil, String(describing: error)) }
    }
}

/// The tensors of a model's files that are stored in one way.
public struct StoredTensors: Sendable, Equatable {
    /// The type's name, such as `BF16` or `Q4_K`; `NF4` for what bitsandbytes packed.
    public let type: String
    /// How many there are; of a weight in NF4 the scales belong to it.
    public private(set) var tensorCount = 0
    /// Numbers that they stand for.
    public private(set) var elementCount = 0
    /// Bytes that they take.
    public private(set) var byteCount = 0

    /// All of a source, what takes most bytes first.
    static func all(in source: any TensorSource) -> [StoredTensors] {
        let packed = source.entries.keys.filter { BitsAndBytesTensor.isQuantized($0, in: source) }
        var groups: [String: StoredTensors] = [:]
        for (name, entry) in source.entries {
            let isPacked = packed.contains(name)
            let isPart = !isPacked && packed.contains { name.hasPrefix($0 + ".") }
            let type = isPacked || isPart ? "NF4" : entry.type.rawValue
            var group = groups[type] ?? StoredTensors(type: type)
            group.byteCount += entry.byteRange.count
            if !isPart {
                group.tensorCount += 1
                // Two codes a byte, should the state be damaged that tells the shape.
                let shape = isPacked ? try? BitsAndBytesTensor.shape(of: name, in: source) : entry.shape
                group.elementCount += shape.map { $0.reduce(1, *) } ?? 2 * entry.byteRange.count
            }
            groups[type] = group
        }
        return groups.values.sorted { ($0.byteCount, $1.type) > ($1.byteCount, $0.type) }
    }
}
