import Apus

/// What `apus eval` found, for people and for programs.
struct EvalReport {
    let model: String
    let adapter: String?
    let data: String
    let temperature: Double
    let maxNewTokens: Int
    let base: ModelEvaluation
    let adapted: ModelEvaluation?

    private var completionsEach: Int { base.answers.first?.count ?? 0 }

    // MARK: Text

    /// A heading and a table of at most 80 columns.
    var text: String { heading + "\n\n" + table }

    private var heading: String {
        let how = temperature == 0 ? "greedy" : "temperature \(compact(temperature)), \(completionsEach) each"
        let adapterLine = adapter.map { "\nadapter  \($0)" } ?? ""
        return "model    \(model)\(adapterLine)\ndata     \(data), \(base.samples.count) problems\n"
            + "answers  \(how), at most \(maxNewTokens) tokens"
    }

    private var table: String {
        let columns = [base] + (adapted.map { [$0] } ?? [])
        var table = TextTable(head: adapted == nil ? ["", "accuracy"] : ["", "before", "after", "change"])
        for grading in AnswerGrading.allCases {
            table.add(
                [grading.rawValue] + columns.map { Self.text(of: $0.accuracy(grading)) }
                    + (change(grading).map { [Self.text(of: $0)] } ?? []))
        }
        table.add(["tokens"] + columns.map { fixed($0.meanLength, 1) })
        table.add(["cut short"] + columns.map { percentage($0.truncatedShare) })
        let ofChange = adapted == nil ? "" : "; change: of paired differences"
        return "\(table)\nin brackets: 95 % intervals (Wilson's\(ofChange))"
    }

    private static func text(of accuracy: Accuracy?) -> String {
        guard let accuracy else { return "" }
        return "\(percentage(accuracy.value)) (\(range(accuracy.interval)))"
    }

    private static func text(of change: AccuracyChange) -> String {
        let sign = change.value < 0 ? "" : "+"
        return "\(sign)\(fixed(change.value * 100, 1)) (\(range(change.interval)))"
    }

    private static func range(_ interval: ClosedRange<Double>) -> String {
        "\(fixed(interval.lowerBound * 100, 1)) to \(fixed(interval.upperBound * 100, 1))"
    }

    private func change(_ grading: AnswerGrading) -> AccuracyChange? {
        adapted.flatMap { AccuracyChange(before: base.isCorrect(grading), after: $0.isCorrect(grading)) }
    }

    // MARK: JSON

    /// What `--json` prints.
    struct Object: Encodable {
        struct Share: Encodable {
            var value: Double
            /// Lower and upper bound, 95 %.
            var interval: [Double]
        }
        struct Side: Encodable {
            var accuracy: [String: Share]
            var meanLength: Double
            var truncatedShare: Double

            enum CodingKeys: String, CodingKey {
                case accuracy
                case meanLength = "mean_length"
                case truncatedShare = "truncated_share"
            }
        }
        var model: String
        var adapter: String?
        var dataset: String
        var problems: Int
        var completionsEach: Int
        var temperature: Double
        var maxNewTokens: Int
        /// The model without the adapter.
        var before: Side
        /// With it; absent when there is none, as is `change`.
        var after: Side?
        var change: [String: Share]?

        enum CodingKeys: String, CodingKey {
            case model, adapter, dataset, problems, temperature, before, after, change
            case completionsEach = "completions_each"
            case maxNewTokens = "max_new_tokens"
        }
    }

    var object: Object {
        let changes = AnswerGrading.allCases.compactMap { grading in
            change(grading).map { (grading.rawValue, Self.share($0.value, $0.interval)) }
        }
        return Object(
            model: model, adapter: adapter, dataset: data, problems: base.samples.count,
            completionsEach: completionsEach, temperature: temperature, maxNewTokens: maxNewTokens,
            before: Self.side(base), after: adapted.map(Self.side),
            change: adapted == nil ? nil : Dictionary(uniqueKeysWithValues: changes))
    }

    private static func side(_ evaluation: ModelEvaluation) -> Object.Side {
        let accuracy = AnswerGrading.allCases.compactMap { grading in
            evaluation.accuracy(grading).map { (grading.rawValue, share($0.value, $0.interval)) }
        }
        return Object.Side(
            accuracy: Dictionary(uniqueKeysWithValues: accuracy), meanLength: evaluation.meanLength,
            truncatedShare: evaluation.truncatedShare)
    }

    private static func share(_ value: Double, _ interval: ClosedRange<Double>) -> Object.Share {
        Object.Share(value: value, interval: [interval.lowerBound, interval.upperBound])
    }
}
