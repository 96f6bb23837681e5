package import ApusModel

extension ModelConfiguration {
    /// All tensors of the model under the names that Hugging Face's files have for them.
    package var namedTensors: [(name: String, tensor: ModelTensor)] {
        tensors.map { (huggingFaceLayout.name(of: $0.role), $0) }
    }

    /// What a tensor of Hugging Face's name is to the model.
    package func role(named name: String) -> TensorRole? {
        namedTensors.first { $0.name == name }?.tensor.role
    }
}

extension Checkpoint {
    /// Values of a tensor in Hugging Face's order, whatever the format of the file.
    package func floats(_ role: TensorRole, rows: Range<Int>? = nil) throws -> [Float] {
        let shape = try shape(role)
        let rows = rows ?? 0..<(shape.count < 2 ? 1 : shape[0])
        var values = [Float](repeating: 0, count: rows.count * (shape.last ?? 1))
        try values.withUnsafeMutableBufferPointer { try read(role, rows: rows, into: $0) }
        return values
    }
}
