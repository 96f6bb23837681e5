/// Memory of a device. What it holds only the backend that made it can reach.
///
/// `@unchecked Sendable`: the numeric core that writes it is owned by one thread at a time.
open class Storage: @unchecked Sendable {
    /// Values that it holds.
    public let count: Int

    /// For backends.
    public init(count: Int) { self.count = count }
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
    /// Some of them have been copied and will hardly be read again: what memory they take can go.
    func release(_ range: Range<Int>)
}

extension SharedBytes {
    /// How many there are.
    package var byteCount: Int { withBytes(\.count) }

    /// Nothing, where the bytes lie nowhere else.
    public func release(_ range: Range<Int>) {}
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
