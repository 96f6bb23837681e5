internal import CKernels

/// Rows kept in 16 bits: integers with one fp32 scale for each block of 64 columns, 15 bits of a block's largest value.
///
/// For activations that a backward pass reads once: half the memory of fp32, and four bits more than fp16 or seven more
/// than bf16 of the block's largest value.
public struct ShortRows: Sendable {
    /// Number of rows.
    public let rows: Int
    /// Values in a row.
    public let columns: Int
    private let values: Storage
    private let scales: Storage
    private let firstRow: Int

    /// Zeros; memory is taken when rows are written.
    ///
    /// - Throws: `TensorError` when the system refuses the reservation.
    public init(rows: Int, columns: Int) throws(TensorError) {
        self.rows = rows
        self.columns = columns
        firstRow = 0
        values = try Storage(count: (rows * columns + 1) / 2)
        scales = try Storage(count: rows * Self.blocks(columns))
    }

    private init(_ whole: ShortRows, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= whole.rows, "rows outside")
        (values, scales, columns) = (whole.values, whole.scales, whole.columns)
        firstRow = whole.firstRow + range.lowerBound
        rows = range.count
    }

    /// The view of some of the rows.
    public func rows(_ range: Range<Int>) -> ShortRows { ShortRows(self, range) }

    /// Bytes that a row takes.
    public static func rowBytes(columns: Int) -> Int { 2 * columns + 4 * blocks(columns) }

    private static func blocks(_ columns: Int) -> Int {
        (columns + Int(APUS_SHORT_BLOCK) - 1) / Int(APUS_SHORT_BLOCK)
    }

    // Kernels write and read whole rows; the caller names each row once.
    func pointers(_ row: Int) -> (values: UnsafeMutablePointer<Int16>, scales: UnsafeMutablePointer<Float>) {
        precondition(row >= 0 && row < rows, "row outside")
        let base = UnsafeMutableRawPointer(values.base).assumingMemoryBound(to: Int16.self)
        let index = firstRow + row
        return (base + index * columns, scales.base + index * Self.blocks(columns))
    }
}

extension CPUBackend {
    /// See `Backend`.
    public func scatter(_ source: Matrix, _ indices: [Int], into destination: ShortRows) {
        precondition(source.rows == indices.count && source.columns == destination.columns, "shapes differ")
        let (from, width) = (source.pointer, source.columns)
        split(indices.count, work: indices.count * width) { _, rows in
            for row in rows {
                let to = destination.pointers(indices[row])
                self.kernels.layer.shorten(from + row * width, width, to.values, to.scales)
            }
        }
    }

    /// See `Backend`.
    public func gather(_ source: ShortRows, _ indices: [Int], into destination: Matrix) {
        precondition(destination.rows == indices.count && source.columns == destination.columns, "shapes differ")
        let (to, width) = (destination.pointer, destination.columns)
        split(indices.count, work: indices.count * width) { _, rows in
            for row in rows {
                let from = source.pointers(indices[row])
                self.kernels.layer.lengthen(from.values, from.scales, width, to + row * width)
            }
        }
    }
}
