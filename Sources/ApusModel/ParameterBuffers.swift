internal import ApusTensor

/// Trained parameters with their gradients and AdamW's moments, each one flat fp32 buffer of a device.
struct ParameterBuffers {
    let parameters: Matrix
    let gradients: Matrix
    let firstMoment: Matrix
    let secondMoment: Matrix
    private let backend: any Backend

    /// Zeros.
    init(count: Int, on backend: any Backend) throws {
        parameters = try backend.makeMatrix(rows: 1, columns: count)
        gradients = try backend.makeMatrix(rows: 1, columns: count)
        firstMoment = try backend.makeMatrix(rows: 1, columns: count)
        secondMoment = try backend.makeMatrix(rows: 1, columns: count)
        self.backend = backend
        for buffer in [parameters, gradients, firstMoment, secondMoment] { backend.fill(buffer, with: 0) }
    }

    /// Reads one tensor's part of the parameters.
    func values(of tensor: ParameterTensor) throws -> [Float] {
        try backend.download(parameters.tensor(tensor.range, shape: tensor.shape))
    }

    /// Reads one tensor's part of a moment.
    func values(_ moment: AdamWMoment, of tensor: ParameterTensor) throws -> [Float] {
        try backend.download(part(moment, tensor))
    }

    /// Replaces one tensor's part of a moment.
    func set(_ moment: AdamWMoment, of tensor: ParameterTensor, to values: [Float]) {
        backend.upload(values, to: part(moment, tensor))
    }

    private func part(_ moment: AdamWMoment, _ tensor: ParameterTensor) -> Matrix {
        (moment == .first ? firstMoment : secondMoment).tensor(tensor.range, shape: tensor.shape)
    }
}

extension Matrix {
    /// A tensor of a flat buffer, in its own shape; a vector is one row.
    func tensor(_ range: Range<Int>, shape: [Int]) -> Matrix {
        Matrix(
            storage: storage, offset: offset + range.lowerBound, rows: shape.count > 1 ? shape[0] : 1,
            columns: shape[shape.count - 1])
    }
}
