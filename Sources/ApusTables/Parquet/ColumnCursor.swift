import ApusFormats

/// Where the reading of a column has got to in a row group: the next value with its levels.
///
/// Levels and values are decoded some at a time, so that what runs claim is never held.
struct ColumnCursor {
    private static let batchSize = 256
    private let leaf: ParquetLeaf
    private let place: RowPlace
    private let group: Int
    private let source: TableBytes
    private var pages: PageReader
    private var dictionary: PageDictionary?
    private var current: DataPage?
    /// Values of the chunk in pages that are not begun, and in the page at hand beyond the levels at hand.
    private var leftInChunk: Int
    private var leftInPage = 0
    private var repetitions: [UInt32]
    private var definitions: [UInt32]
    private var level = 0
    private var levelCount = 0
    /// Values, not nulls, among the levels at hand beyond the values at hand.
    private var pending = 0
    private var batch = ValueBatch()
    private var values: [JSONValue] = []
    private var nextValue = 0

    /// A cursor before the first value of a chunk.
    ///
    /// - Parameter end: where all pages of the file end.
    init(
        _ chunk: ColumnChunk, _ leaf: ParquetLeaf, group: Int, of source: TableBytes, file: String, end: Int,
        _ limits: TableLimits
    ) throws(DataError) {
        self.leaf = leaf
        self.source = source
        self.group = group
        place = RowPlace(file: file, .part(group: group, column: leaf.path))
        leftInChunk = chunk.valueCount
        let batchSize = min(Self.batchSize, chunk.valueCount)
        repetitions = [UInt32](repeating: 0, count: leaf.repetition > 0 ? batchSize : 0)
        definitions = [UInt32](repeating: 0, count: leaf.definition > 0 ? batchSize : 0)
        do throws(TableFailure) {
            pages = try PageReader(chunk, leaf, end: end, page: ByteBuffer(), limits)
        } catch {
            throw place.error(error.code, error.message)
        }
    }

    /// The levels of the next value; nil after the last one.
    @inline(__always)
    mutating func peek() throws(DataError) -> (repetition: Int, definition: Int)? {
        if level == levelCount {
            guard try refill() else { return nil }
        }
        return (
            repetitions.isEmpty ? 0 : Int(repetitions[level]),
            definitions.isEmpty ? 0 : Int(definitions[level])
        )
    }

    /// The next value; null where its definition is below the highest.
    ///
    /// - Parameters:
    ///   - repetition: the level at which it has to stand, given what was read before.
    ///   - definition: the least level that it has, given what else is there.
    @inline(__always)
    mutating func next(repetition: Int, definition: Int) throws(DataError) -> JSONValue {
        guard let levels = try peek() else { throw tooFew }
        guard levels.repetition == repetition, levels.definition >= definition else { throw disagreement }
        level += 1
        guard levels.definition == leaf.definition else { return .null }
        if nextValue == values.count { try refillValues() }
        nextValue += 1
        return values[nextValue - 1]
    }

    /// Passes over a value that stands for what is not there, which other columns have said already.
    mutating func skipAbsent(repetition: Int, definition: Int) throws(DataError) {
        guard let levels = try peek() else { throw tooFew }
        guard levels.repetition == repetition, levels.definition == definition, definition < leaf.definition else {
            throw disagreement
        }
        level += 1
    }

    var tooFew: DataError { located(.damaged(wanted: "a value of every row", found: "the end of the column")) }
    var tooMany: DataError {
        located(.damaged(wanted: "the end of the column after the last row", found: "more values"))
    }
    var disagreement: DataError {
        located(.damaged(wanted: "a value for what other columns hold", found: "the beginning of another row or list"))
    }

    func located(_ failure: TableFailure) -> DataError {
        failure.located(
            file: place.file,
            .part(group: group, column: leaf.path, page: pages.number >= 0 ? pages.number : nil))
    }

    /// Decodes the next levels, of the next page where this one is used up; false at the end of the chunk.
    private mutating func refill() throws(DataError) -> Bool {
        do throws(TableFailure) {
            while leftInPage == 0 {
                guard leftInChunk > 0 else { return false }
                try beginPage()
            }
            try readLevels(min(leftInPage, Self.batchSize))
            return true
        } catch {
            throw located(error)
        }
    }

    private mutating func beginPage() throws(TableFailure) {
        let page = try source.withBytes { (bytes) throws(TableFailure) in
            try pages.next(bytes, dictionary: &dictionary)
        }
        guard page.valueCount <= leftInChunk else {
            throw .damaged(wanted: "\(leftInChunk) values more in the column", found: "a page of \(page.valueCount)")
        }
        leftInChunk -= page.valueCount
        leftInPage = page.valueCount
        current = page
    }

    private mutating func readLevels(_ count: Int) throws(TableFailure) {
        guard var page = current else { return }
        current = nil
        let highest = (repetition: leaf.repetition, definition: leaf.definition)
        try pages.page.withBytes { (bytes) throws(TableFailure) in
            if !repetitions.isEmpty {
                try repetitions.withUnsafeMutableBufferPointer { (levels) throws(TableFailure) in
                    let part = UnsafeMutableBufferPointer(rebasing: levels[..<count])
                    try page.repetition.read(into: part, highest: highest.repetition, from: bytes)
                }
            }
            if !definitions.isEmpty {
                try definitions.withUnsafeMutableBufferPointer { (levels) throws(TableFailure) in
                    let part = UnsafeMutableBufferPointer(rebasing: levels[..<count])
                    try page.definition.read(into: part, highest: highest.definition, from: bytes)
                }
            }
        }
        pending = definitions.isEmpty ? count : definitions[..<count].count { $0 == highest.definition }
        (level, levelCount) = (0, count)
        leftInPage -= count
        current = page
    }

    private mutating func refillValues() throws(DataError) {
        do throws(TableFailure) { try decodeValues() } catch { throw located(error) }
    }

    private mutating func decodeValues() throws(TableFailure) {
        values.removeAll(keepingCapacity: true)
        batch.removeAll()
        nextValue = 0
        guard var page = current else { return }
        current = nil
        try pages.page.withBytes { (bytes) throws(TableFailure) in
            try page.values.read(pending, into: &batch, from: bytes)
            if case .dictionary = page.values {
                guard let dictionary else { throw .damaged(wanted: "a dictionary page", found: "none") }
                try dictionary.append(batch.words, to: &values)
            } else {
                try batch.append(to: &values, leaf.type, page: bytes)
            }
        }
        current = page
        // The caller takes one at once; no decoder gives less than one where it does not throw.
        guard !values.isEmpty else { throw .damaged(wanted: "more values", found: "the end of the page") }
        pending -= values.count
    }
}
