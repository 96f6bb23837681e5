import ApusModel
public import ApusTensor

/// What a training run will hold in memory, part by part, known before anything is loaded.
///
/// The figures are upper bounds in so far as every completion is taken to reach its limit, and estimates in so far as they
/// cannot see the allocator. Lengths are in tokens, sizes in bytes.
public struct MemoryPlan: Sendable, Equatable {
    /// Bytes that this process may hold: the limit of its control group or the machine's memory, the smaller one.
    public static var processLimit: Int { ProcessMemory.limit() }

    /// One part of the whole.
    public struct Part: Sendable, Equatable {
        /// What it is, in a few words.
        public let name: String
        /// Its size.
        public let bytes: Int
        /// What decides its size.
        public let detail: String
    }

    /// Kept rows in main memory, beside a card's own.
    public struct Offloaded: Sendable, Equatable {
        /// Bytes of all rows of a generation.
        public let wanted: Int
        /// Bytes of one pass of training.
        public let least: Int
        /// Bytes that may be pinned for them on this machine, as it is now.
        public let budget: Int
    }

    /// How the run stands to the machine.
    public enum Verdict: String, Sendable {
        /// All rows of a generation stay in memory.
        case fits
        /// It runs, to the same results, but the budget does not hold a whole generation: rows are computed again.
        case fitsRecomputing = "fits_recomputing"
        /// The system would kill it, or a pass would not find its pages.
        case doesNotFit = "does_not_fit"
    }

    /// The parts, in the order in which a run takes them.
    public let parts: [Part]
    /// What the process may hold on the device: of the machine's memory, no more than its control group's limit.
    public let limit: Int
    /// What pages of keys, values and kept rows may take.
    public let pageBudget: Int
    /// What they would take if there were room for everything.
    public let wantedPages: Int
    /// What they must have for the run to work at all.
    public let leastPages: Int
    /// Kept rows in main memory; nil where they lie in pages with keys and values.
    public let offloaded: Offloaded?
    /// What the budget lacks of that.
    public var missingPages: Int { max(0, wantedPages - pageBudget) }
    /// The most that the process will hold at a time.
    public var total: Int { parts.reduce(0) { $0 + $1.bytes } }
    /// The same with the fewest pages.
    public let least: Int

    /// Whether it will run here.
    public var verdict: Verdict {
        if leastPages > pageBudget || total > limit || isShortOfMainMemory { return .doesNotFit }
        return wantedPages > pageBudget || offloaded.map { $0.wanted > $0.budget } ?? false ? .fitsRecomputing : .fits
    }

    /// Whether main memory does not even hold the rows of one pass of training.
    public var isShortOfMainMemory: Bool {
        offloaded.map { $0.least > $0.budget } ?? false
    }

    /// Whether no allowance for the estimate's error makes it run here: the least it takes is more than there is.
    public var isHopeless: Bool { least > limit }

    /// Plans a run.
    ///
    /// - Parameters:
    ///   - utilization: the share of `limit` that weights, adapter and pages may take together.
    ///   - limit: nil for what this process may hold on the device.
    ///   - backend: the device, which knows what things take on it.
    /// - Throws: `ModelError` for an impossible adapter, `TensorError` for an impossible weight.
    public init(_ run: PlannedRun, utilization: Double, limit: Int? = nil, backend: any Backend) throws {
        let limit = limit ?? backend.memoryLimit
        let sizes = RunSizes(run, backend)
        let loaded = try Self.loadedParts(run, sizes, backend)
        let held = loaded.reduce(0) { $0 + $1.bytes }
        wantedPages = sizes.pages * sizes.pageBytes
        leastPages = sizes.leastPages * sizes.pageBytes
        pageBudget = max(0, (utilization * Double(limit)).wholeNumber(in: 0...1 << 62) - held)
        let host = sizes.hostBytes
        offloaded =
            host.wanted > 0
            ? Offloaded(wanted: host.wanted, least: host.least, budget: MemoryBudget.pinnableBytes) : nil
        let pages = Part(
            name: offloaded == nil ? "keys, values, kept rows" : "keys, values",
            bytes: min(wantedPages - sizes.untouchedBytes, pageBudget),
            detail: "\(sizes.pages * KeyValueCache.pageTokens) tokens, \(sizes.tokenBytes / 1024) KiB each")
        let work = Self.workParts(run, sizes, backend)
        parts = loaded + [pages] + work
        least = held + leastPages + work.reduce(0) { $0 + $1.bytes }
        self.limit = limit
    }
}
