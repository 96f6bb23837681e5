import ApusFormats
import Foundation
import Synchronization

/// A blob on its way: a file of its full size, and beside it a record of which bytes of it are there.
///
/// The names are not those of `huggingface_hub`: older releases of it append to `<etag>.incomplete`, and would take a file
/// with holes for a whole one. The endings are, so that its tools clean up what nobody finished.
///
/// The record is written after the bytes, so that a process may be killed at any time. What a failing disk or power supply
/// leaves is found by the checksum at the end.
final class PartialBlob: Sendable {
    /// One piece of the file, fetched by one connection at a time.
    struct Piece: Sendable {
        var index: Int
        var range: Range<Int>
    }

    let data: URL
    private let recordFile: URL
    let descriptor: Int32
    private let record: Int32
    let size: Int
    let pieces: [Piece]
    /// Bytes that are there from each piece's beginning on.
    private let done: Mutex<[Int]>

    private static let mark = "APUSPART"

    /// Opens what an earlier download left, or begins a new file.
    ///
    /// - Parameter isFresh: whether what is left is thrown away.
    /// - Throws: ``HubError`` with code `diskFull` or `unwritable`.
    init(_ file: HubFile, in folder: RepositoryFolder, pieceSize: Int, isFresh: Bool = false) throws(HubError) {
        data = folder.blobs.appending(path: "\(file.etag).apus.incomplete", directoryHint: .notDirectory)
        recordFile = folder.blobs.appending(path: "\(file.etag).pieces.apus.incomplete", directoryHint: .notDirectory)
        size = file.size
        let path = data.path(percentEncoded: false)
        // A record without its file, or of a file of another size, says nothing.
        let isThere = !isFresh && RepositoryFolder.size(of: data) == file.size
        if !isThere {
            unlink(recordFile.path(percentEncoded: false))
            unlink(path)
        }
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw .system(errno, path, "cannot be written") }
        guard ftruncate(descriptor, off_t(file.size)) == 0 else {
            let number = errno
            close(descriptor)
            throw .system(number, path, "cannot be written")
        }
        record = open(recordFile.path(percentEncoded: false), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard record >= 0 else {
            let number = errno
            close(descriptor)
            throw .system(number, path, "cannot be written")
        }
        let stored = Self.stored(record, size: file.size)
        let pieceSize = stored?.pieceSize ?? max(pieceSize, 1)
        pieces = stride(from: 0, to: file.size, by: pieceSize).enumerated().map { index, start in
            Piece(index: index, range: start..<min(start + pieceSize, file.size))
        }
        let counts = pieces.map { piece in
            min(max(stored?.counts[safe: piece.index] ?? 0, 0), piece.range.count)
        }
        done = Mutex(counts)
        if stored == nil { Self.begin(record, pieceSize: pieceSize) }
    }

    deinit {
        close(descriptor)
        close(record)
    }

    /// Bytes that are there.
    var count: Int { done.withLock { $0.reduce(0, +) } }

    /// Bytes of one piece that are there.
    func count(of piece: Piece) -> Int { done.withLock { $0[piece.index] } }

    /// Notes that bytes were written at the end of what a piece has.
    func add(_ count: Int, to piece: Piece) {
        done.withLock { done in
            done[piece.index] = min(done[piece.index] + count, piece.range.count)
            Self.write([UInt64(done[piece.index])], to: record, at: 16 + 8 * piece.index)
        }
    }

    /// Forgets what is there.
    func reset() {
        done.withLock { done in
            done = done.map { _ in 0 }
            Self.write(done.map { UInt64($0) }, to: record, at: 16)
        }
    }

    /// Throws the files away.
    func remove() {
        unlink(data.path(percentEncoded: false))
        unlink(recordFile.path(percentEncoded: false))
    }

    /// Puts the bytes on disk and gives the file its name.
    ///
    /// - Throws: ``HubError`` with code `diskFull` or `unwritable`.
    func commit(to blob: URL) throws(HubError) {
        let path = blob.path(percentEncoded: false)
        guard fsync(descriptor) == 0, rename(data.path(percentEncoded: false), path) == 0 else {
            throw .system(errno, path, "cannot be written")
        }
        unlink(recordFile.path(percentEncoded: false))
        try? synchronizeFile(blob.deletingLastPathComponent().path(percentEncoded: false))
    }

    // MARK: The record: a mark of 8 bytes, the size of a piece, and of every piece the bytes that are there, 8 bytes each.

    private static func stored(_ record: Int32, size: Int) -> (pieceSize: Int, counts: [Int])? {
        var status = stat()
        guard fstat(record, &status) == 0, status.st_size >= 16, status.st_size < 1 << 24 else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let count = bytes.withUnsafeMutableBytes { pread(record, $0.baseAddress, $0.count, 0) }
        guard count == bytes.count, bytes.prefix(8).elementsEqual(mark.utf8) else { return nil }
        let words = stride(from: 8, through: bytes.count - 8, by: 8).map { start in
            bytes[start..<start + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        let numbers = words.map { Int(clamping: $0) }
        guard let pieceSize = numbers.first, pieceSize > 0, size / pieceSize < 1 << 20 else { return nil }
        return (pieceSize, Array(numbers.dropFirst()))
    }

    private static func begin(_ record: Int32, pieceSize: Int) {
        _ = ftruncate(record, 0)
        let word = mark.utf8.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        write([word, UInt64(pieceSize)], to: record, at: 0)
    }

    /// A record that cannot be written only makes the next download begin earlier.
    private static func write(_ words: [UInt64], to record: Int32, at offset: Int) {
        _ = words.map(\.littleEndian).withUnsafeBytes { pwrite(record, $0.baseAddress, $0.count, off_t(offset)) }
    }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}

extension PartialBlob {
    /// Bytes of the disk that an earlier download has taken for a file.
    static func allocated(_ file: HubFile, in folder: RepositoryFolder) -> Int {
        let data = folder.blobs.appending(path: "\(file.etag).apus.incomplete", directoryHint: .notDirectory)
        var status = stat()
        guard stat(data.path(percentEncoded: false), &status) == 0 else { return 0 }
        return min(Int(status.st_blocks) * 512, file.size)
    }

    /// Whether the bytes are those that the listing names: by SHA-256 for large files, by git's name for others. Fails with
    /// code `unwritable`, or `cancelled`.
    func isWhole(_ file: HubFile, _ isCancelled: () -> Bool) -> Result<Bool, HubError> {
        do throws(HubError) {
            if let sha256 = file.sha256 {
                var hash = SHA256()
                try read(isCancelled) { hash.update($0) }
                return .success(hash.hexadecimal == sha256)
            }
            // Git's name of a file: SHA-1 of its kind, its size and its content.
            var hash = SHA1()
            hash.update(Array("blob \(size)\0".utf8))
            try read(isCancelled) { hash.update($0) }
            return .success(hash.hexadecimal == file.gitHash)
        } catch { return .failure(error) }
    }

    private func read(_ isCancelled: () -> Bool, _ body: (UnsafeRawBufferPointer) -> Void) throws(HubError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var offset = 0
        while offset < size {
            guard !isCancelled() else { throw .cancelled }
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw .system(count < 0 ? errno : EIO, data.path(percentEncoded: false), "cannot be read")
            }
            body(UnsafeRawBufferPointer(rebasing: buffer.prefix(count)))
            offset += count
        }
    }
}
