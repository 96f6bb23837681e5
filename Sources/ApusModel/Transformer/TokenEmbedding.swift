internal import ApusFormats
internal import ApusTensor

/// What turns tokens into the first residual stream.
enum TokenEmbedding: Sendable {
    /// A packed table, which the head reads too.
    case shared(Weight)
    /// A packed table of its own, which moves in training.
    case own(Weight)
    /// A table of its own stays in the file: a step looks up a few of its rows. In a small model with a large vocabulary the
    /// table is half of all weights.
    case file(Checkpoint)

    /// x[i] = the table's row tokens[i].
    ///
    /// - Throws: `FormatError` when a row in the file holds NaN or infinity; `TensorError` without memory.
    func embed(_ tokens: [Int32], into x: Matrix, backend: any Backend) throws {
        switch self {
        case .shared(let table), .own(let table): backend.embed(tokens, table: table, into: x)
        case .file(let checkpoint):
            let distinct = Set(tokens).sorted()
            let width = x.columns
            let rows = try backend.makeWeight(.f32, outputs: distinct.count, inputs: width) {
                (range, values) throws(FormatError) in
                for (place, row) in range.enumerated() {
                    let token = Int(distinct[row])
                    let part = UnsafeMutableBufferPointer(rebasing: values[place * width..<(place + 1) * width])
                    try checkpoint.read(.embedding, rows: token..<token + 1, into: part)
                }
            }
            let place = Dictionary(uniqueKeysWithValues: zip(distinct, Int32(0)...))
            backend.embed(tokens.compactMap { place[$0] }, table: rows, into: x)
        }
    }
}
