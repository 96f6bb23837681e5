public import ApusTensor
internal import Foundation

/// A low-rank adapter in training: its parameters, their gradients and AdamW's moments, each one flat fp32 buffer.
///
/// `@unchecked Sendable`: used by the thread that owns the numeric core, and by no other at the same time.
public final class LoRAAdapter: FlatParameters, @unchecked Sendable {
    /// One module's pair.
    struct Pair: Sendable {
        let a: ParameterTensor
        let b: ParameterTensor
        let lowRank: LowRank
        /// What B A x is multiplied by.
        let scale: Float
    }

    /// The embedding's pair: a token's row gets scale · B A[:, token] added to it.
    struct EmbeddingPair: Sendable {
        let a: ParameterTensor
        let b: ParameterTensor
        /// scale · B, as the kernels read it.
        let weight: Weight
        let scale: Float
    }

    /// The shape.
    public let configuration: LoRAConfiguration
    /// The modules that it stands beside.
    package let targets: LoRATargets
    /// What there is to say of the file that it was loaded from, one line each.
    public let remarks: [String]
    /// Layer by layer, module by module in the order of `LinearModule`, then the embedding and the head; A before B.
    package let tensors: [ParameterTensor]
    /// Number of trained parameters.
    public var parameterCount: Int { buffers.parameters.columns }
    /// AdamW's moments in the order of the parameters; zero before the first step.
    ///
    /// - Throws: `TensorError` when the device has failed.
    package var optimizerState: (firstMoment: [Float], secondMoment: [Float]) {
        get throws { (try backend.download(buffers.firstMoment), try backend.download(buffers.secondMoment)) }
    }
    /// How often the parameters have changed.
    private(set) var version = 0
    let baseModel: String
    let backend: any Backend
    private let pairs: [[Pair?]]
    /// Beside the embedding.
    let embedding: EmbeddingPair?
    /// Beside the head.
    let head: Pair?
    private let buffers: ParameterBuffers

    /// A new adapter that changes nothing yet: A uniform in ±1/√inputs (PEFT's Kaiming initialisation), B zero; of the
    /// embedding A zero, B normal.
    ///
    /// - Throws: `ModelError` for an impossible configuration.
    public convenience init(_ configuration: LoRAConfiguration, for model: LanguageModel, seed: UInt64) throws {
        try self.init(zero: configuration, for: model)
        let random = Philox(seed: seed)
        var values = [Float](repeating: 0, count: parameterCount)
        for (index, tensor) in tensors.enumerated() {
            // Of the embedding's pair it is A that is zero.
            let isEmbedding = tensor.name == (index % 2 == 0 ? embedding?.a.name : embedding?.b.name)
            guard isEmbedding != (index % 2 == 0) else { continue }
            let bound = 1 / Float(tensor.shape[1]).squareRoot()
            for (i, element) in tensor.range.enumerated() {
                values[element] =
                    isEmbedding
                    ? random.normal(sample: index, position: i)
                    : (2 * Float(random.uniform(step: 0, sample: index, position: i)) - 1) * bound
            }
        }
        try setParameters(values)
    }

    /// An adapter of zeros.
    convenience init(zero configuration: LoRAConfiguration, for model: LanguageModel, remarks: [String] = []) throws {
        try self.init(
            zero: configuration, targets: configuration.targets(in: model.configuration), for: model, remarks: remarks)
    }

    /// An adapter of zeros beside some modules.
    init(
        zero configuration: LoRAConfiguration, targets: LoRATargets, for model: LanguageModel, remarks: [String] = []
    ) throws {
        var tensors: [ParameterTensor] = []
        let none = [Pair?](repeating: nil, count: LinearModule.allCases.count)
        var pairs = [[Pair?]](repeating: none, count: model.configuration.layerCount)
        var offset = 0
        func tensor(_ name: String, _ rows: Int, _ columns: Int) -> ParameterTensor {
            defer { offset += rows * columns }
            return ParameterTensor(name: name, shape: [rows, columns], range: offset..<offset + rows * columns)
        }
        var embedding: EmbeddingPair?
        var head: Pair?
        for module in targets.modules {
            let names = module.tensorNames
            let a = tensor(names.a, module.rank, module.inputs)
            let b = tensor(names.b, module.outputs, module.rank)
            let scale = configuration.scale(rank: module.rank, alpha: module.alpha)
            func pair(beside format: WeightFormat) throws -> Pair {
                func weight(_ outputs: Int, _ inputs: Int) throws -> Weight {
                    try model.backend.makeAdapterWeight(outputs: outputs, inputs: inputs, beside: format)
                }
                let lowRank = LowRank(
                    a: try weight(module.rank, module.inputs), b: try weight(module.outputs, module.rank))
                return Pair(a: a, b: b, lowRank: lowRank, scale: scale)
            }
            switch module.role {
            case .weight(let linear, let layer):
                pairs[layer][linear.rawValue] = try pair(beside: model.precision.linearFormat)
            case .head: head = try pair(beside: model.precision.headFormat(model.configuration))
            case .embedding:
                let weight = try model.backend.makeAdapterWeight(
                    outputs: module.outputs, inputs: module.rank, beside: .f32)
                embedding = EmbeddingPair(a: a, b: b, weight: weight, scale: scale)
            case .finalNorm, .norm, .bias: preconditionFailure("no pair stands beside \(module.role)")
            }
            tensors += [a, b]
        }
        self.embedding = embedding
        self.head = head
        self.configuration = configuration
        self.targets = targets
        self.remarks = remarks
        self.tensors = tensors
        self.pairs = pairs
        baseModel = configuration.baseModel ?? model.checkpointPath
        backend = model.backend
        buffers = try ParameterBuffers(count: offset, on: backend)
    }

    /// All parameters in the order of `tensors`.
    ///
    /// - Throws: `TensorError` when the device has failed.
    public var parameters: [Float] { get throws { try backend.download(buffers.parameters) } }

    /// The values of one tensor, row-major.
    ///
    /// - Throws: `TensorError` when the device has failed.
    package func values(of tensor: ParameterTensor) throws -> [Float] { try buffers.values(of: tensor) }

    /// A moment of one tensor, row-major; zero before the first step.
    ///
    /// - Throws: `TensorError` when the device has failed.
    package func values(_ moment: AdamWMoment, of tensor: ParameterTensor) throws -> [Float] {
        try buffers.values(moment, of: tensor)
    }

    /// Replaces a moment of one tensor.
    package func set(_ moment: AdamWMoment, of tensor: ParameterTensor, to values: [Float]) {
        buffers.set(moment, of: tensor, to: values)
    }

    /// All gradients in the order of `tensors`.
    ///
    /// - Throws: `TensorError` when the device has failed.
    package var gradients: [Float] { get throws { try backend.download(buffers.gradients) } }

    /// Replaces all parameters.
    ///
    /// - Throws: `ModelError` when their number differs or one of them is not finite.
    package func setParameters(_ values: [Float]) throws(ModelError) {
        guard values.count == parameterCount else {
            throw ModelError("adapter: wanted \(parameterCount) parameters, found \(values.count)")
        }
        guard values.allSatisfy(\.isFinite) else {
            throw ModelError("adapter: some parameters are NaN or infinite; use an earlier checkpoint")
        }
        backend.upload(values, to: buffers.parameters)
        repack()
    }

    /// Sets all gradients to zero.
    public func zeroGradients() { backend.fill(buffers.gradients, with: 0) }

    /// L2 norm of all gradients together.
    ///
    /// - Throws: `TensorError` when the device has failed.
    public func gradientNorm() throws -> Double { try backend.sumOfSquares(buffers.gradients).squareRoot() }

    /// Multiplies all gradients.
    public func scaleGradients(by factor: Float) { backend.scale(buffers.gradients, by: factor) }

    /// One AdamW step on all parameters with the gradients as they are.
    public func adamWStep(_ step: AdamWStep) {
        backend.adamW(
            step, parameters: buffers.parameters, firstMoment: buffers.firstMoment,
            secondMoment: buffers.secondMoment, gradients: buffers.gradients)
        repack()
    }

    func pair(layer: Int, _ module: LinearModule) -> Pair? { pairs[layer][module.rawValue] }

    /// Where a tensor's gradient is added, in the tensor's shape.
    func gradient(_ tensor: ParameterTensor) -> Matrix { buffers.gradients.tensor(tensor.range, shape: tensor.shape) }

    /// Brings the parameters into the form that the kernels read.
    private func repack() {
        version += 1
        var items: [Repacking] = []
        for case let pair? in pairs.joined() + [head] {
            items.append(Repacking(pair.lowRank.a, from: parameters(pair.a)))
            items.append(Repacking(pair.lowRank.b, from: parameters(pair.b), scale: pair.scale))
        }
        if let embedding {
            items.append(Repacking(embedding.weight, from: parameters(embedding.b), scale: embedding.scale))
        }
        backend.repack(items)
    }

    /// A tensor's values, in its shape.
    func parameters(_ tensor: ParameterTensor) -> Matrix {
        buffers.parameters.tensor(tensor.range, shape: tensor.shape)
    }
}

extension Philox {
    /// A number of the standard normal distribution (Box and Muller 1958).
    fileprivate func normal(sample: Int, position: Int) -> Float {
        let radius = (-2 * log(1 - uniform(step: 0, sample: sample, position: 2 * position))).squareRoot()
        return Float(radius * cos(2 * .pi * uniform(step: 0, sample: sample, position: 2 * position + 1)))
    }
}
