/// Why a worker process did not answer.
package enum WorkerFailure: Error, CustomStringConvertible {
    /// The time was up; the process and all that it started have been ended.
    case timedOut(Duration)
    /// The process ended by itself.
    case ended(String)
    /// The interpreter could not be started, or is none.
    case notStarted(String)
    /// The answer cannot be read.
    case garbled(String)

    package var description: String {
        switch self {
        case .timedOut(let limit): "did not return within \(limit.inSeconds); it and what it started were ended"
        case .ended(let how): "ended its process: \(how)"
        case .notStarted(let reason): reason
        case .garbled(let reason): "gave an answer that cannot be read: \(reason)"
        }
    }
}

extension Duration {
    /// "60 s", for messages.
    package var inSeconds: String {
        let seconds = self / .seconds(1)
        return Int(exactly: seconds).map { "\($0) s" } ?? "\(seconds) s"
    }
}
