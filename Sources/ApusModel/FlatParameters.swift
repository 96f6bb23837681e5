/// Where one trained tensor lies in flat buffers.
package struct ParameterTensor: Sendable {
    /// Its name in a file: PEFT's of an adapter's tensor, such as
    /// `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`, or Hugging Face's of a model's.
    package let name: String
    /// Dimensions, outermost first: `[outputs, inputs]` of a model's matrix, `[rank, inputs]` of an A, `[outputs, rank]` of
    /// a B, `[count]` of a gain or a bias.
    package let shape: [Int]
    /// Elements of the flat buffers.
    package let range: Range<Int>
}

/// What AdamW keeps of each parameter.
package enum AdamWMoment: Sendable, CaseIterable {
    /// The decayed mean of the gradients.
    case first
    /// The decayed mean of their squares.
    case second
}

/// Parameters in training with AdamW's moments, each one flat fp32 buffer: what a checkpoint has to hold of them. Read tensor
/// by tensor, so that saving takes little memory.
package protocol FlatParameters: AnyObject {
    /// The tensors in the order of the buffers, without gaps.
    var tensors: [ParameterTensor] { get }

    /// Number of parameters.
    var parameterCount: Int { get }

    /// The values of one tensor, row-major.
    ///
    /// - Throws: `TensorError` when the device has failed.
    func values(of tensor: ParameterTensor) throws -> [Float]

    /// Replaces all parameters, in the order of ``tensors``.
    ///
    /// - Throws: `ModelError` when their number differs or one of them is not finite.
    func setParameters(_ values: [Float]) throws(ModelError)

    /// A moment of one tensor, row-major; zero before the first step.
    ///
    /// - Throws: `TensorError` when the device has failed.
    func values(_ moment: AdamWMoment, of tensor: ParameterTensor) throws -> [Float]

    /// Replaces a moment of one tensor.
    func set(_ moment: AdamWMoment, of tensor: ParameterTensor, to values: [Float])
}
