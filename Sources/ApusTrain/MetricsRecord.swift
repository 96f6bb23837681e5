/// One log line: names and values in the order in which they are shown. A value is `nil` when nothing finite was seen.
public struct MetricsRecord: Sendable, Equatable {
    /// One value of a log line.
    public struct Entry: Sendable, Equatable {
        /// The metric's name, as TRL spells it.
        public var name: String
        /// Its value.
        public var value: Double?
    }

    /// The values in order.
    public private(set) var entries: [Entry] = []
    /// The optimizer step that the line belongs to, from 1.
    public var step: Int

    /// An empty line.
    public init(step: Int) { self.step = step }

    /// The value of a metric; `nil` when it is absent or nothing finite was seen.
    public subscript(name: String) -> Double? { entries.first { $0.name == name }?.value }

    /// Adds a value at the end; what is not finite is kept as `nil`.
    mutating func append(_ name: String, _ value: Double?) {
        entries.append(Entry(name: name, value: value.flatMap { $0.isFinite ? $0 : nil }))
    }
}
