package import ApusTensor
internal import CKernels

/// The form in which rows enter a product; see `apus_row_format` and `round_rows` in apus_linear.h.
package struct RowForm: Equatable {
    let format: apus_row_format
    /// Consecutive values that share a scale, and are pairs of each other.
    let block: Int

    /// Whether products read the rows rounded to 16 bits.
    var rounds: Bool { format != APUS_ROWS_F32 }
}

/// Room for rows rounded to 16 bits, in a storage that outlives it.
///
/// Each thread writes the rows that it was given.
package struct RoundedRows {
    let values: UnsafeMutablePointer<UInt16>
    let stride: Int
    let scales: UnsafeMutablePointer<Float>
    let scaleStride: Int
    let form: RowForm

    /// Lays rows out in `storage`, which has room for `floats(rows:depth:)`.
    init(_ storage: CPUStorage, rows: Int, depth: Int, form: RowForm) {
        precondition(storage.count >= Self.floats(rows: rows, depth: depth), "no room for rounded rows")
        self.form = form
        scaleStride = (depth + form.block - 1) / form.block
        stride = scaleStride * form.block
        scales = storage.base
        values = UnsafeMutableRawPointer(storage.base + rows * scaleStride).assumingMemoryBound(to: UInt16.self)
    }

    /// Floats that rows need, whatever their block: at the worst one scale for two values, or a last block of 64 that
    /// has one value.
    static func floats(rows: Int, depth: Int) -> Int { rows * (depth + 34) }
}

/// The rows that enter a product, in every form that its weights read.
///
/// Addresses and sizes alone: threads copy it without touching reference counts, which they would fight over. Who makes it
/// keeps the memory alive until the product is done.
package struct ProductRows {
    let values: UnsafeMutablePointer<Float>
    let count: Int
    let columns: Int
    let rounded: RoundedRows?

    init(_ matrix: Matrix, rounded: RoundedRows?) {
        values = matrix.pointer
        count = matrix.rows
        columns = matrix.columns
        self.rounded = rounded
    }

    /// Some of the rows, as the kernels take them.
    func part(_ range: Range<Int>) -> apus_rows {
        let first = range.lowerBound
        return apus_rows(
            values: values + first * columns, ld: columns, count: Int32(range.count),
            rounded: rounded.map { UnsafePointer($0.values + first * $0.stride) }, rounded_ld: rounded?.stride ?? 0,
            scales: rounded.map { UnsafePointer($0.scales + first * $0.scaleStride) },
            scale_ld: rounded?.scaleStride ?? 0)
    }

    var all: apus_rows { part(0..<count) }
}

extension CPUBackend {
    /// Makes room for products of `rows` rows of up to `width` values.
    ///
    /// - Throws: `TensorError` when the system has no memory for it.
    package func prepareProducts(rows: Int, width: Int) throws(TensorError) {
        for slot in 0..<Self.roundingSlots {
            try reserveRounding(slot, RoundedRows.floats(rows: rows, depth: width))
        }
    }

    /// The rows of a product with room for their rounded form in one of the slots, where a weight reads it.
    package func productRows(_ x: Matrix, slot: Int, form: RowForm) -> ProductRows {
        guard form.rounds else { return ProductRows(x, rounded: nil) }
        let storage = rounding(slot, RoundedRows.floats(rows: x.rows, depth: x.columns))
        return ProductRows(x, rounded: RoundedRows(storage, rows: x.rows, depth: x.columns, form: form))
    }

    /// Rounds some of the rows where a weight reads them rounded.
    ///
    /// - Parameter columns: nil for whole rows.
    package func round(_ rows: ProductRows, _ range: Range<Int>, columns: Int? = nil) {
        guard let to = rows.rounded else { return }
        let width = rows.columns
        let first = range.lowerBound
        kernels.linear.round_rows(
            to.form.format, rows.values + first * width, width, Int32(range.count), Int32(columns ?? width),
            Int32(to.form.block),
            to.values + first * to.stride, to.stride, to.scales + first * to.scaleStride, to.scaleStride)
    }
}
