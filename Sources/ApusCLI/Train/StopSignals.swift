import Dispatch
import Foundation
import Synchronization

/// The requests to stop that a shell or a batch system sends.
enum StopRequest: Int32, CaseIterable, Sendable {
    case interrupt = 2
    case terminate = 15

    var name: String {
        switch self {
        case .interrupt: "SIGINT"
        case .terminate: "SIGTERM"
        }
    }

    /// The status that says this signal ended the run.
    var status: ExitStatus {
        switch self {
        case .interrupt: .interrupted
        case .terminate: .terminated
        }
    }
}

/// Turns the first SIGINT or SIGTERM into a request; the next one ends the process as if nobody listened.
final class StopSignals: Sendable {
    private let first = Mutex<StopRequest?>(nil)
    // Written once in init and only kept alive after that: a source stops when it is released.
    nonisolated(unsafe) private var sources: [any DispatchSourceSignal] = []

    /// What stopped the run, if anything did.
    var received: StopRequest? { first.withLock { $0 } }

    init(onFirst: @escaping @Sendable (StopRequest) -> Void) {
        let queue = DispatchQueue(label: "apus.signals")
        sources = StopRequest.allCases.map { request in
            signal(request.rawValue, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: request.rawValue, queue: queue)
            source.setEventHandler { [weak self] in
                self?.first.withLock { $0 = $0 ?? request }
                for request in StopRequest.allCases { signal(request.rawValue, SIG_DFL) }
                onFirst(request)
            }
            source.resume()
            return source
        }
    }
}
