internal import ApusTensor

/// Completions whose rows are still in their pages: by their tokens, since rows are a function of tokens and weights.
struct KeptRollouts {
    private struct Group {
        var table: [Int32]
        var completions: [[Int32]: Rows] = [:]
    }

    private struct Rows {
        var table: [Int32]
        var scores: [HeadScore]
    }

    let temperature: Float
    private let adapter: ObjectIdentifier?
    private let version: Int?
    private var groups: [[Int32]: Group] = [:]

    init(adapter: LoRAAdapter?, temperature: Float) {
        self.adapter = adapter.map(ObjectIdentifier.init)
        version = adapter?.version
        self.temperature = temperature
    }

    /// Whether the weights are those that made the rows.
    func isMade(by adapter: LoRAAdapter?) -> Bool {
        adapter.map(ObjectIdentifier.init) == self.adapter && adapter?.version == version
    }

    /// Returns whether the prompt is new.
    mutating func add(prompt: [Int32], table: [Int32]) -> Bool {
        guard groups[prompt] == nil else { return false }
        groups[prompt] = Group(table: table)
        return true
    }

    /// Returns whether the completion is new.
    mutating func add(completion: [Int32], of prompt: [Int32], table: [Int32], scores: [HeadScore]) -> Bool {
        guard let group = groups[prompt], group.completions[completion] == nil else { return false }
        groups[prompt]?.completions[completion] = Rows(table: table, scores: scores)
        return true
    }

    func rows(of wanted: [TokenGroup]) -> (tables: [GroupTables], scores: [HeadScore])? {
        var tables: [GroupTables] = []
        var scores: [HeadScore] = []
        for item in wanted {
            guard let group = groups[item.prompt] else { return nil }
            var found = GroupTables(prompt: group.table)
            for completion in item.completions {
                let rows = completion.isEmpty ? Rows(table: [], scores: []) : group.completions[completion]
                guard let rows else { return nil }
                found.completions.append(rows.table)
                scores += rows.scores
            }
            tables.append(found)
        }
        return (tables, scores)
    }

    /// The pages of all tables, each as often as a table names it.
    var pages: [Int32] {
        groups.values.flatMap { group in group.table + group.completions.values.flatMap(\.table) }
    }
}
