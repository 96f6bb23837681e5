/// The memory budget holds fewer pages than one piece of work needs.
public struct MemoryShortage: Error, CustomStringConvertible, Equatable {
    /// What needs the pages, for people.
    public let purpose: String
    /// Bytes wanted.
    public let wanted: Int
    /// Bytes of the budget.
    public let found: Int
    /// What to change.
    public let advice: String

    /// One line: what was wanted, what was found, what to do.
    public var description: String {
        let mebibyte = 1_048_576
        return "memory: wanted \((wanted + mebibyte - 1) / mebibyte) MiB for \(purpose), found a budget of "
            + "\(found / mebibyte) MiB; \(advice)"
    }
}
