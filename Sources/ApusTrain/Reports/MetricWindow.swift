/// Metrics collected since the last log line. Each name holds a list; a line shows the mean of what is finite in it.
struct MetricWindow: Sendable, Codable {
    private var names: [String] = []
    /// `nil` stands for NaN, which JSON does not know.
    private var values: [String: [Double?]] = [:]

    /// Adds a value to a metric's list.
    mutating func append(_ name: String, _ value: Double) {
        if values[name] == nil { names.append(name) }
        values[name, default: []].append(value.isFinite ? value : nil)
    }

    /// Adds one value to each of several metrics.
    mutating func append(_ metrics: [(name: String, value: Double)]) {
        for metric in metrics { append(metric.name, metric.value) }
    }

    /// Replaces a metric's list by one value.
    mutating func set(_ name: String, _ value: Double) {
        if values[name] == nil { names.append(name) }
        values[name] = [value]
    }

    /// Moves the means into a log line, in the order in which the names first appeared, and starts anew.
    mutating func drain(into record: inout MetricsRecord) {
        for name in names { record.append(name, (values[name] ?? []).compactMap { $0 }.mean) }
        self = MetricWindow()
    }
}
