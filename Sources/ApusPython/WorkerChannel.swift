import Foundation
import Glibc

/// Our ends of the three lines to a worker process: requests and replies, control, and what it prints.
///
/// Every wait has a deadline and goes on reading what the process prints: one that fills its pipe would stand still.
struct WorkerChannel {
    private let requests: FileHandle
    private let control: FileHandle
    private let log: FileHandle
    private var printed = OutputLines()
    private let onOutput: @Sendable (String) -> Void

    /// The last line that was printed, which often says why a process ended.
    var lastLine: String? { printed.last }

    /// The other ends, for the process.
    struct RemoteEnds {
        let requests: FileHandle
        let control: FileHandle
        let log: FileHandle
    }

    /// Longer messages than this are refused before anything is allocated.
    private static let maximumLength = 1 << 28

    /// Opens the lines.
    ///
    /// - Throws: ``WorkerFailure/notStarted(_:)`` when the system has no descriptors left.
    static func open(onOutput: @escaping @Sendable (String) -> Void) throws(WorkerFailure) -> (Self, RemoteEnds) {
        let requests = try socketPair()
        let control = try socketPair()
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .notStarted("cannot open a pipe: \(systemError())") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let log = ends.map { FileHandle(fileDescriptor: $0, closeOnDealloc: true) }
        for handle in [requests[0], control[0], log[0]] {
            _ = fcntl(handle.fileDescriptor, F_SETFL, O_NONBLOCK)
        }
        return (
            WorkerChannel(requests: requests[0], control: control[0], log: log[0], onOutput: onOutput),
            RemoteEnds(requests: requests[1], control: control[1], log: log[1])
        )
    }

    private init(
        requests: FileHandle, control: FileHandle, log: FileHandle, onOutput: @escaping @Sendable (String) -> Void
    ) {
        self.requests = requests
        self.control = control
        self.log = log
        self.onOutput = onOutput
    }

    /// Two ends of a private line that no other child of this process inherits.
    private static func socketPair() throws(WorkerFailure) -> [FileHandle] {
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw .notStarted("cannot open a socket: \(systemError())")
        }
        return ends.map { FileHandle(fileDescriptor: $0, closeOnDealloc: true) }
    }

    private static func systemError() -> String { String(cString: strerror(errno)) }

    /// Sends a message.
    mutating func send(_ message: Data, until deadline: ContinuousClock.Instant) throws(WorkerFailure) {
        let length = stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: message.count >> $0) }
        try sendBytes(length + message, until: deadline)
    }

    /// Sends bytes without their length.
    mutating func sendBytes(_ bytes: [UInt8], until deadline: ContinuousClock.Instant) throws(WorkerFailure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(1 << 16))
            // No SIGPIPE: that the process is gone is for the caller to hear.
            let count = Glibc.send(requests.fileDescriptor, piece, piece.count, Int32(MSG_NOSIGNAL))
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN || errno == EINTR {
                try wait(for: requests, events: POLLOUT, until: deadline)
            } else {
                throw .ended("it no longer reads")
            }
        }
    }

    /// Waits for a message.
    mutating func receive(until deadline: ContinuousClock.Instant) throws(WorkerFailure) -> Data {
        let header = try read(4, from: requests, until: deadline)
        let length = header.reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.maximumLength else { throw .garbled("it has \(length) bytes") }
        return try read(length, from: requests, until: deadline)
    }

    /// Says that the process has to end, and waits until it and everything below it is gone.
    ///
    /// - Returns: How the process ended, if it had by itself.
    mutating func stop(within patience: Duration) -> Data? {
        shutdown(control.fileDescriptor, Int32(SHUT_WR))
        let deadline = ContinuousClock.now + patience
        let notice = try? receiveNotice(until: deadline)
        printed.finish().forEach(onOutput)
        return notice
    }

    private mutating func receiveNotice(until deadline: ContinuousClock.Instant) throws(WorkerFailure) -> Data {
        let header = try read(4, from: control, until: deadline)
        return try read(header.reduce(0) { $0 << 8 | Int($1) }, from: control, until: deadline)
    }

    private mutating func read(
        _ count: Int, from handle: FileHandle, until deadline: ContinuousClock.Instant
    ) throws(WorkerFailure) -> Data {
        var data = Data(capacity: count)
        var buffer = [UInt8](repeating: 0, count: min(count, 1 << 16))
        while data.count < count {
            let got = Glibc.read(handle.fileDescriptor, &buffer, min(count - data.count, buffer.count))
            if got > 0 {
                data.append(contentsOf: buffer[..<got])
            } else if got < 0, errno == EAGAIN || errno == EINTR {
                try wait(for: handle, events: POLLIN, until: deadline)
            } else {
                throw .ended("the line is closed")
            }
        }
        return data
    }

    /// Waits until a line is ready, passing on what the process prints.
    private mutating func wait(
        for handle: FileHandle, events: Int32, until deadline: ContinuousClock.Instant
    ) throws(WorkerFailure) {
        var lines = [
            pollfd(fd: handle.fileDescriptor, events: Int16(events), revents: 0),
            pollfd(fd: log.fileDescriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: control.fileDescriptor, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let left = deadline - .now
            guard left > .zero else { throw .timedOut(.zero) }
            let milliseconds = Int32(
                (left / .milliseconds(1)).rounded(.up).wholeNumber(in: 1...Int(Int32.max)))
            // A log that was closed would be ready for ever.
            let ready = poll(&lines, nfds_t(lines.count), milliseconds)
            if ready < 0, errno != EINTR { throw .ended("waiting for it failed") }
            if lines[1].revents != 0, !passOnOutput() { lines[1].fd = -1 }
            if lines[0].revents != 0 { return }
            // The process tells of its child's end there, and then closes it.
            if lines[2].revents != 0 { throw .ended("it is gone") }
        }
    }

    /// Reads what was printed; false at the end.
    private mutating func passOnOutput() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let got = Glibc.read(log.fileDescriptor, &buffer, buffer.count)
        guard got > 0 else { return got < 0 && (errno == EAGAIN || errno == EINTR) }
        printed.append(buffer[..<got]).forEach(onOutput)
        return true
    }

    /// Passes on what was printed so far, without waiting.
    mutating func drainOutput() {
        var line = [pollfd(fd: log.fileDescriptor, events: Int16(POLLIN), revents: 0)]
        while poll(&line, 1, 0) > 0, line[0].revents & Int16(POLLIN) != 0 {
            guard passOnOutput() else { return }
        }
    }
}
