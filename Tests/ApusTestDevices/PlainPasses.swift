public import ApusTensor
internal import Foundation

/// Pages that exist from when they are touched, NaN until they are written.
final class PlainPages {
    private var pages: [UnsafeMutablePointer<Float>?]
    private let pageValues: Int

    init(_ count: Int, of pageValues: Int) {
        pages = Array(repeating: nil, count: count)
        self.pageValues = pageValues
    }

    deinit { for page in pages { page?.deallocate() } }

    /// What a page holds is lost.
    func discard(_ number: Int) {
        pages[number]?.deallocate()
        pages[number] = nil
    }

    func page(_ number: Int) -> UnsafeMutablePointer<Float> {
        if let page = pages[number] { return page }
        let page = UnsafeMutablePointer<Float>.allocate(capacity: max(pageValues, 1))
        page.initialize(repeating: .nan, count: pageValues)
        pages[number] = page
        return page
    }
}

/// Keys and values in fp32, [page][layer][position in the page][keys, then values].
final class PlainKeyValueCache: KeyValueCache, PlainHandle, @unchecked Sendable {
    let device: PlainMark
    fileprivate let memory: PlainPages

    init(_ shape: Shape, pages: Int, of device: PlainBackend) {
        self.device = device.mark
        memory = PlainPages(pages, of: shape.layers * shape.pageValues)
        super.init(shape: shape, pages: pages)
    }

    /// The keys of a page's first position; its values follow them.
    func page(_ number: Int, layer: Int) -> UnsafeMutablePointer<Float> {
        memory.page(number) + layer * shape.pageValues
    }

    func copy(_ source: Int, to destination: Int) {
        memory.page(destination).update(from: memory.page(source), count: shape.layers * shape.pageValues)
    }
}

/// Kept rows in fp32, [page][stream][position in the page].
final class PlainKeptRows: KeptRows, PlainHandle, @unchecked Sendable {
    let device: PlainMark
    fileprivate let memory: PlainPages

    init(_ shape: Shape, pages: Int, of device: PlainBackend) {
        self.device = device.mark
        memory = PlainPages(pages, of: shape.streams * shape.columns * KeyValueCache.pageTokens)
        super.init(shape: shape, pages: pages)
    }

    func row(_ slot: Int, stream: Int) -> UnsafeMutablePointer<Float> {
        let (page, position) = slot.quotientAndRemainder(dividingBy: KeyValueCache.pageTokens)
        return memory.page(page) + (stream * KeyValueCache.pageTokens + position) * shape.columns
    }
}

/// Cosines and sines, [position][frequency].
final class PlainRotaryTable: RotaryTable, PlainHandle, @unchecked Sendable {
    let device: PlainMark
    let cosines: [Float]
    let sines: [Float]

    init(_ frequencies: [Float], positions: Int, factor: Float, of device: PlainBackend) {
        self.device = device.mark
        let angles = (0..<positions).flatMap { position in frequencies.map { Double(Float(position) * $0) } }
        cosines = angles.map { Float(cos($0)) * factor }
        sines = angles.map { Float(sin($0)) * factor }
        super.init(positions: positions, dimensions: 2 * frequencies.count)
    }
}

/// A batch, and what it was prepared for.
final class PlainPass: Pass, PlainHandle, @unchecked Sendable {
    let device: PlainMark
    let batch: PackedBatch
    let needs: PassNeeds

    init(_ batch: PackedBatch, _ needs: PassNeeds, of device: PlainBackend) {
        self.device = device.mark
        self.batch = batch
        self.needs = needs
        super.init(batch, tokens: Indices(storage: PlainIndices(batch.tokens, of: device)))
    }

    /// What a pass writes to has memory because it was named when the pass was prepared.
    func requireNamed(_ pages: PagedMemory) {
        precondition(needs.pages.contains { $0 === pages }, "pages that the pass was not prepared for")
    }
}

extension PlainBackend {
    /// See `Backend`.
    public func makeCache(_ shape: KeyValueCache.Shape, pages: Int) throws -> KeyValueCache {
        precondition(shape.heads % shape.keyValueHeads == 0, "query heads that share no key/value head")
        return PlainKeyValueCache(shape, pages: pages, of: self)
    }

    /// See `Backend`.
    public func copyPage(_ source: Int32, to destination: Int32, of cache: KeyValueCache) {
        let cache: PlainKeyValueCache = own(cache)
        let (source, destination) = (Int(source), Int(destination))
        for page in [source, destination] { precondition(0..<cache.pages ~= page, "no page \(page)") }
        enqueue { cache.copy(source, to: destination) }
    }

    /// See `Backend`.
    public func discardPages(_ pages: [Int32], of memories: [PagedMemory]) {
        for memory in memories.map({ ($0 as? PlainKeyValueCache)?.memory ?? own($0, as: PlainKeptRows.self).memory }) {
            for page in pages { enqueue { memory.discard(Int(page)) } }
        }
    }

    /// See `Backend`.
    public func makeKeptRows(_ shape: KeptRows.Shape, pages: Int) throws -> KeptRows {
        PlainKeptRows(shape, pages: pages, of: self)
    }

    /// See `Backend`.
    public func makeRotaryTable(inverseFrequencies: [Float], positions: Int, factor: Float) throws -> RotaryTable {
        PlainRotaryTable(inverseFrequencies, positions: positions, factor: factor, of: self)
    }

    /// See `Backend`.
    public func prepare(_ batch: PackedBatch, for needs: PassNeeds) throws -> Pass {
        batch.requireWhole()
        if needs.isTraining { batch.requireSegments() }
        if let head = needs.head { preparedHead = (head.weight.inputs, head.weight.outputs) }
        return PlainPass(batch, needs, of: self)
    }
}

extension PackedBatch {
    /// Every row has its place, and the pages that it sees.
    fileprivate func requireWhole() {
        let counts = [positions.count, slots.count, visible.tableOffsets.count, visible.contexts.count]
        precondition(counts.allSatisfy { $0 == rows }, "one of each for every row")
        precondition(writeRows.count == writeSlots.count, "one slot for every row that is written")
        precondition(writeRows.allSatisfy { 0..<rows ~= Int($0) }, "a row that there is not is written")
        precondition((slots + writeSlots).allSatisfy { $0 >= 0 }, "a slot below 0")
        for row in 0..<rows {
            let context = Int(visible.contexts[row])
            precondition(context == Int(positions[row]) + 1, "a row sees its own key and those before it")
            let pages = (context + KeyValueCache.pageTokens - 1) / KeyValueCache.pageTokens
            precondition(Int(visible.tableOffsets[row]) + pages <= visible.tables.count, "a row's pages have no number")
            let (page, place) = Int(positions[row]).quotientAndRemainder(dividingBy: KeyValueCache.pageTokens)
            let own = Int(visible.tables[Int(visible.tableOffsets[row]) + page]) * KeyValueCache.pageTokens + place
            precondition(Int(slots[row]) == own, "a row does not see its own slot")
        }
    }

    /// Segments hold all rows in order, and come after the prompts that they continue.
    fileprivate func requireSegments() {
        var row = 0
        for segment in segments {
            precondition(segment.firstRow == row, "segments leave out rows")
            for index in 0..<segment.rows {
                precondition(Int(positions[row + index]) == segment.firstPosition + index, "a segment has gaps")
                precondition(Int(visible.tableOffsets[row + index]) == segment.tableOffset, "a segment of two tables")
            }
            row += segment.rows
            guard let parent = segment.parentFirstRow else { continue }
            precondition(parent + segment.firstPosition <= segment.firstRow, "a completion's prompt comes before it")
        }
        precondition(row == rows, "segments leave out rows")
    }
}
