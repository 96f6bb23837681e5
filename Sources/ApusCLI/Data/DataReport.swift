import Apus

/// How long the prompts of a data set are, in tokens.
struct PromptLengths {
    let shortest: Int
    let median: Int
    let longest: Int
    /// How many are longer than `limit`.
    let overlong: Int
    /// The longest that the settings allow; nil where they name none.
    let limit: Int?

    /// - Throws: `TextError` for messages that the template refuses.
    init(_ dataset: Dataset, _ tokenizer: Tokenizer, limit: Int?) throws {
        let progress = CountedProgress("turning prompts into tokens", of: "prompts")
        defer { progress.finish() }
        var lengths: [Int] = []
        for (index, sample) in dataset.samples.enumerated() {
            progress.show(done: index, of: dataset.count)
            lengths.append(try tokenizer.tokens(of: sample).count)
        }
        lengths.sort()
        shortest = lengths.first ?? 0
        median = lengths.isEmpty ? 0 : lengths[lengths.count / 2]
        longest = lengths.last ?? 0
        overlong = limit.map { limit in lengths.count { $0 > limit } } ?? 0
        self.limit = limit
    }

    var text: String {
        let range = "\(shortest) to \(longest) tokens, median \(median)"
        guard let limit else { return range }
        return "\(range); \(overlong) longer than max_prompt_length \(limit)"
    }
}

/// What `apus data` tells.
struct DataReport {
    let name: String
    let summary: TableSummary
    let dataset: Dataset
    var lengths: PromptLengths?
    /// How many rows are shown.
    var rows = 3
    /// Their prompts in tokens, where there is a model.
    var tokens: [TokenListing] = []

    init(name: String, summary: TableSummary, dataset: Dataset) {
        self.name = name
        self.summary = summary
        self.dataset = dataset
    }

    /// Characters of a column's value that are shown.
    private static let valueLength = 200

    var lines: [StyledLine] {
        var lines = [StyledLine("\(name): \(summary.rowCount) \(summary.rowCount == 1 ? "row" : "rows")", .bold)]
        lines += columns.description.split(separator: "\n").map { StyledLine(String($0)) }
        let lengths = lengths.map { ": \($0.text)" } ?? ""
        lines += [StyledLine(), StyledLine("\(dataset.count) prompts\(lengths)", .bold)]
        for (index, sample) in dataset.samples.prefix(rows).enumerated() {
            lines.append(StyledLine())
            lines.append(StyledLine(head(of: index), .bold))
            lines += index < tokens.count ? tokens[index].coloredLines.dropLast() : Self.text(of: sample.prompt)
            if let answer = sample.columns["answer"] {
                lines.append(StyledLine("answer: \(Self.shown(answer))"))
            }
        }
        return lines
    }

    private func head(of index: Int) -> String {
        let count = index < tokens.count ? ", \(tokens[index].entries.count) tokens" : ""
        return "prompt \(index + 1)\(count)"
    }

    private var columns: TextTable {
        var table = TextTable(head: ["column", "holds", "rows", "characters"], wordColumns: 2)
        for column in summary.columns {
            let lengths = column.lengths.map { "\($0.lowerBound)-\($0.upperBound)" } ?? ""
            table.add([column.name.printable, "\(column.shape)", String(column.filled), lengths])
        }
        return table
    }

    private static func text(of prompt: Prompt) -> [StyledLine] {
        let messages =
            switch prompt {
            case .text(let text): [Message(role: "text", content: text)]
            case .messages(let messages): messages
            }
        return messages.flatMap { message in
            message.content.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map { index, line in
                StyledLine((index == 0 ? "\(message.role): " : "  ") + String(line).printable)
            }
        }
    }

    private static func shown(_ value: JSONValue) -> String {
        let text = value.answerText ?? (try? JSONLine.encode(value)) ?? ""
        return (text.count > valueLength ? "\(text.prefix(valueLength))…" : text).printable
    }

    var json: JSONValue {
        var members: [String: JSONValue] = [
            "name": .string(name), "rows": .integer(summary.rowCount), "prompts": .integer(dataset.count),
            "columns": .array(
                summary.columns.map { column in
                    .object([
                        "name": .string(column.name), "holds": .string("\(column.shape)"),
                        "filled": .integer(column.filled),
                    ])
                }),
            "examples": .array(dataset.samples.prefix(rows).enumerated().map { example($1, $0) }),
        ]
        if let lengths {
            members["prompt_tokens"] = .object([
                "min": .integer(lengths.shortest), "median": .integer(lengths.median), "max": .integer(lengths.longest),
                "over_limit": .integer(lengths.overlong),
            ])
        }
        return .object(members)
    }

    private func example(_ sample: Sample, _ index: Int) -> JSONValue {
        var members: [String: JSONValue] = ["answer": sample.columns["answer"] ?? .null]
        switch sample.prompt {
        case .text(let text): members["prompt"] = .string(text)
        case .messages(let messages): members["prompt"] = .array(messages.map(\.json))
        }
        if index < tokens.count {
            members["text"] = .string(tokens[index].text)
            members["token_ids"] = .array(tokens[index].entries.map { .integer(Int($0.id)) })
        }
        return .object(members)
    }
}
