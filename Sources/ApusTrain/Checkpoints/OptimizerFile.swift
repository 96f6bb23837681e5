import ApusFormats
import ApusModel
import ApusTensor
import Foundation

/// `optimizer.safetensors`: AdamW's moments of every trained tensor, as `<name>.exp_avg` and `<name>.exp_avg_sq`, and where the
/// weights beside it are rounded, the parameters themselves as `<name>.master`.
///
/// Transformers ignores the file and starts its optimizer afresh, as it does without `optimizer.pt`.
enum OptimizerFile {
    static let name = "optimizer.safetensors"

    /// What is kept of a tensor, by what follows the tensor's name.
    private enum Part: String, CaseIterable {
        case firstMoment = ".exp_avg"
        case secondMoment = ".exp_avg_sq"
        case parameters = ".master"

        func values(of tensor: ParameterTensor, in trained: some FlatParameters) throws -> [Float] {
            switch self {
            case .firstMoment: try trained.values(.first, of: tensor)
            case .secondMoment: try trained.values(.second, of: tensor)
            case .parameters: try trained.values(of: tensor)
            }
        }
    }

    /// Writes the moments and, when asked to, the parameters.
    static func write(_ trained: some FlatParameters, withParameters: Bool = false, to directory: URL) throws {
        let parts = withParameters ? Part.allCases : [.firstMoment, .secondMoment]
        var sources: [String: (tensor: ParameterTensor, part: Part)] = [:]
        for tensor in trained.tensors {
            for part in parts { sources[tensor.name + part.rawValue] = (tensor, part) }
        }
        let layouts = sources.map { TensorLayout(name: $0, shape: $1.tensor.shape, type: .f32) }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        let path = directory.appending(path: name).path(percentEncoded: false)
        try SafetensorsStream(tensors: layouts).write(to: path) { layout, append in
            guard let (tensor, part) = sources[layout.name] else { return }
            try append(layout.type.encode(try part.values(of: tensor, in: trained)))
        }
    }

    /// Reads the moments back. A file of another shape is refused by its names and sizes.
    static func readMoments(into trained: some FlatParameters, from directory: URL) throws {
        let file = try SafetensorsFile(path: directory.appending(path: name).path)
        for tensor in trained.tensors {
            trained.set(.first, of: tensor, to: try values(of: tensor, .firstMoment, in: file))
            trained.set(.second, of: tensor, to: try values(of: tensor, .secondMoment, in: file))
        }
    }

    /// Reads the parameters back, from this file or, where it holds none, from the one beside it that has them unrounded.
    static func readParameters(
        into trained: some FlatParameters, from directory: URL, beside other: String
    ) throws {
        let file = try SafetensorsFile(path: directory.appending(path: name).path)
        let isHere = trained.tensors.first.map { file.entries[$0.name + Part.parameters.rawValue] != nil } ?? false
        let source = isHere ? file : try SafetensorsFile(path: directory.appending(path: other).path)
        var all: [Float] = []
        all.reserveCapacity(trained.parameterCount)
        for tensor in trained.tensors { all += try values(of: tensor, isHere ? .parameters : nil, in: source) }
        try trained.setParameters(all)
    }

    private static func values(
        of tensor: ParameterTensor, _ part: Part?, in file: SafetensorsFile
    ) throws -> [Float] {
        let entry = try file.entry(tensor.name + (part?.rawValue ?? ""))
        guard entry.shape == tensor.shape, entry.type == .f32 else {
            throw TrainingError(
                .resume, "\(file.path): \(entry.name) is not in fp32 of this run's shape \(tensor.shape)")
        }
        return try file.readFloats(entry.name)
    }
}
