internal import ApusTensor

/// Trained parameters with their gradients and AdamW's moments, each one flat fp32 buffer.
struct ParameterBuffers {
    let parameters: Matrix
    let gradients: Matrix
    let firstMoment: Matrix
    let secondMoment: Matrix

    /// Zeros.
    init(count: Int) throws {
        parameters = try Matrix(rows: 1, columns: count)
        gradients = try Matrix(rows: 1, columns: count)
        firstMoment = try Matrix(rows: 1, columns: count)
        secondMoment = try Matrix(rows: 1, columns: count)
    }

    /// One tensor's part of the parameters.
    func values(of tensor: ParameterTensor) -> [Float] { parameters.tensor(tensor.range, shape: tensor.shape).values }

    /// One tensor's part of a moment.
    func moment(_ moment: AdamWMoment, of tensor: ParameterTensor) -> Matrix {
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
