import ApusNetwork
import Foundation
import Synchronization

/// Brings the files of a listing into the cache.
struct BlobDownload: Sendable {
    let connection: HubConnection
    let folder: RepositoryFolder
    let listing: HubListing
    let meter: ProgressMeter

    private var settings: HubSettings { connection.settings }

    /// Brings all that are missing: small files side by side, then large ones, each in pieces side by side.
    ///
    /// - Throws: The first ``HubError``; the others are stopped, and what they have stays for the next time.
    func fetch(_ files: [HubFile]) async throws(HubError) {
        let missing = files.filter { !folder.has($0, at: listing.commit) }
        try prepare(files, missing)
        let small = missing.filter { $0.size <= settings.pieceSize }
        try await connection.sideBySide(small) { (file) async throws(HubError) in try await fetch(file) }
        for file in missing where file.size > settings.pieceSize { try await fetch(file) }
        meter.begin(.done)
    }

    private func prepare(_ files: [HubFile], _ missing: [HubFile]) throws(HubError) {
        let total = files.reduce(0) { $0 + $1.size }
        let absent = missing.reduce(0) { $0 + $1.size }
        meter.change { progress in
            progress.totalFiles = files.count
            progress.totalBytes = total
            progress.files = files.count - missing.count
            progress.bytes = total - absent
            progress.bytesBefore = progress.bytes
        }
        guard !missing.isEmpty else { return }
        try folder.prepareFolder(of: folder.blobs.appending(path: "any"))
        try checkSpace(for: missing)
    }

    /// Sees that the disk has room for everything before anything is fetched.
    private func checkSpace(for files: [HubFile]) throws(HubError) {
        var needed = 0
        var seen: Set<String> = []
        for file in files
        where seen.insert(file.etag).inserted && RepositoryFolder.size(of: folder.blob(file)) != file.size {
            needed += max(0, file.size - PartialBlob.allocated(file, in: folder))
        }
        let path = folder.blobs.path(percentEncoded: false)
        var status = statvfs()
        guard needed > 0, statvfs(path, &status) == 0 else { return }
        let available = Int(clamping: status.f_bavail) * Int(clamping: status.f_frsize) - settings.reservedSpace
        guard needed > available else { return }
        throw HubError(
            .diskFull,
            "\(listing.name.described) needs \(ByteCount.described(needed)) more and the disk of \(folder.cache.path(percentEncoded: false)) has \(ByteCount.described(max(0, available))); free space or set HF_HUB_CACHE to another disk"
        )
    }

    /// Brings one file, unless another process does so first.
    private func fetch(_ file: HubFile) async throws(HubError) {
        let lockFile = folder.lock(file)
        try folder.prepareFolder(of: lockFile)
        let lock = try await BlobLock.acquire(lockFile, before: connection.deadline) {
            meter.begin(.waiting(file.path))
        }
        defer { withExtendedLifetime(lock) {} }
        if RepositoryFolder.size(of: folder.blob(file)) == file.size {
            meter.add(bytes: file.size)
        } else {
            try await fetchBlob(file)
        }
        try folder.place(file, at: listing.commit)
        meter.finishFile()
    }

    private func fetchBlob(_ file: HubFile) async throws(HubError) {
        let source = FileSource(file, listing, connection)
        var (isFresh, pieceSize) = (false, settings.pieceSize)
        while true {
            let partial = try PartialBlob(file, in: folder, pieceSize: pieceSize, isFresh: isFresh)
            let before = partial.count
            meter.change { progress in
                progress.bytes += before
                progress.bytesBefore += before
                progress.activity = .fetching(file.path)
            }
            do throws(HubError) {
                try await fetchPieces(of: partial, from: source)
            } catch {
                // A server that only sends whole files gets one question for everything.
                guard source.ignoresRanges, partial.pieces.count > 1 else { throw error }
                meter.add(bytes: -partial.count)
                (isFresh, pieceSize) = (true, file.size)
                continue
            }
            if partial.size > settings.pieceSize { meter.begin(.checking(file.path)) }
            let isWhole = await BlockingWork.result { isCancelled in partial.isWhole(file, isCancelled) }
            if try isWhole.get() { return try partial.commit(to: folder.blob(file)) }
            partial.remove()
            meter.add(bytes: -partial.size)
            // What an earlier download left may be damaged: that gets a second try from the beginning.
            guard before > 0, !isFresh else { throw wrongContent(file) }
            isFresh = true
        }
    }

    private func wrongContent(_ file: HubFile) -> HubError {
        HubError(
            .wrongContent,
            "what came as '\(file.path)' of \(listing.name.described) has another checksum than the hub says; try again, or another HF_ENDPOINT"
        )
    }

    private func fetchPieces(of partial: PartialBlob, from source: FileSource) async throws(HubError) {
        let pieces = partial.pieces.filter { partial.count(of: $0) < $0.range.count }
        guard !pieces.isEmpty else { return }
        // Once for all pieces.
        try await connection.retrying(about: source.subject) { () async throws(HubTrouble) in try await source.locate()
        }
        try await connection.sideBySide(pieces) { (piece) async throws(HubError) in
            try await fetch(piece, of: partial, from: source)
        }
    }

    private func fetch(
        _ piece: PartialBlob.Piece, of partial: PartialBlob, from source: FileSource
    ) async throws(HubError) {
        try await connection.retrying(about: source.subject, progress: { partial.count(of: piece) }) {
            () async throws(HubTrouble) in
            let isRanged = partial.pieces.count > 1 || partial.count(of: piece) > 0
            do throws(HubTrouble) {
                try await source.read(piece, into: partial, meter)
            } catch {
                // One whole file instead: what is there of it is worth nothing then.
                guard isRanged, error.error.code == .badAnswer, source.ignoresRanges, partial.pieces.count == 1 else {
                    throw error
                }
                meter.add(bytes: -partial.count)
                partial.reset()
                try await source.read(piece, into: partial, meter)
            }
        }
    }
}
