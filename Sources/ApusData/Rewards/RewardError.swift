import ApusTables

/// Why rewards could not be computed. Every case names the function; samples are counted from 0 within the batch.
public enum RewardError: Error, CustomStringConvertible, Equatable, Sendable {
    /// The function returned fewer or more scores than there are completions.
    case wrongCount(function: String, wanted: Int, found: Int)
    /// A score is plus or minus infinity.
    case infinite(function: String, sample: Int, score: Double)
    /// The function threw; `sample` is nil when it did not say for which completion.
    case failed(function: String, sample: Int?, reason: String)
    /// No built-in function has this name.
    case unknownFunction(String)

    /// One line: what was wanted, what was found and what to do.
    public var description: String {
        switch self {
        case .wrongCount(let function, let wanted, let found):
            "reward '\(function)' returned \(found) scores for \(wanted) completions; return exactly one for each"
        case .infinite(let function, let sample, let score):
            "reward '\(function)' returned \(score) for completion \(sample); return a finite score, or nil where it "
                + "does not apply"
        case .failed(let function, let sample?, let reason):
            "reward '\(function)' failed on completion \(sample): \(reason.onOneLine)"
        case .failed(let function, nil, let reason):
            "reward '\(function)' failed: \(reason.onOneLine)"
        case .unknownFunction(let name):
            "no built-in reward is named '\(name.onOneLine)'; there are \(BuiltInRewards.names.joined(separator: ", "))"
        }
    }
}

/// A built-in reward asks for a column that the sample does not have in the right form.
struct ColumnError: Error, CustomStringConvertible {
    let wanted: String
    let found: [String: JSONValue]

    var description: String {
        if let value = found[wanted] { return "wanted text in column '\(wanted)', found \(value.kindName)" }
        let names = found.keys.sorted().joined(separator: ", ")
        let advice =
            wanted == "answer" ? "; name the right column with answer_column, or take rewards that need none" : ""
        return "wanted column '\(wanted)', found \(names.isEmpty ? "no columns" : names)" + advice
    }
}
