public import ApusTensor
internal import CCUDA

extension CUDABackend {
    /// See `Backend`.
    public var memoryLimit: Int { device.memory }

    /// See `Backend`.
    public var isProcessMemory: Bool { false }

    /// See `Backend`.
    public func spareMemory(utilization: Double) -> Int {
        let share = (utilization * Double(device.memory)).wholeNumber(in: 0...1 << 60)
        return min(share, memory.limit) - memory.used
    }

    /// See `Backend`. So many rows that a weight is worth unpacking for them, of models of any size.
    public var bytesAtATime: Int { 256 << 20 }

    /// See `Backend`.
    public func availablePages(of memories: [PagedMemory], pageBytes: Int) -> Int {
        (memories.map(\.room.empty).min() ?? 0) + max(0, memory.roomForPages) / max(pageBytes, 1)
    }

    // MARK: Pages

    /// See `Backend`.
    public func discardPages(_ pages: [Int32], of memories: [PagedMemory]) {
        for room in memories.map(\.room) { for page in pages { room.discard(Int(page)) } }
    }

    /// See `Backend`.
    public func makeCache(_ shape: KeyValueCache.Shape, pages: Int) throws -> KeyValueCache {
        try CUDAKeyValueCache(shape, pages: pages, in: memory)
    }

    /// See `Backend`.
    public func pageBytes(_ shape: KeyValueCache.Shape) -> Int { CUDAKeyValueCache.pageBytes(shape) }

    /// See `Backend`.
    public func copyPage(_ source: Int32, to destination: Int32, of cache: KeyValueCache) throws {
        precondition(max(source, destination) < cache.pages, "no such page")
        try cache.cuda.storage.fill(Int(destination))
        let bytes = pageBytes(cache.shape)
        func address(_ page: Int32) -> CUdeviceptr { cache.cuda.base + CUdeviceptr(Int(page) * bytes) }
        copy(address(source), to: address(destination), bytes: bytes)
    }

    /// See `Backend`.
    public func makeKeptRows(_ shape: KeptRows.Shape, pages: Int) throws -> KeptRows {
        if liesOnHost(shape), rowFetch == nil { rowFetch = try RowFetch(beside: queue, memory, context) }
        return try CUDAKeptRows(shape, pages: pages, in: memory, context, queue)
    }

    /// See `Backend`.
    public func positionBytes(_ shape: KeptRows.Shape) -> Int {
        liesOnHost(shape) ? 0 : CUDAKeptRows.positionBytes(shape)
    }

    /// See `Backend`.
    public func hostBytes(_ shape: KeptRows.Shape) -> Int {
        liesOnHost(shape) ? CUDAKeptRows.positionBytes(shape) : 0
    }

    private func liesOnHost(_ shape: KeptRows.Shape) -> Bool { CUDAKeptRows.liesOnHost(shape, beside: device) }

    /// See `Backend`.
    public func makeRotaryTable(inverseFrequencies: [Float], positions: Int, factor: Float) throws -> RotaryTable {
        let values = RotaryTable.values(inverseFrequencies: inverseFrequencies, positions: positions, factor: factor)
        let columns = inverseFrequencies.count
        return CUDARotaryTable(
            try makeMatrix(values.cosines, rows: positions, columns: columns),
            try makeMatrix(values.sines, rows: positions, columns: columns))
    }
}
