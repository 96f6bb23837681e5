internal import Synchronization

/// Memory of a device. What it holds only the backend that made it can reach.
///
/// `@unchecked Sendable`: the numeric core that writes it is owned by one thread at a time.
open class Storage: @unchecked Sendable {
    /// Values that it holds.
    public let count: Int

    /// For backends.
    public init(count: Int) { self.count = count }

    private static let shared = Atomic<Int>(0)

    /// Bytes of all storages that lie in files. The system counts them as the files' and not as the process's, though they
    /// are read all the time.
    package static var sharedBytes: Int { shared.load(ordering: .relaxed) }

    /// For backends: more or fewer bytes lie in files.
    package static func countShared(_ bytes: Int) { shared.add(bytes, ordering: .relaxed) }
}

/// A handle as the backend made it that it is given to; handles of one device mean nothing to another.
@inlinable
public func ownHandle<Own: AnyObject>(_ handle: AnyObject, as _: Own.Type = Own.self) -> Own {
    guard let own = handle as? Own else {
        preconditionFailure("wanted a \(Own.self), found a handle of another device")
    }
    return own
}

/// Read-only bytes that stay where they are as long as the object lives, such as a mapped file.
public protocol SharedBytes: AnyObject, Sendable {
    /// Lends all bytes; the address is the same in every call.
    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R
}

extension SharedBytes {
    /// How many there are.
    package var byteCount: Int { withBytes(\.count) }
}

/// A part of such bytes.
public struct SharedPart: Sendable {
    /// What it is a part of.
    public let bytes: any SharedBytes
    /// Where it lies.
    public let range: Range<Int>

    /// Names a part; whether it exists is looked at when it is used.
    public init(of bytes: any SharedBytes, range: Range<Int>) {
        self.bytes = bytes
        self.range = range
    }
}
