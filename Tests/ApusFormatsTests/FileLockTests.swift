import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@Suite struct FileLockTests {
    @Test func oneHasItAtATime() throws {
        let folder = try TemporaryFolder()
        let path = folder.url.appending(path: "lock").path
        let first = try #require(try FileLock.attempt(path))
        #expect(try FileLock.attempt(path) == nil)
        withExtendedLifetime(first) {}
    }

    /// A child between its making and its program has every file of its parent, whatever is to be closed for the program: the
    /// lock must be free without it.
    @Test func aChildDoesNotKeepIt() throws {
        let folder = try TemporaryFolder()
        let path = folder.url.appending(path: "lock").path
        var first = try FileLock.attempt(path)
        let ofChild = dup(try #require(first).descriptor)
        defer { close(ofChild) }
        first = nil
        #expect(try FileLock.attempt(path) != nil)
    }

    @Test func aFileThatIsGoneIsNoLock() throws {
        let folder = try TemporaryFolder()
        let path = folder.url.appending(path: "lock").path
        let lock = try #require(try FileLock.attempt(path))
        #expect(lock.isNamed)
        #expect(unlink(path) == 0 && !lock.isNamed)
    }

    @Test(arguments: [("missing/lock", POSIXErrorCode.ENOENT), ("link", .ELOOP), ("folder", .EISDIR)])
    func whatCannotBeOpenedIsSaid(name: String, code: POSIXErrorCode) throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createSymbolicLink(
            atPath: folder.url.appending(path: "link").path, withDestinationPath: "elsewhere")
        try FileManager.default.createDirectory(
            at: folder.url.appending(path: "folder"), withIntermediateDirectories: false)
        let error = #expect(throws: POSIXError.self) {
            try FileLock.attempt(folder.url.appending(path: name).path)
        }
        #expect(error?.code == code)
    }
}
