internal import Foundation

/// What lies in pages of 16 positions, numbered from 0; which sequence owns a page is the caller's business.
///
/// A slot is one position of a page: page · 16 + the position in it. A page has memory from when a pass that names it is
/// prepared.
///
/// `@unchecked Sendable`: the numeric core that writes it is owned by one thread at a time.
open class PagedMemory: @unchecked Sendable {
    /// Number of pages.
    public let pages: Int

    /// For backends.
    public init(pages: Int) { self.pages = pages }
}

/// Keys and values of all layers in pages.
open class KeyValueCache: PagedMemory, @unchecked Sendable {
    /// Positions in a page.
    public static let pageTokens = 16

    /// How a page holds keys and values.
    public enum Format: Sendable {
        /// fp32: for the reference, whose results other programs' fp32 results are compared with.
        case f32
        /// About 16 bits a value, as the device likes it: half the memory and half of what a step of decoding reads, to about
        /// 1e-4 of the largest of 32 values.
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

        /// The most pages that a backend has 32-bit numbers for, were every layer of them numbered.
        public var pageLimit: Int { Int(Int32.max) / (layers * KeyValueCache.pageTokens) }
    }

    /// The layout.
    public let shape: Shape

    /// For backends.
    public init(shape: Shape, pages: Int) {
        precondition(pages <= shape.pageLimit, "more pages than have a number")
        self.shape = shape
        super.init(pages: pages)
    }
}

/// Rows that are kept from the forward pass for the backward pass, under the same page numbers as keys and values: of every
/// position as many streams as there are, each of one width.
open class KeptRows: PagedMemory, @unchecked Sendable {
    /// What decides the layout.
    public struct Shape: Sendable, Equatable {
        /// Rows of one position.
        public let streams: Int
        /// Values in a row.
        public let columns: Int
        /// Whether values are kept in fp32. Otherwise they take about 16 bits: 15 of the largest value of each 64.
        public let isExact: Bool
        /// Whether rows are kept in the host's memory where the device has one of its own: they take none of it, and are
        /// fetched ahead of time when streams are recalled in descending order.
        public let isOffloaded: Bool

        /// A shape.
        public init(streams: Int, columns: Int, isExact: Bool, isOffloaded: Bool = false) {
            self.streams = streams
            self.columns = columns
            self.isExact = isExact
            self.isOffloaded = isOffloaded
        }
    }

    /// The layout.
    public let shape: Shape

    /// For backends.
    public init(shape: Shape, pages: Int) {
        self.shape = shape
        super.init(pages: pages)
    }
}

/// Cosines and sines of every position, [position][frequency].
open class RotaryTable: @unchecked Sendable {
    /// Positions in the table.
    public let positions: Int
    /// Elements of a head that are rotated.
    public let dimensions: Int

    /// For backends.
    public init(positions: Int, dimensions: Int) {
        self.positions = positions
        self.dimensions = dimensions
    }

    /// Cosines and sines of the angles of positions, [position][frequency]: fp32 products, as transformers forms them.
    package static func values(
        inverseFrequencies: [Float], positions: Int, factor: Float
    ) -> (cosines: [Float], sines: [Float]) {
        var (cosines, sines): ([Float], [Float]) = ([], [])
        cosines.reserveCapacity(positions * inverseFrequencies.count)
        sines.reserveCapacity(positions * inverseFrequencies.count)
        for position in 0..<positions {
            for frequency in inverseFrequencies {
                let angle = Double(Float(position) * frequency)
                cosines.append(Float(cos(angle)) * factor)
                sines.append(Float(sin(angle)) * factor)
            }
        }
        return (cosines, sines)
    }
}
