import ApusFormats
import Foundation

/// Where the bytes of a file are that is pushed.
enum PushSource: Sendable, Equatable {
    /// A file by its path without links, and what it was when it was looked at.
    case file(String, FileStamp)
    /// Memory.
    case data(Data)

    /// In bytes.
    var size: Int {
        switch self {
        case .file(_, let stamp): stamp.size
        case .data(let data): data.count
        }
    }
}

/// What changes when a file does.
struct FileStamp: Sendable, Equatable {
    let size: Int
    private let device: UInt64
    private let number: UInt64
    private let seconds: Int
    private let nanoseconds: Int

    init(_ status: stat) {
        size = Int(status.st_size)
        device = UInt64(status.st_dev)
        number = UInt64(status.st_ino)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}

/// A file that is read while it is pushed.
final class PushReader: Sendable {
    /// Of the open file; -1 for memory.
    let descriptor: Int32
    let file: PushFolder.File

    /// Opens a file, which has to be the one that was looked at.
    ///
    /// - Throws: ``HubError`` with code `badFolder`.
    init(_ file: PushFolder.File) throws(HubError) {
        self.file = file
        guard case .file(let path, _) = file.source else {
            descriptor = -1
            return
        }
        // A pipe that was put in its place must not stop us.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw HubError(
                .badFolder,
                "\(path) cannot be read: \(String(cString: strerror(errno)).lowercased()); nothing was changed")
        }
        try checkUnchanged()
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Sees that the file is what it was.
    ///
    /// - Throws: ``HubError`` with code `badFolder`.
    func checkUnchanged() throws(HubError) {
        guard case .file(let path, let stamp) = file.source else { return }
        var status = stat()
        guard fstat(descriptor, &status) == 0, FileStamp(status) == stamp else {
            throw HubError(.badFolder, "\(path) changed while it was pushed; wait until nothing writes to it")
        }
    }

    /// Reads everything, piece by piece.
    ///
    /// - Parameters:
    ///   - count: bytes of a piece.
    ///   - body: is given every piece; false ends it.
    /// - Throws: ``HubError`` with code `badFolder` when there is less than there was.
    func read(by count: Int, _ body: (Data) throws(HubError) -> Bool) throws(HubError) {
        var offset = 0
        while offset < file.size {
            let wanted = min(count, file.size - offset)
            guard try body(try piece(at: offset, wanted)) else { return }
            offset += wanted
        }
    }

    /// The beginning of the file.
    ///
    /// - Throws: ``HubError`` with code `badFolder`.
    func beginning(_ count: Int) throws(HubError) -> Data { try piece(at: 0, min(count, file.size)) }

    private func piece(at offset: Int, _ wanted: Int) throws(HubError) -> Data {
        if case .data(let data) = file.source {
            return data.subdata(in: data.startIndex + offset..<data.startIndex + offset + wanted)
        }
        var piece = Data(count: wanted)
        var done = 0
        while done < wanted {
            let rest = wanted - done
            let place = off_t(offset + done)
            // The system call takes an address: that of the bytes of the piece that are not filled yet.
            let got = piece.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress?.advanced(by: done), rest, place)
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else {
                throw HubError(.badFolder, "'\(file.path)' cannot be read to its end; see whether the disk is in order")
            }
            done += got
        }
        return piece
    }

    /// The checksum by which the hub knows a file: SHA-256 of a large one, git's SHA-1 of a small one.
    ///
    /// - Throws: ``HubError`` with code `badFolder` or `cancelled`.
    func checksum(isLarge: Bool) async throws(HubError) -> String {
        let result = await BlockingWork.result { isCancelled in
            Result { () throws(HubError) in
                var (large, small) = (SHA256(), SHA1())
                small.update(Data("blob \(self.file.size)\0".utf8))
                try self.read(by: 1 << 20) { (piece) throws(HubError) in
                    if isLarge { large.update(piece) } else { small.update(piece) }
                    return !isCancelled()
                }
                if isCancelled() { throw HubError.cancelled }
                try self.checkUnchanged()
                return isLarge ? large.hexadecimal : small.hexadecimal
            }
        }
        return try result.get()
    }
}
