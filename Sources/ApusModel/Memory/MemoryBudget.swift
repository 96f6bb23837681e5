/// How much memory the pages of keys, values and kept rows may take.
public struct MemoryBudget: Sendable, Equatable {
    /// The share of the machine's memory that a run may hold unless it says otherwise.
    public static let defaultUtilization = 0.8

    /// Bytes for pages.
    public let bytes: Int

    /// A number of bytes.
    public init(bytes: Int) { self.bytes = max(bytes, 0) }

    /// A share of what this process may use, less what it holds already (weights, above all).
    ///
    /// The limit is that of the process's control group or of the machine, the smaller one.
    public init(utilization: Double = Self.defaultUtilization) {
        precondition(utilization > 0 && utilization <= 1, "a share")
        let share = (utilization * Double(ProcessMemory.limit())).wholeNumber(in: 0...1 << 62) - ProcessMemory.held()
        self.init(bytes: min(share, (utilization * Double(ProcessMemory.reservable())).wholeNumber(in: 0...1 << 62)))
    }
}
