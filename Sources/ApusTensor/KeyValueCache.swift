internal import CKernels
internal import Foundation

/// Keys and values of all layers in pages of 16 positions; which sequence owns a page is the caller's business.
///
/// What one page holds for all layers lies together, so that memory is touched page by page. A page's number counts
/// in pages of one layer: the n-th page has the number n · layers, in tables and in slots.
public final class KeyValueCache: Sendable {
    /// Positions in a page.
    public static let pageTokens = Int(APUS_PAGE_TOKENS)

    /// How a page holds keys and values.
    public enum Format: Sendable {
        /// fp32: for the reference, whose results other programs' fp32 results are compared with.
        case f32
        /// Integers of 16 bits with scales: half the memory and half of what a step of decoding reads, to about 1e-4 of
        /// the largest of 32 values.
        case fixed
    }

    /// What decides a page's layout.
    public struct Shape: Sendable, Equatable {
        /// Layers.
        public let layers: Int
        /// Query heads.
        public let heads: Int
        /// Key/value heads.
        public let keyValueHeads: Int
        /// Width of a head.
        public let headSize: Int
        /// How keys and values are held.
        public let format: Format

        /// A shape.
        public init(layers: Int, heads: Int, keyValueHeads: Int, headSize: Int, format: Format) {
            self.layers = layers
            self.heads = heads
            self.keyValueHeads = keyValueHeads
            self.headSize = headSize
            self.format = format
        }

        /// Bytes of one page over all layers.
        public var pageBytes: Int { layers * layerFloats * MemoryLayout<Float>.stride }

        /// What one layer takes of a page, in units of four bytes.
        var layerFloats: Int {
            let record = apus_page_bytes(Int32(headSize), format == .fixed ? 1 : 0)
            return keyValueHeads * Int(record) / MemoryLayout<Float>.stride
        }

        /// The kernels' view of the pages that begin at `base`; without one, of their sizes.
        ///
        /// - Parameter rule: what they are read by; nil where they are only written.
        func pages(at base: UnsafeMutablePointer<Float>?, _ rule: AttentionRule? = nil) -> apus_pages {
            apus_pages(
                base: base, fixed: format == .fixed ? 1 : 0, heads: Int32(heads), kv_heads: Int32(keyValueHeads),
                head_size: Int32(headSize), scale: rule?.scale ?? 1, soft_cap: rule?.softCap ?? 0,
                window: Int32(clamping: rule?.window ?? 0))
        }

        /// The most pages whose slots have a 32-bit number.
        public var pageLimit: Int { Int(Int32.max) / (layers * KeyValueCache.pageTokens) }
    }

    /// The layout.
    public let shape: Shape
    /// Number of pages.
    public let pages: Int
    // Of a page's layers, and of a layer's heads, what is read together lies together.
    private let storage: Storage

    /// Reserves `pages` pages for every layer; memory is touched only when a page is written.
    ///
    /// - Throws: `TensorError` when the system refuses the reservation.
    public init(shape: Shape, pages: Int) throws(TensorError) {
        precondition(pages <= shape.pageLimit, "more pages than have a number")
        self.shape = shape
        self.pages = pages
        storage = try Storage(count: pages * shape.layers * shape.layerFloats)
    }

    func layer(_ layer: Int, _ rule: AttentionRule? = nil) -> apus_pages {
        precondition(layer < shape.layers, "no such layer")
        return shape.pages(at: storage.base + layer * shape.layerFloats, rule)
    }

    /// One page over all layers, to be copied: words of four bytes, whatever they mean.
    public func page(_ number: Int32) -> Matrix {
        Matrix(
            storage: storage, offset: Int(number) * shape.layerFloats, rows: shape.layers, columns: shape.layerFloats)
    }
}

/// How a layer's queries meet its keys.
public struct AttentionRule: Sendable, Equatable {
    /// What q · k is multiplied by.
    public var scale: Float
    /// Scores s become c · tanh(s / c) (Gemma 2); nil for as they are.
    public var softCap: Float?
    /// A query sees this many keys, its own and those before it; nil for all.
    public var window: Int?

    /// A rule.
    public init(scale: Float, softCap: Float? = nil, window: Int? = nil) {
        self.scale = scale
        self.softCap = softCap
        self.window = window
    }
}

/// What each query row sees: keys 0 ..< contexts[row] of the sequence whose page numbers begin at
/// tables[tableOffsets[row]].
public struct Visibility: Sendable {
    /// Page numbers of all sequences, one after the other.
    public var tables: [Int32]
    /// Start of each row's sequence in `tables`.
    public var tableOffsets: [Int32]
    /// Keys that each row sees: its position + 1.
    public var contexts: [Int32]

    /// A visibility.
    public init(tables: [Int32], tableOffsets: [Int32], contexts: [Int32]) {
        self.tables = tables
        self.tableOffsets = tableOffsets
        self.contexts = contexts
    }
}

/// Consecutive rows of one sequence in a packed batch. A completion's parent is its prompt, whose rows hold the keys
/// of the positions before `firstPosition`.
public struct Segment: Sendable {
    /// First row in the batch.
    public var firstRow: Int
    /// Number of rows.
    public var rows: Int
    /// Position of the first row.
    public var firstPosition: Int
    /// Start of the sequence's page numbers.
    public var tableOffset: Int
    /// First row of the prompt that lies before, or nil.
    public var parentFirstRow: Int?

    /// A segment.
    public init(firstRow: Int, rows: Int, firstPosition: Int, tableOffset: Int, parentFirstRow: Int?) {
        self.firstRow = firstRow
        self.rows = rows
        self.firstPosition = firstPosition
        self.tableOffset = tableOffset
        self.parentFirstRow = parentFirstRow
    }
}

/// Cosines and sines of every position, [position][frequency].
public final class RotaryTable: Sendable {
    let cosines: Matrix
    let sines: Matrix
    /// Positions in the table.
    public var positions: Int { cosines.rows }

    /// Elements of a head that are rotated.
    var dimensions: Int { 2 * cosines.columns }

    /// Angles are fp32 products position · inverseFrequency, as transformers forms them.
    ///
    /// - Parameter factor: what all cosines and sines are multiplied by, and with them what is rotated.
    /// - Throws: `TensorError` when the system has no memory for it.
    public init(inverseFrequencies: [Float], positions: Int, factor: Float = 1) throws(TensorError) {
        cosines = try Matrix(rows: positions, columns: inverseFrequencies.count)
        sines = try Matrix(rows: positions, columns: inverseFrequencies.count)
        for position in 0..<positions {
            for (i, frequency) in inverseFrequencies.enumerated() {
                let angle = Double(Float(position) * frequency)
                cosines.pointer[position * inverseFrequencies.count + i] = Float(cos(angle)) * factor
                sines.pointer[position * inverseFrequencies.count + i] = Float(sin(angle)) * factor
            }
        }
    }
}
