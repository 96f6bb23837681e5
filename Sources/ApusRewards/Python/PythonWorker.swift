import ApusData
import Dispatch
import Foundation
import Synchronization

/// A place where some Python functions run: a process that is started again when it had to be ended.
final class PythonWorker: Sendable {
    private let functions: [PythonFunction]
    private let options: PythonOptions
    private let interpreter: String
    /// The process, while there is one. The lock is held during a call: a process serves one at a time.
    private let process = Mutex<WorkerProcess?>(nil)
    /// Calls block their thread, so they get threads that nothing else waits for.
    private let queue = DispatchQueue(label: "apus.reward-worker")

    init(functions: [PythonFunction], options: PythonOptions, interpreter: String) {
        self.functions = functions
        self.options = options
        self.interpreter = interpreter
    }

    /// Starts the process and loads the functions.
    ///
    /// - Throws: ``PythonLoadError``, or ``WorkerFailure`` when the process fails.
    func start() async throws {
        try await onQueue { worker in try worker.process.withLock { try worker.startIfNeeded(&$0) } }
    }

    /// Calls one function, starting the process first when there is none.
    ///
    /// - Throws: ``PythonLoadError`` or ``WorkerFailure``. After a failure the process and all that it started are gone.
    func call(_ function: Int, on context: RewardContext, stopsAtFirstFailure: Bool) async throws -> CallReply {
        let request = TransferredBatch(context: context).json([
            "function": .integer(function), "stop_at_first_failure": .bool(stopsAtFirstFailure),
        ])
        return try await onQueue { worker in
            try worker.process.withLock { process in
                try worker.startIfNeeded(&process)
                return try worker.exchange(&process, request, for: CallReply.self, within: worker.options.timeout)
            }
        }
    }

    /// Ends the process and all that it started. A call that is going on ends first.
    func stop() {
        process.withLock { process in
            process?.stop()
            process = nil
        }
    }

    private func onQueue<Result: Sendable>(
        _ body: @escaping @Sendable (PythonWorker) throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try body(self) }) }
        }
    }

    private func startIfNeeded(_ process: inout WorkerProcess?) throws {
        guard process == nil else { return }
        process = try WorkerProcess(interpreter: interpreter, onOutput: options.onOutput)
        let request = LoadRequest(
            load: functions.map(\.entry), memoryLimit: options.memoryLimit, fileLimit: PythonOptions.fileLimit,
            processLimit: PythonOptions.processLimit)
        let reply: LoadReply
        do {
            let request = try JSONEncoder().encode(request)
            reply = try exchange(&process, request, for: LoadReply.self, within: options.loadTimeout)
        } catch let failure as WorkerFailure {
            let names = functions.map(\.text).joined(separator: ", ")
            throw PythonLoadError(reason: "loading \(names): its file \(failure)")
        }
        if let refused = reply.refused, functions.indices.contains(refused) {
            process?.stop()
            process = nil
            throw PythonLoadError(reason: "\(functions[refused].text): \(reply.reason ?? "cannot be loaded")")
        }
    }

    private func exchange<Reply: Decodable>(
        _ process: inout WorkerProcess?, _ request: Data, for type: Reply.Type, within limit: Duration
    ) throws -> Reply {
        guard var current = process else { throw WorkerFailure.ended("it is not running") }
        do {
            let reply = try current.exchange(request, for: type, within: limit)
            process = current
            return reply
        } catch {
            current.stop()
            process = nil
            throw error
        }
    }
}

extension PythonFunction {
    /// How a worker finds the function. Files go by their absolute path: the worker's folder may change.
    fileprivate var entry: LoadRequest.Entry {
        switch source {
        case .file(let path):
            LoadRequest.Entry(file: URL(filePath: path).standardizedFileURL.path, name: name)
        case .module(let module): LoadRequest.Entry(module: module, name: name)
        }
    }
}

/// A Python function that cannot be loaded.
public struct PythonLoadError: Error, CustomStringConvertible, Sendable {
    let reason: String

    /// The function and what is wrong with it, in one line.
    public var description: String { reason.split(whereSeparator: \.isNewline).joined(separator: " ") }
}
