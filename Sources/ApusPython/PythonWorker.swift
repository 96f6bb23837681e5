package import ApusFormats
import Dispatch
package import Foundation
import Synchronization

/// A place where some Python functions run: a process that is started again when it had to be ended.
package final class PythonWorker: Sendable {
    private let functions: [PythonFunction]
    private let calls: [UInt8]
    private let options: PythonOptions
    private let interpreter: String
    /// The process, while there is one. The lock is held during a call: a process serves one at a time.
    private let process = Mutex<WorkerProcess?>(nil)
    /// Calls block their thread, so they get threads that nothing else waits for.
    private let queue = DispatchQueue(label: "apus.python")

    /// - Parameter calls: Python that says what the functions are called for; see `HANDLERS` in worker.py.
    package init(functions: [PythonFunction], calls: [UInt8], options: PythonOptions) {
        self.functions = functions
        self.calls = calls
        self.options = options
        interpreter = options.interpreter ?? PythonOptions.defaultInterpreter
    }

    /// Starts the process and loads the functions.
    ///
    /// - Throws: ``PythonLoadError``, or ``WorkerFailure`` when the process fails.
    package func start() async throws {
        try await onQueue { worker in try worker.process.withLock { try worker.startIfNeeded(&$0) } }
    }

    /// Makes a call, starting the process first when there is none.
    ///
    /// - Parameter answering: answers what the functions ask the run meanwhile; nil where they have nothing to ask.
    /// - Throws: ``PythonLoadError`` or ``WorkerFailure``. After a failure the process and all that it started are gone.
    package func call(
        _ request: Data, answering: (@Sendable (JSONValue) -> JSONValue)? = nil
    ) async throws -> Data {
        try await onQueue { worker in
            try worker.process.withLock { process in
                try worker.startIfNeeded(&process)
                var reply = try worker.exchange(&process, request, within: worker.options.timeout)
                while let answering, let question = try? JSONValue(json: reply), question["ask"] != nil {
                    let answer = Data(JSONWriter.ordered.write(answering(question)).utf8)
                    reply = try worker.exchange(&process, answer, within: worker.options.timeout)
                }
                return reply
            }
        }
    }

    /// Ends the process and all that it started. A call that is going on ends first.
    package func stop() {
        process.withLock { process in
            process?.stop()
            process = nil
        }
    }

    deinit { stop() }

    private func onQueue<Result: Sendable>(
        _ body: @escaping @Sendable (PythonWorker) throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try body(self) }) }
        }
    }

    private func startIfNeeded(_ process: inout WorkerProcess?) throws {
        guard process == nil else { return }
        process = try WorkerProcess(interpreter: interpreter, calls: calls, onOutput: options.onOutput)
        let request = LoadRequest(
            load: functions.map(\.entry), memoryLimit: options.memoryLimit, fileLimit: PythonOptions.fileLimit,
            processLimit: PythonOptions.processLimit)
        let reply: LoadReply
        do {
            let answer = try exchange(&process, JSONEncoder().encode(request), within: options.loadTimeout)
            reply = try JSONDecoder().decode(LoadReply.self, from: answer)
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

    private func exchange(
        _ process: inout WorkerProcess?, _ request: Data, within limit: Duration
    ) throws -> Data {
        guard var current = process else { throw WorkerFailure.ended("it is not running") }
        do {
            let reply = try current.exchange(request, within: limit)
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

    /// A fault with what it is called.
    package init(reason: String) { self.reason = reason }

    /// The function and what is wrong with it, in one line.
    public var description: String { reason.split(whereSeparator: \.isNewline).joined(separator: " ") }
}
