import Foundation

/// `skipped-step-N.json`: the generation batch of a step whose loss or gradient was not finite, for people to look at.
struct SkippedBatch: Encodable {
    struct Row: Encodable {
        var prompt: String
        var completion: String
        var tokens: [Int32]
        var isTruncated: Bool
        var rewards: [String: Double?]
        var advantage: Double
        /// Under the policy that sampled.
        var samplingLogProbs: [Float]
        /// Under the policy of the step; `nil` for a row that was not looked at.
        var logProbs: [Float]?
        var oldLogProbs: [Float]?
        var referenceLogProbs: [Float]?

        private enum CodingKeys: String, CodingKey {
            case prompt, completion, tokens, rewards, advantage
            case isTruncated = "is_truncated"
            case samplingLogProbs = "sampling_logprobs"
            case logProbs = "logprobs"
            case oldLogProbs = "old_logprobs"
            case referenceLogProbs = "ref_logprobs"
        }
    }

    var step: Int
    var fault: NumericFault
    var gradientNorm: Double
    var learningRate: Double
    var rows: [Row]

    private enum CodingKeys: String, CodingKey {
        case step, rows
        case fault = "not_finite"
        case gradientNorm = "grad_norm"
        case learningRate = "learning_rate"
    }

    /// The file's bytes. JSON has no NaN and no infinity: they are written as text.
    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return try encoder.encode(self) + Data("\n".utf8)
    }
}
