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

/// Parameters in training with AdamW's moments, each one flat fp32 buffer: what a checkpoint has to hold of them.
package protocol FlatParameters: AnyObject {
    /// The tensors in the order of the buffers, without gaps.
    var tensors: [ParameterTensor] { get }

    /// Number of parameters.
    var parameterCount: Int { get }

    /// All parameters in the order of ``tensors``.
    var parameters: [Float] { get }

    /// Replaces all parameters.
    ///
    /// - Throws: `ModelError` when their number differs or one of them is not finite.
    func setParameters(_ values: [Float]) throws(ModelError)

    /// AdamW's moments in the order of the parameters; zero before the first step.
    var optimizerState: (firstMoment: [Float], secondMoment: [Float]) { get set }
}
