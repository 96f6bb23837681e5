import ApusFormats
import ApusModel
import Foundation

/// `optimizer.safetensors`: AdamW's moments of every trained tensor, as `<name>.exp_avg` and `<name>.exp_avg_sq`, and where the
/// weights beside it are rounded, the parameters themselves as `<name>.master`.
///
/// Transformers ignores the file and starts its optimizer afresh, as it does without `optimizer.pt`.
enum OptimizerFile {
    static let name = "optimizer.safetensors"

    private static let firstMoment = ".exp_avg"
    private static let secondMoment = ".exp_avg_sq"
    private static let master = ".master"

    /// Writes the moments and, when asked to, the parameters.
    static func write(_ trained: some FlatParameters, withParameters: Bool = false, to directory: URL) throws {
        var writer = SafetensorsWriter()
        func append(_ values: [Float], _ suffix: String) {
            for tensor in trained.tensors {
                writer.append(tensor.name + suffix, shape: tensor.shape, .f32(Array(values[tensor.range])))
            }
        }
        let (first, second) = trained.optimizerState
        append(first, firstMoment)
        append(second, secondMoment)
        if withParameters { append(trained.parameters, master) }
        try writer.write(to: directory.appending(path: name))
    }

    /// Reads the moments back. A file of another shape is refused by its names and sizes.
    static func readMoments(into trained: some FlatParameters, from directory: URL) throws {
        let file = try SafetensorsFile(path: directory.appending(path: name).path)
        let first = try values(of: trained, firstMoment, in: file)
        trained.optimizerState = (first, try values(of: trained, secondMoment, in: file))
    }

    /// Reads the parameters back, from this file or, where it holds none, from the one beside it that has them unrounded.
    static func readParameters(
        into trained: some FlatParameters, from directory: URL, beside other: String
    ) throws {
        let file = try SafetensorsFile(path: directory.appending(path: name).path)
        let isHere = trained.tensors.first.map { file.entries[$0.name + master] != nil } ?? false
        let source = isHere ? file : try SafetensorsFile(path: directory.appending(path: other).path)
        try trained.setParameters(try values(of: trained, isHere ? master : "", in: source))
    }

    private static func values(
        of trained: some FlatParameters, _ suffix: String, in file: SafetensorsFile
    ) throws -> [Float] {
        var all: [Float] = []
        all.reserveCapacity(trained.parameterCount)
        for tensor in trained.tensors {
            let entry = try file.entry(tensor.name + suffix)
            guard entry.shape == tensor.shape, entry.type == .f32 else {
                throw TrainingError(
                    .resume, "\(file.path): \(entry.name) is not in fp32 of this run's shape \(tensor.shape)")
            }
            all += try file.readFloats(entry.name)
        }
        return all
    }
}

extension LoRAAdapter {
    /// Reads the parameters and AdamW's moments of a checkpoint.
    func restore(from directory: URL, beside model: LanguageModel) throws {
        let saved = try LoRAAdapter(directory: directory, for: model)
        try setParameters(saved.parameters)
        try OptimizerFile.readMoments(into: self, from: directory)
    }
}
