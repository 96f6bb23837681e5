import ApusFormats
import Foundation

/// Why a model or dataset could not be brought here or taken there, in one line: what was wanted, what was found, what to do.
public struct HubError: Error, CustomStringConvertible, Equatable, Sendable {
    /// What kind of trouble it is, for callers that act on it.
    public enum Code: Equatable, Sendable {
        /// The name breaks the hub's rules.
        case badName
        /// There is no such repository, or nobody without the right token sees it.
        case missingRepository
        /// The repository has no such branch, tag or commit.
        case missingRevision
        /// The repository has no such file.
        case missingFile
        /// Terms have to be accepted first.
        case gated
        /// The token is refused, or does not allow this.
        case unauthorized
        /// The server asks for fewer requests.
        case rateLimited
        /// The server cannot be reached, or fails.
        case unavailable
        /// Nothing, or too little, came for too long.
        case stalled
        /// The network may not be used, and the cache lacks something.
        case offline
        /// The disk has not enough room.
        case diskFull
        /// A file cannot be written or read.
        case unwritable
        /// What came is not what the listing says.
        case wrongContent
        /// A name in a listing or a place in the cache leads elsewhere.
        case unsafePath
        /// The answer is not the hub's.
        case badAnswer
        /// The repository has nothing of what is wanted in a form that can be used.
        case unsupported
        /// What is to be pushed has no files, or some that cannot be.
        case badFolder
        /// Somebody else changes the repository at the same time.
        case conflict
        /// The task was cancelled.
        case cancelled
    }

    /// The kind of trouble.
    public let code: Code
    /// What was wanted, what was found and what to do, in one line.
    public let description: String

    /// Creates an error; line breaks and other control characters that came from a server are shown escaped.
    public init(_ code: Code, _ message: String) {
        self.code = code
        // The file's name is the only part of the one error that escapes and shortens texts from elsewhere.
        description = FormatError(.malformed, file: "", message).message
    }

    static let cancelled = HubError(.cancelled, "the download was cancelled; the next one goes on from where it was")
}

extension HubError {
    /// The error of a system call that failed on a file.
    static func system(_ number: Int32, _ path: String, _ action: String) -> HubError {
        switch number {
        case ENOSPC, EDQUOT:
            HubError(.diskFull, "\(path) \(action): no space left on the device; free space and run it again")
        default: HubError(.unwritable, "\(path) \(action): \(String(cString: strerror(number)).lowercased())")
        }
    }

    /// The error of a Foundation call that failed on a file.
    static func file(_ error: any Error, _ path: String, _ action: String) -> HubError {
        let reason = fileErrorReason(error)
        if reason == "no space left on the device" { return .system(ENOSPC, path, action) }
        return HubError(.unwritable, "\(path) \(action): \(reason)")
    }
}

extension HubError {
    /// The same without the token, which a server may repeat.
    func hiding(_ token: String?) -> HubError {
        guard let token, description.contains(token) else { return self }
        return HubError(code, description.replacing(token, with: "…"))
    }
}

/// Sizes for people.
enum ByteCount {
    /// Such as `3.4 GB`, in powers of ten as the hub shows them.
    static func described(_ bytes: Int) -> String {
        var (tenths, unit) = (bytes, 0)
        let units = ["B", "kB", "MB", "GB", "TB"]
        guard bytes >= 1000 else { return "\(bytes) B" }
        tenths = bytes / 100
        unit = 1
        while tenths >= 10_000, unit < units.count - 1 { (tenths, unit) = (tenths / 1000, unit + 1) }
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
