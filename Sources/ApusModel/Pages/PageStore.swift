package import ApusTensor

/// The page numbers of a group: of its prompt, and of each completion from the prompt's first page on.
struct GroupTables {
    var prompt: [Int32] = []
    var completions: [[Int32]] = []

    var all: [Int32] { prompt + completions.joined() }
}

/// The pages that sampler and trainer share: keys, values and, for training, layer inputs of every position.
///
/// It knows who owns which page (``PageOwners``), where their memory is (``PageMemory``), and which rollouts are kept
/// (``KeptRollouts``). Not thread-safe; owned by the thread of the numeric core.
package final class PageStore {
    /// Bytes that the pages may take of the device.
    package let budgetBytes: Int
    /// Bytes of the host that they may take, where they hold fewer pages than those of the device.
    private let scarceHostBytes: Int?
    /// Rollouts whose pages are kept for training; they are the first to go when pages run out.
    private(set) var kept: KeptRollouts?
    private var owners: PageOwners
    private var memory: PageMemory

    /// A store for one model.
    ///
    /// - Parameters:
    ///   - contents: what a training pass, if one uses the pages, will find in them.
    ///   - budget: nil for the default share of the device's memory.
    ///   - hostBytes: what layer inputs may take of the host, where they lie there; nil for a share of what is free.
    ///   - pages: as many pages as this, whatever the budget.
    package init(
        model: LanguageModel, contents: PageContents, budget: MemoryBudget? = nil, hostBytes: Int? = nil,
        pages: Int? = nil
    ) {
        memory = PageMemory(model: model, contents: contents)
        let pageBytes = memory.keyValueBytes + memory.inputBytes
        budgetBytes = pages.map { $0 * pageBytes } ?? (budget ?? MemoryBudget()).bytes(on: model.backend)
        var count = min(budgetBytes / pageBytes, model.cacheShape.pageLimit)
        let hostBytes = memory.hostBytes > 0 && pages == nil ? hostBytes ?? MemoryBudget.pinnableBytes : nil
        if let hostBytes, hostBytes / memory.hostBytes < count {
            count = hostBytes / memory.hostBytes
            scarceHostBytes = hostBytes
        } else {
            scarceHostBytes = nil
        }
        owners = PageOwners(count: count)
    }

    // MARK: Memory

    /// What pages have room for.
    package var contents: PageContents { memory.contents }

    /// Bytes of keys and values in a page.
    package var keyValueBytes: Int { memory.keyValueBytes }

    /// Bytes of layer inputs and activations in a page.
    package var inputBytes: Int { memory.inputBytes }

    /// Bytes of layer inputs that a page has in main memory, beside a device's.
    package var hostBytes: Int { memory.hostBytes }

    /// Keys and values.
    ///
    /// - Throws: `TensorError` when the system refuses the reservation.
    package func cache() throws -> KeyValueCache { try memory.reserve(pages: pageCount).cache }

    /// Layer inputs; nil in a store without.
    ///
    /// - Throws: `TensorError` when the system refuses the reservation.
    package func inputs() throws -> LayerInputs? { try memory.reserve(pages: pageCount).inputs }

    // MARK: Pages

    /// Pages that the budget holds.
    package var pageCount: Int { owners.count }

    /// Pages that nobody owns and that there is memory for: on a device with a memory of its own passes work in it too.
    package var available: Int { min(owners.available, memory.available) }

    /// Pages for a number of positions.
    package static func pages(for positions: Int) -> Int {
        (positions + KeyValueCache.pageTokens - 1) / KeyValueCache.pageTokens
    }

    /// Takes pages that are available.
    package func take(_ count: Int) -> [Int32] { owners.take(count) }

    /// Adds an owner to each page of a table.
    package func retain(_ table: [Int32]) { owners.retain(table) }

    /// Takes an owner from each page of a table.
    package func release(_ table: [Int32]) { memory.discard(owners.release(table)) }

    /// Copies what a page holds for attention.
    ///
    /// - Throws: `TensorError` when the system refuses the reservation, or the device has no memory for the copy.
    package func copyKeysAndValues(from source: Int32, to destination: Int32) throws {
        try memory.model.backend.copyPage(source, to: destination, of: try cache())
    }

    /// Takes the pages of whole groups: pages that the prompt fills are shared, a completion's last token has no row.
    ///
    /// - Throws: `MemoryShortage` when they are more than the budget holds.
    func takeTables(for groups: [TokenGroup]) throws -> [GroupTables] {
        let size = KeyValueCache.pageTokens
        func own(_ prompt: Int, _ completion: [Int32]) -> Int {
            completion.count > 1 ? Self.pages(for: prompt + completion.count - 1) - prompt / size : 0
        }
        let wanted = groups.reduce(0) { sum, group in
            group.completions.reduce(sum + Self.pages(for: group.prompt.count)) { $0 + own(group.prompt.count, $1) }
        }
        if available < wanted { dropKept() }
        guard available >= wanted else {
            throw shortage(of: wanted, for: .trainingPass)
        }
        return groups.map { group in
            var tables = GroupTables(prompt: take(Self.pages(for: group.prompt.count)))
            for completion in group.completions {
                let count = own(group.prompt.count, completion)
                let shared = count > 0 ? Array(tables.prompt[..<(group.prompt.count / size)]) : []
                retain(shared)
                tables.completions.append(shared + take(count))
            }
            return tables
        }
    }

    /// The error of a piece of work that needs more pages than there are.
    package func shortage(of pages: Int, for work: MemoryShortage.Work) -> MemoryShortage {
        if let scarceHostBytes {
            return MemoryShortage(
                work: work, wanted: pages * memory.hostBytes, found: scarceHostBytes, isOfHost: true)
        }
        let pageBytes = keyValueBytes + inputBytes
        // A device's memory may hold less than the budget.
        let missing = owners.available - available
        let found = missing > 0 ? (pageCount - missing) * pageBytes : budgetBytes
        return MemoryShortage(work: work, wanted: pages * pageBytes, found: found)
    }

    // MARK: Kept rollouts

    /// Lets kept rollouts go and starts to keep those of a generation under these weights and this temperature.
    /// - Parameter keepsEarlier: whether those that were made so already stay.
    package func startKeeping(adapter: LoRAAdapter?, temperature: Float, keepsEarlier: Bool = false) {
        precondition(contents != .keysAndValues, "rows are kept for their layer inputs")
        if keepsEarlier, let kept, kept.isMade(by: adapter), kept.temperature == temperature { return }
        dropKept()
        kept = KeptRollouts(adapter: adapter, temperature: temperature)
    }

    /// Lets all kept rollouts go; nothing more is kept until the next start.
    package func dropKept() {
        guard let kept else { return }
        release(kept.pages)
        self.kept = nil
    }

    /// Whether rollouts are kept now.
    package var isKeeping: Bool { kept != nil }

    /// Keeps a prompt's rows.
    package func keep(prompt: [Int32], table: [Int32]) {
        if kept?.add(prompt: prompt, table: table) == true { retain(table) }
    }

    /// Keeps the rows of a completion of a kept prompt, and what the sampler said of its tokens.
    package func keep(completion tokens: [Int32], of prompt: [Int32], table: [Int32], scores: [HeadScore]) {
        if kept?.add(completion: tokens, of: prompt, table: table, scores: scores) == true { retain(table) }
    }

    /// Where all of these groups' rows are, and the scores of their tokens; nil when one is missing or made by other weights.
    func keptRows(
        of groups: [TokenGroup], adapter: LoRAAdapter?, temperature: Float
    ) -> (tables: [GroupTables], scores: [HeadScore])? {
        guard let kept else { return nil }
        guard kept.isMade(by: adapter) else {
            // Weights never come back: the pages are of better use to a forward pass.
            dropKept()
            return nil
        }
        return kept.temperature == temperature ? kept.rows(of: groups) : nil
    }
}
