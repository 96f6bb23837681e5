/// Bounds of what a table may make its reader hold, whatever its headers claim.
struct TableLimits {
    /// The most bytes of one page or buffer, decompressed. Writers aim at a megabyte; a page is never less than one value.
    var pageSize = 1 << 30
    /// The most bytes of all buffers of a record batch, decompressed together.
    var batchSize = 1 << 34
    /// The most values of one row, those of all its lists together: runs let a few bytes claim thousands of millions.
    var valuesPerRow = 1 << 24
    /// The most text of one row in bytes: views and shared prefixes let a few bytes claim many.
    var textPerRow = 1 << 30

    /// How deep values may nest; readers recurse as deep.
    static let depth = 64
    /// The most fields of a schema, since for a few bytes of each its column takes some kilobytes.
    private static let fields = 1 << 16

    /// A count of fields that is not above the limit.
    static func checkedFields(_ count: Int) throws(TableFailure) -> Int {
        guard count <= fields else {
            throw .unsupported("found \(count) fields, over the limit of \(fields)", "write fewer columns")
        }
        return count
    }
}
