import ApusFormats
import Foundation
import Glibc
import Synchronization

/// A Python process that feeds the packages of experiment trackers, and the line of messages to it.
///
/// Whatever a package does, nothing that is sent waits for it: messages queue up to a limit, beyond which they are dropped.
final class TrackerProcess: Sendable {
    private let process: Process
    private let requests: FileHandle
    private let writer = DispatchQueue(label: "apus.trackers")
    private let replies: AsyncStream<JSONValue>
    /// Has no elements, and ends with what the packages print.
    private let printing: AsyncStream<JSONValue>
    private let backlog = Mutex(Backlog())
    private let onOutput: @Sendable (String) -> Void

    /// What is sent and not yet taken.
    private struct Backlog {
        var bytes = 0
        /// Nothing more is sent: the process is gone, or so far behind that it will not catch up.
        var isGivenUp = false
    }

    /// Messages that wait for a slow package, in bytes: some hours of log lines.
    private static let backlogLimit = 1 << 26

    /// - Parameter onOutput: hears each line that the packages print.
    /// - Throws: What keeps the interpreter from starting.
    init(interpreter: String, onOutput: @escaping @Sendable (String) -> Void) throws {
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        // A socket, since writing to a pipe whose reader is gone would raise a signal.
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw TrackerFailure(reason: "cannot open a socket: \(String(cString: strerror(errno)))")
        }
        let remote = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
        let (output, log) = (Pipe(), Pipe())
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let script = String(decoding: PackageResources.tracker_worker_py, as: UTF8.self)
        process.arguments = [interpreter, "-c", script]
        process.standardInput = remote
        process.standardOutput = output
        process.standardError = log
        requests = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        do {
            try process.run()
        } catch {
            throw TrackerFailure(reason: "cannot start \(interpreter): \(error)")
        }
        try? remote.close()
        self.process = process
        self.onOutput = onOutput
        replies = Self.lines(of: output.fileHandleForReading)
        let (printing, continuation) = AsyncStream<JSONValue>.makeStream()
        self.printing = printing
        Thread.detachNewThread {
            Self.read(log.fileHandleForReading) { onOutput(String(decoding: $0, as: UTF8.self)) }
            continuation.finish()
        }
    }

    /// Puts a message into the queue.
    func send(_ message: JSONValue) {
        let line = Array((JSONWriter.ordered.write(message) + "\n").utf8)
        let isTaken = backlog.withLock { backlog in
            if !backlog.isGivenUp, backlog.bytes + line.count > Self.backlogLimit {
                backlog.isGivenUp = true
                onOutput("apus: the trackers are far behind the run; nothing more is sent to them")
            }
            guard !backlog.isGivenUp else { return false }
            backlog.bytes += line.count
            return true
        }
        guard isTaken else { return }
        writer.async { self.write(line) }
    }

    /// The next reply; nil when the process ends without one, or the time is up.
    func reply(within limit: Duration) async -> JSONValue? { await Self.first(of: replies, within: limit) }

    /// Waits until everything that was printed has been heard, which is when the process has ended.
    func end(within limit: Duration) async { _ = await Self.first(of: printing, within: limit) }

    private static func first(of stream: AsyncStream<JSONValue>, within limit: Duration) async -> JSONValue? {
        await withTaskGroup(of: JSONValue?.self) { group in
            group.addTask {
                for await value in stream { return value }
                return nil
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }

    /// Ends the process at once.
    func kill() {
        backlog.withLock { $0.isGivenUp = true }
        if process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) }
    }

    private func write(_ line: [UInt8]) {
        defer { backlog.withLock { $0.bytes -= line.count } }
        var rest = line[...]
        while !rest.isEmpty, !backlog.withLock({ $0.isGivenUp }) {
            let count = rest.withUnsafeBytes {
                Glibc.send(requests.fileDescriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                let isNew = backlog.withLock { backlog in
                    defer { backlog.isGivenUp = true }
                    return !backlog.isGivenUp
                }
                if isNew { onOutput("apus: the trackers' process has ended; the run goes on without it") }
            }
        }
    }

    private static func lines(of handle: FileHandle) -> AsyncStream<JSONValue> {
        let (stream, continuation) = AsyncStream<JSONValue>.makeStream()
        Thread.detachNewThread {
            read(handle) { line in
                if let value = try? JSONValue(json: line) { continuation.yield(value) }
            }
            continuation.finish()
        }
        return stream
    }

    /// Calls a function with each line until the end.
    private static func read(_ handle: FileHandle, _ use: ([UInt8]) -> Void) {
        var pending: [UInt8] = []
        // Reading up to a count would wait until there are as many bytes.
        while case let chunk = handle.availableData, !chunk.isEmpty {
            pending += chunk
            while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                use(Array(pending[..<end]))
                pending.removeFirst(end + 1)
            }
            // A line without an end is no message of ours, and would grow without bound.
            if pending.count > 1 << 20 { pending.removeAll() }
        }
    }
}

/// Why there are no trackers.
public struct TrackerFailure: Error, CustomStringConvertible, Sendable, Equatable {
    let reason: String

    /// One line: what is missing and what to do.
    public var description: String { reason.split(whereSeparator: \.isNewline).joined(separator: " ") }
}
