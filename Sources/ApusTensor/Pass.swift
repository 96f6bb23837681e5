/// A batch that is ready to be computed: the backend that prepared it holds what its rows are looked up by, and has made room
/// for everything that its operations need in between.
///
/// `@unchecked Sendable`: the numeric core that uses it is owned by one thread at a time.
open class Pass: @unchecked Sendable {
    /// How many rows there are.
    public let rows: Int
    /// Keys that the row that sees most sees.
    public let maxContext: Int
    /// The token of each row.
    public let tokens: Indices

    /// For backends.
    public init(_ batch: PackedBatch, tokens: Indices) {
        rows = batch.rows
        maxContext = batch.maxContext
        self.tokens = tokens
    }
}

/// What a pass has to make room for.
public struct PassNeeds: Sendable {
    /// The keys and values that it writes and sees.
    public var cache: KeyValueCache.Shape
    /// Values in the widest row that enters or leaves a product.
    public var width: Int
    /// What it writes in pages, and what rows it recalls from them: keys and values, kept rows. They have memory for its rows
    /// when it is prepared.
    public var pages: [PagedMemory]
    /// The head that its rows are scored by without whole rows of logits; nil where nothing is scored so.
    public var head: OutputHead?
    /// Whether a backward pass follows.
    public var isTraining: Bool

    /// The needs of a pass.
    public init(
        cache: KeyValueCache.Shape, width: Int, pages: [PagedMemory] = [], head: OutputHead? = nil,
        isTraining: Bool = false
    ) {
        self.cache = cache
        self.width = width
        self.pages = pages
        self.head = head
        self.isTraining = isTraining
    }
}
