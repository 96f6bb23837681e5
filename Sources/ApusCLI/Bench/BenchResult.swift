import Foundation

/// What `apus bench` prints about a model; a figure that the piece of work does not give is left out.
struct BenchResult: Encodable {
    var peer = "apus"
    var format = ""
    /// What computed.
    var device: String?
    var batch: Int?
    var secondsPerStep: Double?
    var completionTokensPerSecond: Double?
    var prefillTokensPerSecond: Double?
    var decodeTokensPerSecond: Double?
    /// From the model's file to weights in memory.
    var loadSeconds: Double?
    /// From the model's file to the first token.
    var firstTokenSeconds: Double?
    /// The same two of the process's first load.
    var coldLoadSeconds: Double?
    var coldFirstTokenSeconds: Double?
    /// Whether the process's first load found the weights packed by an earlier run.
    var cachedWeights: Bool?
    /// From the tokenizer's files to a tokenizer.
    var openSeconds: Double?
    /// From text to tokens.
    var tokenizeSeconds: Double?
    var textTokens: Int?
    /// Of the figure that the piece of work is about.
    var best: Double?
    var worst: Double?
    var arithmetic: ArithmeticShare?
    /// The most memory that the process had resident when the work was done.
    let peakResidentMiB = BenchResult.peakResidentMiB()
    /// Seconds of each step.
    var steps: [Double]?

    enum CodingKeys: String, CodingKey {
        case peer, format, device, batch, best, worst, steps
        case secondsPerStep = "seconds_per_step"
        case completionTokensPerSecond = "completion_tokens_per_second"
        case prefillTokensPerSecond = "prefill_tokens_per_second"
        case decodeTokensPerSecond = "decode_tokens_per_second"
        case loadSeconds = "load_seconds"
        case firstTokenSeconds = "first_token_seconds"
        case coldLoadSeconds = "cold_load_seconds"
        case coldFirstTokenSeconds = "cold_first_token_seconds"
        case cachedWeights = "cached_weights"
        case openSeconds = "open_seconds"
        case tokenizeSeconds = "tokenize_seconds"
        case textTokens = "text_tokens"
        case arithmetic
        case peakResidentMiB = "peak_rss_mib"
    }

    /// Notes the best and the worst run, and returns the median.
    mutating func noting(_ spread: Spread) -> Double {
        (best, worst) = (spread.best, spread.worst)
        return spread.median
    }

    private static func peakResidentMiB() -> Int {
        var usage = rusage()
        #if os(Linux)
            // The C enumeration's constant and the C function's parameter have different types in Swift.
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
            return Int(usage.ru_maxrss) / 1024
        #else
            getrusage(RUSAGE_SELF, &usage)
            return Int(usage.ru_maxrss) / (1024 * 1024)
        #endif
    }
}

extension BenchResult: CustomStringConvertible {
    var description: String {
        var table = TextTable(head: ["", "median", "best", "worst"])
        /// The figure that the work is about comes with its best and worst run.
        func add(_ name: String, _ value: Double?, digits: Int, isSpread: Bool = false) {
            guard let value else { return }
            let spread = isSpread ? [best, worst].compactMap { $0.map { fixed($0, digits) } } : []
            table.add([name, fixed(value, digits)] + spread)
        }
        add("seconds a step", secondsPerStep, digits: 2, isSpread: true)
        add("completion tokens/s", completionTokensPerSecond, digits: 0)
        add("prompt tokens/s", prefillTokensPerSecond, digits: 0, isSpread: true)
        add("decoded tokens/s", decodeTokensPerSecond, digits: 0, isSpread: true)
        add("seconds to load", loadSeconds, digits: 3)
        add("seconds to the first token", firstTokenSeconds, digits: 3, isSpread: true)
        add("seconds to load, first time", coldLoadSeconds, digits: 3)
        add("seconds to the first token, first time", coldFirstTokenSeconds, digits: 3)
        add("seconds to open", openSeconds, digits: 3)
        add("seconds to tokenize", tokenizeSeconds, digits: 3, isSpread: true)
        if let textTokens { table.add(["tokens", "\(textTokens)"]) }
        if let cachedWeights { table.add(["weights packed by an earlier run", cachedWeights ? "yes" : "no"]) }
        if let arithmetic {
            table.add(["GFLOP/s", fixed(arithmetic.gigaflops, 1)])
            table.add(["of the fp32 peak", percent(arithmetic.shareOfFP32Peak)])
            table.add(["of the 16-bit peak (\(arithmetic.pairInstruction))", percent(arithmetic.shareOfPairPeak)])
        }
        table.add(["peak memory, MiB", "\(peakResidentMiB)"])
        let steps = steps.map { "\nsteps: \($0.map { fixed($0, 2) }.joined(separator: ", ")) s" }
        let batch = batch.map { ", batch \($0)" }
        let weights = format.isEmpty ? "" : "weights \(format)\(batch ?? "")\n"
        return "\(weights)\(table)\(steps ?? "")"
    }
}
