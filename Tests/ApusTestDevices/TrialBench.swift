internal import ApusTensor

/// Where operations of one device are tried: inputs that are the same on every device, and what came out.
final class TrialBench {
    /// A result and the operation that gave it.
    struct Finding {
        let operation: String
        let result: TrialResult
    }

    let device: any Backend
    private let random = Philox(seed: 20)
    /// Draws so far: each has its own numbers, whatever the device.
    private var draws: UInt32 = 0
    private var notes: [(operation: String, read: () throws -> TrialResult)] = []

    init(_ device: any Backend) { self.device = device }

    // MARK: Inputs

    /// Random numbers between -size and size.
    func values(_ count: Int, size: Float = 1) -> [Float] {
        draws += 1
        return (0..<count).map { i in
            let bits = random.words(UInt32(truncatingIfNeeded: i), draws, 0, 0).0
            return (Float(bits >> 8) * 0x1p-23 - 1) * size
        }
    }

    /// Random whole numbers.
    func numbers(_ count: Int, below limit: Int) -> [Int32] {
        draws += 1
        return (0..<count).map { i in
            Int32(random.words(UInt32(truncatingIfNeeded: i), draws, 0, 0).0 % UInt32(limit))
        }
    }

    /// The same on the device.
    func indices(_ count: Int, below limit: Int) throws -> Indices {
        try device.makeIndices(numbers(count, below: limit))
    }

    /// A matrix of random numbers.
    func matrix(_ rows: Int, _ columns: Int, size: Float = 1) throws -> Matrix {
        try device.makeMatrix(values(rows * columns, size: size), rows: rows, columns: columns)
    }

    /// A matrix that is to be written: no number in it.
    func room(_ rows: Int, _ columns: Int) throws -> Matrix {
        let matrix = try device.makeMatrix(rows: rows, columns: columns)
        device.fill(matrix, with: .nan)
        return matrix
    }

    /// A weight of given values.
    func weight(_ format: WeightFormat, _ values: [Float], outputs: Int, inputs: Int) throws -> Weight {
        try device.makeWeight(format, outputs: outputs, inputs: inputs) { range, rows in
            _ = rows.update(from: values[range.lowerBound * inputs..<range.upperBound * inputs])
        }
    }

    /// A weight of random numbers.
    func weight(_ format: WeightFormat, outputs: Int, inputs: Int, size: Float = 1) throws -> Weight {
        try weight(format, values(outputs * inputs, size: size), outputs: outputs, inputs: inputs)
    }

    /// An adapter beside a weight.
    func adapter(beside base: Weight, rank: Int, scale: Float) throws -> LowRank {
        let (a, b) = (try matrix(rank, base.inputs, size: 0.3), try matrix(base.outputs, rank, size: 0.3))
        let pair = LowRank(
            a: try device.makeAdapterWeight(outputs: rank, inputs: base.inputs, beside: base.format),
            b: try device.makeAdapterWeight(outputs: base.outputs, inputs: rank, beside: base.format))
        device.repack([Repacking(pair.a, from: a), Repacking(pair.b, from: b, scale: scale)])
        return pair
    }

    /// Prepares a pass over one sequence.
    @discardableResult
    func prepare(
        rows: Int, width: Int, pages: [PagedMemory] = [], head: OutputHead? = nil, isTraining: Bool = false
    ) throws -> Pass {
        let shape = KeyValueCache.Shape(layers: 1, heads: 1, keyValueHeads: 1, headSize: 16, format: .f32)
        let needs = PassNeeds(cache: shape, width: width, pages: pages, head: head, isTraining: isTraining)
        return try device.prepare(TokenTrees([TokenTree(prompt: rows)]).batch, for: needs)
    }

    // MARK: Results

    /// Notes what an operation wrote; it is read when all operations have been called, so nothing may write there again.
    func note(_ operation: String, _ matrices: Matrix...) {
        let device = device
        for matrix in matrices {
            notes.append((operation, { .values(try device.download(matrix).map(Double.init)) }))
        }
    }

    /// Notes what an operation gave the host.
    func note(_ operation: String, _ result: TrialResult) { notes.append((operation, { result })) }

    /// All results, in the order of the notes.
    func findings() throws -> [Finding] {
        try notes.map { Finding(operation: $0.operation, result: try $0.read()) }
    }
}

/// A prompt and what continues it.
struct TokenTree {
    var prompt: Int
    var completions: [Int] = []
}

/// Prompts and their completions in pages, whole pages of a prompt shared, as one batch; and the rows that come next.
struct TokenTrees {
    /// Enough for every trial.
    static let pages = 100

    private(set) var batch = PackedBatch()
    /// One more row for every sequence, in the pages of the others.
    private(set) var next = PackedBatch()
    // Descending: neighbours of a table are not neighbours in memory.
    private var freePage = Int32(Self.pages)

    init(_ trees: [TokenTree]) { for tree in trees { append(tree) } }

    private mutating func append(_ tree: TokenTree) {
        let (size, firstRow) = (KeyValueCache.pageTokens, batch.rows)
        let table = takePages(tree.prompt / size + 1)
        append(tree.prompt, after: 0, table: table, parentFirstRow: nil)
        for count in tree.completions {
            let shared = table[..<(tree.prompt / size)]
            let own = takePages((tree.prompt + count) / size + 1 - shared.count)
            let offset = append(
                count, after: tree.prompt, table: shared + own, parentFirstRow: tree.prompt > 0 ? firstRow : nil)
            batch.copyTail(promptFirstRow: firstRow, promptCount: tree.prompt, tableOffset: offset)
        }
    }

    @discardableResult
    private mutating func append(_ count: Int, after first: Int, table: [Int32], parentFirstRow: Int?) -> Int {
        let tokens = [Int32](repeating: 0, count: count)
        let offset = batch.append(table: table)
        if count > 0 {
            batch.append(tokens[...], firstPosition: first, tableOffset: offset, parentFirstRow: parentFirstRow)
        }
        let nextOffset = next.append(table: table)
        next.append([0], firstPosition: first + count, tableOffset: nextOffset, parentFirstRow: nil)
        return offset
    }

    private mutating func takePages(_ count: Int) -> [Int32] {
        (0..<count).map { _ in
            freePage -= 1
            return freePage
        }
    }
}
