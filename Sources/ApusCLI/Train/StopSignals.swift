import Apus
import Dispatch
import Foundation
import Synchronization

/// The requests to stop that a shell or a batch system sends.
enum StopRequest: Int32, CaseIterable, Sendable {
    case hangUp = 1
    case interrupt = 2
    case terminate = 15

    var name: String {
        switch self {
        case .hangUp: "SIGHUP"
        case .interrupt: "SIGINT"
        case .terminate: "SIGTERM"
        }
    }

    /// The status that says this signal ended the run.
    var status: ExitStatus {
        switch self {
        case .hangUp: .hungUp
        case .interrupt: .interrupted
        case .terminate: .terminated
        }
    }
}

/// Turns the first SIGINT, SIGTERM or SIGHUP into a request; the next SIGINT or SIGTERM ends the process as if nobody
/// listened. A further SIGHUP does nothing: when a terminal is closed, shell and kernel may both send one.
final class StopSignals: Sendable {
    private let first = Mutex<StopRequest?>(nil)
    // Written once in init and only kept alive after that: a source stops when it is released.
    nonisolated(unsafe) private var sources: [any DispatchSourceSignal] = []

    /// What stopped the run, if anything did.
    var received: StopRequest? { first.withLock { $0 } }

    /// The first request lets a training run finish its step and save.
    convenience init(_ stop: StopSignal) {
        self.init { signal in
            stop.request()
            Terminal.complain("\(signal.name): finishing the step, then saving; once more stops at once")
        }
    }

    init(onFirst: @escaping @Sendable (StopRequest) -> Void) {
        let queue = DispatchQueue(label: "apus.signals")
        sources = StopRequest.allCases.compactMap { request in
            let wasIgnored = Self.ignore(request)
            // Ignored from the start is what `nohup` asks for.
            if wasIgnored, request == .hangUp { return nil }
            let source = DispatchSource.makeSignalSource(signal: request.rawValue, queue: queue)
            source.setEventHandler { [weak self] in
                let isFirst = self?.first.withLock { first in
                    defer { first = first ?? request }
                    return first == nil
                }
                guard isFirst == true else { return }
                for request in StopRequest.allCases where request != .hangUp { signal(request.rawValue, SIG_DFL) }
                onFirst(request)
            }
            source.resumeListening()
            return source
        }
    }

    /// - Returns: whether it was ignored before.
    private static func ignore(_ request: StopRequest) -> Bool {
        let before = signal(request.rawValue, SIG_IGN)
        // Handlers are function pointers, which cannot be compared; SIG_IGN is a number that stands for one.
        return unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}

extension DispatchSourceSignal {
    /// Resumes the source and returns once signals reach it: what is sent before that is lost.
    func resumeListening() {
        let listens = DispatchSemaphore(value: 0)
        setRegistrationHandler { listens.signal() }
        resume()
        listens.wait()
    }
}
