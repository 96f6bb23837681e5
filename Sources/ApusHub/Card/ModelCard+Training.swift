import ApusFormats
import Foundation

extension ModelCard {
    /// How it was trained, as far as the files say.
    var training: String {
        let parts = [data, settings, course, evaluation].filter { !$0.isEmpty }
        return parts.isEmpty ? "" : (["## Training"] + parts).joined(separator: "\n\n")
    }

    private var data: String {
        var sentences: [String] = []
        let described = record.identity["dataset"]?.string.map(Markdown.code)
        if let dataset {
            let link = "[\(dataset.id)](https://huggingface.co/datasets/\(dataset.id))"
            sentences.append("Data: \(link)" + (described.map { " (\($0))" } ?? "") + ".")
        } else if let described {
            sentences.append("Data: \(described).")
        }
        let rewards = (record.identity["reward_funcs"]?.array ?? []).compactMap(\.string)
        if !rewards.isEmpty {
            let others = rewards.count > 20 ? " and \(rewards.count - 20) more" : ""
            sentences.append("Rewards: " + rewards.prefix(20).map(Markdown.code).joined(separator: ", ") + others + ".")
        }
        return sentences.joined(separator: " ")
    }

    private var settings: String {
        var rows: [[String]] = []
        for name in ["lora_r", "lora_alpha", "lora_target_modules", "use_rslora", "precision"] {
            guard let value = record.identity[name], value != false else { continue }
            rows.append([Markdown.code(name), Markdown.code(Self.shown(value))])
        }
        rows += recipe.prefix(100).map { [Markdown.code($0.name), Markdown.code(Self.shown($0.value))] }
        guard !rows.isEmpty else { return "" }
        let rest = recipe.isEmpty ? "" : ", and the defaults of Apus for all else"
        return "The recipe\(rest):\n\n" + Markdown.table(["setting", "value"], rows)
    }

    private static func shown(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): text
        case .array(let items) where items.allSatisfy { $0.string != nil }:
            items.compactMap(\.string).joined(separator: ", ")
        default: JSONWriter().write(value)
        }
    }

    private var course: String {
        let names =
            record.method == .grpo
            ? ["reward", "reward_std", "completions/mean_length", "kl"] : ["loss", "mean_token_accuracy"]
        return table(names, "Step by step, of \(names[0] == "reward" ? "the mean reward" : "the loss"):")
    }

    private var evaluation: String {
        table(["eval_reward", "eval_loss", "eval_rewards/mean"], "On rows that were not trained on:")
    }

    /// A few of the log's lines that have one of the values, and a line of how the first one goes.
    private func table(_ names: [String], _ heading: String) -> String {
        let names = names.filter { name in record.log.contains { $0[name] != nil } }
        guard let first = names.first else { return "" }
        let lines = record.log.filter { $0[first] != nil }
        let rows = Self.spread(lines, 12).map { line in
            [String(Int(exactly: line["step"]?.rounded() ?? 0) ?? 0)]
                + names.map { name in line[name].map { String(format: "%.4g", $0) } ?? "" }
        }
        let curve = lines.count >= 3 ? "\n\n    \(Self.curve(lines.compactMap { $0[first] }))" : ""
        return heading + curve + "\n\n" + Markdown.table(["step"] + names, rows)
    }

    /// The first, the last and others at equal distances.
    private static func spread<Value>(_ values: [Value], _ count: Int) -> [Value] {
        guard values.count > count else { return values }
        return (0..<count).map { values[$0 * (values.count - 1) / (count - 1)] }
    }

    /// Values as heights between the lowest and the highest, of many the means of neighbours.
    static func curve(_ values: [Double]) -> String {
        let width = min(60, values.count)
        let means = (0..<width).map { column in
            let part = values[column * values.count / width..<(column + 1) * values.count / width]
            return part.reduce(0) { $0 + $1 / Double(part.count) }
        }
        let marks = Array("▁▂▃▄▅▆▇█")
        guard let low = means.min(), let high = means.max() else { return "" }
        return String(
            means.map { value in
                let share = high > low ? (value - low) / (high - low) : 0
                return marks[(share * Double(marks.count)).wholeNumber(in: 0...marks.count - 1)]
            })
    }
}
