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
    var text: String {
        heading + "\n\n" + AccuracyTable(before: base.grades, after: adapted?.grades).text
    }

    private var heading: String {
        let how = temperature == 0 ? "greedy" : "temperature \(compact(temperature)), \(completionsEach) each"
        let adapterLine = adapter.map { "\nadapter  \($0)" } ?? ""
        return "model    \(model)\(adapterLine)\ndata     \(data), \(base.samples.count) problems\n"
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
            adapted?.grades.change(since: base.grades, grading).map {
                (grading.rawValue, Self.share($0.value, $0.interval))
            }
        }
        return Object(
            model: model, adapter: adapter, dataset: data, problems: base.samples.count,
            completionsEach: completionsEach, temperature: temperature, maxNewTokens: maxNewTokens,
            before: Self.side(base.grades), after: adapted.map { Self.side($0.grades) },
            change: adapted == nil ? nil : Dictionary(uniqueKeysWithValues: changes))
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
