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

    /// The values of both moments.
    var moments: (firstMoment: [Float], secondMoment: [Float]) {
        get { (firstMoment.values, secondMoment.values) }
        nonmutating set {
            firstMoment.values = newValue.firstMoment
            secondMoment.values = newValue.secondMoment
        }
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
