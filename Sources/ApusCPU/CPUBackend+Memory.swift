public import ApusTensor
internal import CKernels

/// Memory, and what passes find in it.
extension CPUBackend {
    /// See `Backend`.
    public func makeMatrix(rows: Int, columns: Int) throws -> Matrix {
        try Matrix(rows: rows, columns: columns)
    }

    /// See `Backend`.
    public func makeIndices(_ numbers: [Int32]) throws -> Indices { Indices(storage: CPUIndices(numbers: numbers)) }

    /// See `Backend`.
    public func upload(_ values: [Float], to matrix: Matrix) {
        precondition(values.count == matrix.count, "wrong number of values")
        values.withUnsafeBufferPointer { values in
            if let from = values.baseAddress { matrix.pointer.update(from: from, count: values.count) }
        }
    }

    /// See `Backend`.
    public func download(_ matrix: Matrix) -> [Float] {
        [Float](UnsafeBufferPointer(start: matrix.pointer, count: matrix.count))
    }

    /// See `Backend`.
    public func fill(_ x: Matrix, with value: Float) { x.pointer.update(repeating: value, count: x.count) }

    /// See `Backend`.
    public func copy(_ source: Matrix, into destination: Matrix) {
        precondition(source.rows == destination.rows && source.columns == destination.columns, "shapes differ")
        destination.pointer.update(from: source.pointer, count: source.rows * source.columns)
    }

    /// See `Backend`.
    public func makeCache(_ shape: KeyValueCache.Shape, pages: Int) throws -> KeyValueCache {
        try CPUKeyValueCache(shape, pages: pages)
    }

    /// See `Backend`.
    public func pageBytes(_ shape: KeyValueCache.Shape) -> Int { shape.pageBytes }

    /// See `Backend`.
    public func copyPage(_ source: Int32, to destination: Int32, of cache: KeyValueCache) {
        cache.cpu.copy(source, to: destination)
    }

    /// See `Backend`.
    public func makeKeptRows(_ shape: KeptRows.Shape, pages: Int) throws -> KeptRows {
        try CPUKeptRows(shape, pages: pages)
    }

    /// See `Backend`.
    public func positionBytes(_ shape: KeptRows.Shape) -> Int {
        let row = shape.isExact ? 4 * shape.columns : 2 * shape.columns + 4 * CPUKeptRows.blocks(shape.columns)
        return shape.streams * row
    }

    /// See `Backend`.
    public func makeRotaryTable(inverseFrequencies: [Float], positions: Int, factor: Float) throws -> RotaryTable {
        let values = RotaryTable.values(inverseFrequencies: inverseFrequencies, positions: positions, factor: factor)
        let columns = inverseFrequencies.count
        return CPURotaryTable(
            try makeMatrix(values.cosines, rows: positions, columns: columns),
            try makeMatrix(values.sines, rows: positions, columns: columns))
    }

    /// See `Backend`.
    public func prepare(_ batch: PackedBatch, for needs: PassNeeds) throws -> Pass {
        let pass = CPUPass(batch, needs)
        try reserveScratch(attentionScratch(needs.cache, maxContext: batch.maxContext))
        try prepareProducts(rows: batch.rows, width: needs.width)
        if needs.isTraining { try reservePrefix(pass.prefixCount) }
        if let head = needs.head { try reserveHead(head.weight.cpu) }
        return pass
    }
}
