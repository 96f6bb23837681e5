/// Whole numbers of a device, such as the rows that an operation takes or the tokens that it looks up.
public struct Indices: Sendable {
    /// The memory that they lie in.
    public let storage: Storage
    /// Which of its numbers.
    public let range: Range<Int>

    /// All numbers of a storage, or some.
    public init(storage: Storage, range: Range<Int>? = nil) {
        let range = range ?? 0..<storage.count
        precondition(range.lowerBound >= 0 && range.upperBound <= storage.count, "indices outside their storage")
        self.storage = storage
        self.range = range
    }

    /// How many there are.
    public var count: Int { range.count }

    /// Some of them, counted from the first.
    public subscript(part: Range<Int>) -> Indices {
        precondition(part.upperBound <= count, "indices outside")
        return Indices(
            storage: storage, range: range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
    }
}
