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
    func embed(_ tokens: [Int32], _ pass: Pass, into x: Matrix, backend: any Backend) throws {
        switch self {
        case .shared(let table), .own(let table): backend.embed(pass.tokens, table: table, into: x)
        case .file(let checkpoint): backend.upload(try checkpoint.embeddings(of: tokens, width: x.columns), to: x)
        }
    }
}

extension Checkpoint {
    /// The rows of the table for some tokens, of which each is read once.
    ///
    /// The pages that they lie in go again: around each row the system maps sixteen, and over a run they would add up.
    fileprivate func embeddings(of tokens: [Int32], width: Int) throws -> [Float] {
        defer { discardPages(of: .embedding) }
        var values = [Float](repeating: 0, count: tokens.count * width)
        var firstPlaces: [Int32: Int] = [:]
        for (place, token) in tokens.enumerated() {
            let row = place * width..<(place + 1) * width
            if let first = firstPlaces[token] {
                values.replaceSubrange(row, with: values[first * width..<(first + 1) * width])
                continue
            }
            firstPlaces[token] = place
            try values.withUnsafeMutableBufferPointer { values in
                try read(
                    .embedding, rows: Int(token)..<Int(token) + 1,
                    into: UnsafeMutableBufferPointer(rebasing: values[row]))
            }
        }
        return values
    }
}
