package import ApusFormats
import Foundation
import Synchronization

/// A model on disk, whatever its format: its tensors by what they are to the model, in Hugging Face's order and values.
///
/// A folder holds `config.json` and safetensors, one file or shards, plain or quantised by bitsandbytes; a single file
/// is GGUF. The weights stay in the file until rows of them are read.
package final class Checkpoint: Sendable {
    /// The folder or file as it was given.
    package let path: String
    /// The shape of the model.
    package let configuration: ModelConfiguration
    let source: any TensorSource
    let layout: CheckpointLayout
    /// The NF4 weight that rows were last read from, so that a reader that goes through it in pieces unpacks it once.
    private let current = Mutex<BitsAndBytesTensor?>(nil)

    /// Opens a folder or a `.gguf` file and checks its configuration and the shape of every tensor it needs.
    ///
    /// - Throws: `FormatError` that names the tensor, what was wanted and what was found.
    package init(path: String) throws(FormatError) {
        self.path = path
        if !Self.isFolder(path) {
            let file = try GGUFFile(path: path)
            configuration = try ModelConfiguration(gguf: file)
            source = file
            layout = configuration.ggufLayout
        } else {
            let folder = URL(filePath: path, directoryHint: .isDirectory)
            configuration = try Self.readConfiguration(in: folder)
            let source = try ShardedSafetensors(directory: path)
            self.source = source
            layout = .huggingFace(configuration.architecture, prefix: .found(in: source, configuration.architecture))
        }
        try checkTensors()
    }

    /// Whether a model of that path is a folder; what is none is taken for a GGUF file.
    static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    /// The files that the weights lie in, in a fixed order.
    package var files: [MappedFile] { source.files }

    /// Whether the model is a GGUF file.
    package var isGGUF: Bool { source is GGUFFile }

    /// Whether the model holds a tensor.
    package func contains(_ role: TensorRole) -> Bool { source.entries[layout.name(of: role)] != nil }

    /// The logical shape of a tensor; matrices are `[out, in]`.
    ///
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    package func shape(_ role: TensorRole) throws(FormatError) -> [Int] {
        let stored = layout.name(of: role)
        if BitsAndBytesTensor.isQuantized(stored, in: source) {
            return try BitsAndBytesTensor.shape(of: stored, in: source)
        }
        return try source.entry(stored).shape
    }

    /// How the elements of a tensor are stored; nil for those that bitsandbytes packed.
    ///
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    func type(_ role: TensorRole) throws(FormatError) -> ElementType? {
        let stored = layout.name(of: role)
        return BitsAndBytesTensor.isQuantized(stored, in: source) ? nil : try source.entry(stored).type
    }

    /// Decodes rows of a tensor to fp32, in Hugging Face order; a vector is one row.
    ///
    /// - Parameters:
    ///   - role: What the tensor is.
    ///   - rows: Rows to read, within the first dimension.
    ///   - destination: Room for exactly these rows, row-major.
    /// - Throws: `FormatError`: `missing` when there is no such tensor, `malformed` when a weight is NaN or infinite.
    package func read(
        _ role: TensorRole, rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>
    ) throws(FormatError) {
        let stored = layout.name(of: role)
        if let quantized = try currentQuantized(stored) {
            quantized.read(rows: rows, into: destination)
        } else if let order = layout.rowOrder(of: role) {
            try readPermuted(stored, rows: rows, order: order, into: destination)
        } else {
            try source.read(stored, rows: rows, into: destination)
        }
        let excess = layout.excess(of: role)
        if excess != 0 { for index in destination.indices { destination[index] -= excess } }
        let faults = NonFinite.count(in: UnsafeBufferPointer(destination))
        guard faults == 0 else {
            let message = "tensor '\(stored)' holds \(faults) values that are NaN or infinite; the model is damaged"
            throw FormatError(.malformed, file: path, message)
        }
    }

    /// The codes and scales of a weight that the file holds in bitsandbytes NF4; nil when it is stored otherwise.
    ///
    /// - Throws: `FormatError` when its parts are missing or disagree.
    package func quantized(_ role: TensorRole) throws(FormatError) -> BitsAndBytesTensor? {
        let stored = layout.name(of: role)
        guard BitsAndBytesTensor.isQuantized(stored, in: source) else { return nil }
        return try BitsAndBytesTensor(stored, in: source)
    }

    /// Releases what reading a tensor left in memory: the last that is read of it for now.
    package func finish(_ role: TensorRole) {
        discardPages(of: role)
        let stored = layout.name(of: role)
        current.withLock { if $0?.name == stored { $0 = nil } }
    }

    /// Releases the resident file pages of a tensor.
    func discardPages(of role: TensorRole) { source.discardPages(of: layout.name(of: role)) }

    private func currentQuantized(_ stored: String) throws(FormatError) -> BitsAndBytesTensor? {
        guard BitsAndBytesTensor.isQuantized(stored, in: source) else { return nil }
        if let tensor = current.withLock({ $0 }), tensor.name == stored { return tensor }
        let tensor = try BitsAndBytesTensor(stored, in: source)
        current.withLock { $0 = tensor }
        return tensor
    }

    static func readConfiguration(in folder: URL) throws(FormatError) -> ModelConfiguration {
        let path = folder.appending(path: "config.json").path(percentEncoded: false)
        let generationPath = folder.appending(path: "generation_config.json").path(percentEncoded: false)
        let data = try MappedFile(path: path).withBytes { Data($0) }
        var generation: Data?
        if FileManager.default.fileExists(atPath: generationPath) {
            generation = try MappedFile(path: generationPath).withBytes { Data($0) }
        }
        return try ModelConfiguration(huggingFace: data, generation: generation, file: path)
    }
}
