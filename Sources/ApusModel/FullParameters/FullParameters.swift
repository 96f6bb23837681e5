public import ApusTensor

/// All weights of a small model in training: one flat fp32 buffer each for the parameters, their gradients and AdamW's two
/// moments, 16 bytes a parameter, and 4 more for the copy that the kernels read.
///
/// `@unchecked Sendable`: used by the thread that owns the numeric core, and by no other at the same time.
public final class FullParameters: FlatParameters, @unchecked Sendable {
    /// The model that computes with these parameters, in fp32. Its weights move with every step.
    public let model: LanguageModel
    /// How ``save(to:)`` stores them.
    public var storedPrecision = StoredPrecision.bfloat16
    /// Matrices in the model's order, then gains and biases.
    package let tensors: [ParameterTensor]
    let buffers: ParameterBuffers
    /// Matrices come first: only they decay, as in transformers.
    private let matrixElements: Int
    private let byRole: [TensorRole: ParameterTensor]
    /// Where gains are added to a constant before they multiply, as Gemma's are: the sums, which follow every step.
    private let shiftedGains: [TensorRole: Matrix]

    /// Lays out the tensors of a model and fills them.
    ///
    /// - Parameters:
    ///   - values: writes a tensor's values; `index` is its place in `tensors`.
    init(
        _ parts: ModelParts, backend: any Backend,
        values: (_ tensor: ModelTensor, _ index: Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        let configuration = parts.configuration
        let layout = configuration.huggingFaceLayout
        let all = configuration.tensors
        let ordered = all.filter { $0.shape.count > 1 } + all.filter { $0.shape.count == 1 }
        var offset = 0
        let tensors = ordered.map { tensor in
            defer { offset += tensor.shape.reduce(1, *) }
            return ParameterTensor(
                name: layout.name(of: tensor.role), shape: tensor.shape,
                range: offset..<offset + tensor.shape.reduce(1, *))
        }
        self.tensors = tensors
        matrixElements = tensors.last { $0.shape.count > 1 }?.range.upperBound ?? 0
        let byRole = Dictionary(uniqueKeysWithValues: zip(ordered.map(\.role), tensors))
        self.byRole = byRole
        let gains = configuration.architecture.gainOffset == 0 ? [] : ordered.filter(\.role.isGain)
        let shiftedGains = Dictionary(
            uniqueKeysWithValues: try gains.map { ($0.role, try backend.makeMatrix(rows: 1, columns: $0.shape[0])) })
        self.shiftedGains = shiftedGains
        let buffers = try ParameterBuffers(count: offset, on: backend)
        self.buffers = buffers
        var initial = [Float](repeating: 0, count: offset)
        try initial.withUnsafeMutableBufferPointer { all in
            for (index, tensor) in ordered.enumerated() {
                try values(tensor, index, UnsafeMutableBufferPointer(rebasing: all[tensors[index].range]))
            }
        }
        backend.upload(initial, to: buffers.parameters)
        model = try LanguageModel(parts, backend: backend) { role in
            guard let tensor = byRole[role] else { preconditionFailure("a model has all of its tensors") }
            return shiftedGains[role] ?? buffers.parameters.tensor(tensor.range, shape: tensor.shape)
        }
        repack()
    }

    /// Number of parameters.
    public var parameterCount: Int { buffers.parameters.columns }

    /// All parameters in the order of `tensors`.
    ///
    /// - Throws: `TensorError` when the device has failed.
    public var parameters: [Float] { get throws { try model.backend.download(buffers.parameters) } }

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
    package var gradients: [Float] { get throws { try model.backend.download(buffers.gradients) } }

    /// Replaces all parameters.
    ///
    /// - Throws: `ModelError` when their number differs or one of them is not finite.
    package func setParameters(_ values: [Float]) throws(ModelError) {
        guard values.count == parameterCount, values.allSatisfy(\.isFinite) else {
            throw ModelError(
                "parameters: wanted \(parameterCount) finite values, found \(values.count), some NaN or infinite")
        }
        model.backend.upload(values, to: buffers.parameters)
        repack()
    }

    /// Sets all gradients to zero.
    public func zeroGradients() { model.backend.fill(buffers.gradients, with: 0) }

    /// L2 norm of all gradients together.
    ///
    /// - Throws: `TensorError` when the device has failed.
    public func gradientNorm() throws -> Double {
        try model.backend.sumOfSquares(buffers.gradients).squareRoot()
    }

    /// Multiplies all gradients.
    public func scaleGradients(by factor: Float) { model.backend.scale(buffers.gradients, by: factor) }

    /// One AdamW step on all parameters with the gradients as they are. Gains and biases do not decay.
    public func adamWStep(_ step: AdamWStep) {
        var undecayed = step
        undecayed.weightDecay = 0
        for (step, range) in [(step, 0..<matrixElements), (undecayed, matrixElements..<parameterCount)] {
            func part(_ buffer: Matrix) -> Matrix { buffer.tensor(range, shape: [range.count]) }
            model.backend.adamW(
                step, parameters: part(buffers.parameters), firstMoment: part(buffers.firstMoment),
                secondMoment: part(buffers.secondMoment), gradients: part(buffers.gradients))
        }
        repack()
    }

    /// Where the gradient of a tensor is added, in the tensor's shape; nil for one that the model lacks.
    func gradient(_ role: TensorRole) -> Matrix? {
        byRole[role].map { buffers.gradients.tensor($0.range, shape: $0.shape) }
    }

    /// Brings the matrices into the form that the kernels read. Gains and biases are read where they are, unless a
    /// constant is added to them.
    private func repack() {
        var items: [Repacking] = []
        func repack(_ weight: Weight?, _ role: TensorRole) {
            guard let weight, let tensor = byRole[role] else { return }
            items.append(Repacking(weight, from: values(tensor)))
        }
        switch model.embedding {
        case .own(let table):
            repack(table, .embedding)
            repack(model.head.weight, .head)
        case .shared, .file: repack(model.head.weight, .embedding)
        }
        for (index, layer) in model.layers.enumerated() {
            for plan in layer.plan.modules { repack(layer[plan.module], .weight(plan.module, layer: index)) }
        }
        model.backend.repack(items)
        for (role, sums) in shiftedGains {
            guard let tensor = byRole[role] else { continue }
            model.backend.fill(sums, with: model.configuration.architecture.gainOffset)
            model.backend.add(sums, values(tensor))
        }
    }

    /// A tensor's values where they are, in its shape.
    private func values(_ tensor: ParameterTensor) -> Matrix {
        buffers.parameters.tensor(tensor.range, shape: tensor.shape)
    }
}
