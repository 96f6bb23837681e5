import Foundation

/// One running worker with its functions loaded. It belongs to one caller at a time, whom its calls block.
struct WorkerProcess {
    private let process: Process
    private var channel: WorkerChannel
    /// The interpreter's version, such as "3.11.2".
    let version: String

    /// What marks the processes in a list of them.
    package static let marker = "apus-reward-worker"
    /// How long an interpreter may take to be there, on a machine that is busy.
    private static let startLimit = Duration.seconds(60)
    /// How long a process may take to end everything below it before it is killed itself.
    private static let patience = Duration.seconds(8)

    /// Starts the interpreter.
    ///
    /// - Parameter calls: Python that says what its functions are called for; see `HANDLERS` in worker.py.
    /// - Throws: ``WorkerFailure`` when it cannot be started or does not answer.
    init(
        interpreter: String, calls: [UInt8], onOutput: @escaping @Sendable (String) -> Void
    ) throws(WorkerFailure) {
        let (channel, remote) = try WorkerChannel.open(onOutput: onOutput)
        let script = PackageResources.worker_py + Array("\n\n".utf8) + calls + Array("\n\nmain()\n".utf8)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            interpreter, "-c",
            "import sys; exec(compile(open(0, 'rb', closefd=False).read(int(sys.argv[2])), '<apus>', 'exec'))",
            Self.marker, "\(script.count)",
        ]
        process.standardInput = remote.requests
        process.standardOutput = remote.control
        process.standardError = remote.log
        do {
            try process.run()
        } catch {
            throw .notStarted("cannot start \(interpreter): \(error)")
        }
        // Only the process may hold these: their closing is how we hear of its end.
        for end in [remote.requests, remote.control, remote.log] { try? end.close() }
        self.process = process
        self.channel = channel
        do throws(WorkerFailure) {
            let deadline = ContinuousClock.now + Self.startLimit
            try self.channel.sendBytes(script, until: deadline)
            let greeting = try self.channel.receive(until: deadline)
            version = (try? JSONDecoder().decode(Greeting.self, from: greeting))?.python ?? "?"
        } catch {
            _ = self.channel.stop(within: .seconds(1))
            Self.kill(process)
            let cause = self.channel.lastLine ?? "\(error)"
            throw .notStarted("'\(interpreter)' does not start (\(cause)); give the path of a Python 3 (python)")
        }
    }

    /// Sends a request and waits for the reply.
    ///
    /// - Throws: ``WorkerFailure``; the process cannot be used after that, and has to be stopped.
    mutating func exchange(_ request: Data, within limit: Duration) throws(WorkerFailure) -> Data {
        let deadline = ContinuousClock.now + limit
        do throws(WorkerFailure) {
            try channel.send(request, until: deadline)
            let answer = try channel.receive(until: deadline)
            channel.drainOutput()
            return answer
        } catch {
            throw failure(error, limit)
        }
    }

    /// The failure with what the process itself says about its end.
    private mutating func failure(_ failure: WorkerFailure, _ limit: Duration) -> WorkerFailure {
        switch failure {
        case .timedOut: return .timedOut(limit)
        case .ended(let how):
            let notice = stop().flatMap { try? JSONDecoder().decode(EndNotice.self, from: $0) }
            if let signal = notice?.signal { return .ended("killed by \(signal)") }
            if let status = notice?.status { return .ended("exit status \(status)") }
            return .ended(how)
        case .notStarted, .garbled: return failure
        }
    }

    /// Ends the process and everything that it started, and waits for that.
    ///
    /// - Returns: What the process says about its end.
    @discardableResult mutating func stop() -> Data? {
        let notice = channel.stop(within: Self.patience)
        Self.kill(process)
        return notice
    }

    /// The last resort, and harmless after an end.
    private static func kill(_ process: Process) {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    }
}
