import Apus

/// What `apus eval` found, for people and for programs.
struct EvalReport {
    let model: String
    let adapter: String?
    let data: String
    let temperature: Double
    let maxNewTokens: Int
    let problems: Int
    let completionsEach: Int
    /// The model without the adapter; `nil` where the adapter alone was measured.
    let before: GradedAnswers?
    /// With it; `nil` when there is none.
    let after: GradedAnswers?

    // MARK: Text

    /// A heading and a table of at most 80 columns.
    var text: String {
        // One model alone has one column, whichever it is.
        let table = (before ?? after).map { AccuracyTable(before: $0, after: before == nil ? nil : after).text }
        return heading + "\n\n" + (table ?? "")
    }

    private var heading: String {
        let how = temperature == 0 ? "greedy" : "temperature \(compact(temperature)), \(completionsEach) each"
        let adapterLine = adapter.map { "\nadapter  \($0)" } ?? ""
        return "model    \(model)\(adapterLine)\ndata     \(data), \(problems) problems\n"
            + "answers  \(how), at most \(maxNewTokens) tokens"
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
        /// The model without the adapter; absent with `--adapter-only`.
        var before: Side?
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
            model: model, adapter: adapter, dataset: data, problems: problems, completionsEach: completionsEach,
            temperature: temperature, maxNewTokens: maxNewTokens, before: before.map(Self.side),
            after: after.map(Self.side), change: changes.isEmpty ? nil : Dictionary(uniqueKeysWithValues: changes))
    }

    private func change(_ grading: AnswerGrading) -> AccuracyChange? {
        before.flatMap { after?.change(since: $0, grading) }
    }

    private static func side(_ answers: GradedAnswers) -> Object.Side {
        let accuracy = AnswerGrading.allCases.compactMap { grading in
            answers.accuracy(grading).map { (grading.rawValue, share($0.value, $0.interval)) }
        }
        return Object.Side(
            accuracy: Dictionary(uniqueKeysWithValues: accuracy), meanLength: answers.meanLength,
            truncatedShare: answers.truncatedShare)
    }

    private static func share(_ value: Double, _ interval: ClosedRange<Double>) -> Object.Share {
        Object.Share(value: value, interval: [interval.lowerBound, interval.upperBound])
    }
}
