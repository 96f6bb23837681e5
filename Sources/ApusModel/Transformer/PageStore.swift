package import ApusTensor

/// The page numbers of a group: of its prompt, and of each completion from the prompt's first page on.
struct GroupTables {
    var prompt: [Int32] = []
    var completions: [[Int32]] = []

    var all: [Int32] { prompt + completions.joined() }
}

/// What pages hold of each position.
package enum PageContents: Sendable {
    /// Keys and values: what sampling needs.
    case keysAndValues
    /// With them the inputs of each layer: what a backward pass starts from, computing the inside of layers again.
    case layerInputs
    /// With them what the inside of each layer computed, for a backward pass that computes little again.
    case activations
}

/// The pages that sampler and trainer share: keys, values and, for training, layer inputs of every position.
///
/// A page has as many owners as tables that name it, and is free when the last one lets it go. Room is reserved for the
/// whole budget; memory is taken only when a page is written. Not thread-safe; owned by the thread of the numeric core.
package final class PageStore {
    /// What the pages may take.
    package let budget: MemoryBudget
    /// What pages have room for.
    package let contents: PageContents
    /// Pages that the budget holds.
    package let pageCount: Int
    /// Rollouts whose pages are kept for training; they are the first to go when pages run out.
    private(set) var kept: KeptRollouts?
    private let model: LanguageModel
    private var storage: (cache: KeyValueCache, inputs: LayerInputs?)?
    private var owners: [Int32] = []
    private var free: [Int32] = []

    /// A store for one model.
    ///
    /// - Parameters:
    ///   - contents: what a training pass, if one uses the pages, will find in them.
    ///   - budget: nil for the default share of this machine's memory.
    ///   - pages: as many pages as this, whatever the budget.
    package init(model: LanguageModel, contents: PageContents, budget: MemoryBudget? = nil, pages: Int? = nil) {
        self.model = model
        self.contents = contents
        let pageBytes = model.cacheShape.pageBytes + Self.inputBytes(model, contents)
        let budget = pages.map { MemoryBudget(bytes: $0 * pageBytes) } ?? budget ?? MemoryBudget()
        self.budget = budget
        pageCount = min(budget.bytes / pageBytes, model.cacheShape.pageLimit)
    }

    // MARK: Memory

    /// Bytes of keys and values in a page.
    package var keyValueBytes: Int { model.cacheShape.pageBytes }

    /// Bytes of layer inputs and activations in a page.
    package var inputBytes: Int { Self.inputBytes(model, contents) }

    private static func inputBytes(_ model: LanguageModel, _ contents: PageContents) -> Int {
        guard contents != .keysAndValues else { return 0 }
        return LayerInputs.tokenBytes(model.configuration, model.precision, activations: contents == .activations)
            * KeyValueCache.pageTokens
    }

    /// Keys and values.
    ///
    /// - Throws: `TensorError` when the system refuses the reservation.
    package func cache() throws -> KeyValueCache { try reserve().cache }

    /// Layer inputs; nil in a store without.
    ///
    /// - Throws: `TensorError` when the system refuses the reservation.
    package func inputs() throws -> LayerInputs? { try reserve().inputs }

    private func reserve() throws -> (cache: KeyValueCache, inputs: LayerInputs?) {
        if let storage { return storage }
        let made = (
            cache: try KeyValueCache(shape: model.cacheShape, pages: pageCount),
            inputs: contents == .keysAndValues
                ? nil
                : try LayerInputs(
                    model.configuration, model.precision, pages: pageCount, activations: contents == .activations)
        )
        storage = made
        return made
    }

    // MARK: Pages

    /// Pages that nobody owns.
    package var available: Int { free.count + pageCount - owners.count }

    /// Pages for a number of positions.
    package static func pages(for positions: Int) -> Int {
        (positions + KeyValueCache.pageTokens - 1) / KeyValueCache.pageTokens
    }

    /// Takes pages that are available. Used ones come first: their memory is there.
    package func take(_ count: Int) -> [Int32] {
        precondition(count <= available, "more pages than are available")
        let layers = Int32(model.cacheShape.layers)
        return (0..<count).map { _ in
            guard let page = free.popLast() else {
                owners.append(1)
                return Int32(owners.count - 1) * layers
            }
            owners[index(page)] = 1
            return page
        }
    }

    /// Adds an owner to each page of a table.
    package func retain(_ table: [Int32]) {
        for page in table { owners[index(page)] += 1 }
    }

    /// Takes an owner from each page of a table.
    package func release(_ table: [Int32]) {
        for page in table {
            owners[index(page)] -= 1
            precondition(owners[index(page)] >= 0, "a page released too often")
            if owners[index(page)] == 0 { free.append(page) }
        }
    }

    private func index(_ page: Int32) -> Int { Int(page) / model.cacheShape.layers }

    /// Copies what a page holds for attention.
    ///
    /// - Throws: `TensorError` when the system refuses the reservation.
    package func copyKeysAndValues(from source: Int32, to destination: Int32) throws {
        let cache = try cache()
        model.backend.copy(cache.page(source), into: cache.page(destination))
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
            throw shortage(
                of: wanted, for: "the rows of one pass of training",
                advice: "lower per_device_train_batch_size or raise memory_utilization")
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
    package func shortage(of pages: Int, for purpose: String, advice: String) -> MemoryShortage {
        MemoryShortage(
            purpose: purpose, wanted: pages * (keyValueBytes + inputBytes), found: budget.bytes, advice: advice)
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
