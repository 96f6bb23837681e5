import Foundation

/// What `apus bench` prints; a figure that the piece of work does not give is left out.
struct BenchResult: Encodable, CustomStringConvertible {
    var peer = "apus"
    var format = ""
    var batch: Int?
    var secondsPerStep: Double?
    var completionTokensPerSecond: Double?
    var prefillTokensPerSecond: Double?
    var decodeTokensPerSecond: Double?
    /// The most memory that the process ever had resident.
    var peakResidentMiB = BenchResult.peakResidentMiB()
    /// Seconds of each step.
    var steps: [Double]?

    enum CodingKeys: String, CodingKey {
        case peer, format, batch, steps
        case secondsPerStep = "seconds_per_step"
        case completionTokensPerSecond = "completion_tokens_per_second"
        case prefillTokensPerSecond = "prefill_tokens_per_second"
        case decodeTokensPerSecond = "decode_tokens_per_second"
        case peakResidentMiB = "peak_rss_mib"
    }

    var description: String {
        [
            secondsPerStep.map { "\(fixed($0, 2)) s a step (median)" },
            completionTokensPerSecond.map { "\(fixed($0, 0)) completion tokens/s" },
            prefillTokensPerSecond.map { "\(fixed($0, 0)) prompt tokens/s" },
            decodeTokensPerSecond.map { "\(fixed($0, 0)) decoded tokens/s" },
            "\(peakResidentMiB) MiB resident at most",
        ].compactMap { $0 }.joined(separator: ", ")
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

/// The middle of a list of numbers; of an even count, the mean of the two in the middle.
func median(_ values: [Double]) -> Double {
    precondition(!values.isEmpty, "a median needs a value")
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
