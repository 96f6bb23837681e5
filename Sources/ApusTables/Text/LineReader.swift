import Foundation

/// Reads a text file line by line without holding the file: lines end at LF or CRLF, a byte order mark is skipped.
struct LineReader {
    /// One line without its line break, and its number counted from 1.
    struct Line {
        let number: Int
        let bytes: ArraySlice<UInt8>
        /// Whether CRLF ended it.
        let endsWithCarriageReturn: Bool
    }

    private static let chunkSize = 1 << 18
    private let file: String
    /// Nil for bytes that are at hand.
    private let handle: FileHandle?
    private var buffer: [UInt8] = []
    private var start = 0
    private var number = 0
    private var isAtEnd = false

    init(path: String) throws(DataError) {
        file = path
        handle = try Self.open(path)
        try fill()
        try skipByteOrderMark()
    }

    /// Lines of bytes that are at hand.
    init(bytes: [UInt8], file: String) throws(DataError) {
        self.file = file
        handle = nil
        buffer = bytes
        isAtEnd = true
        try skipByteOrderMark()
    }

    /// The next line; nil after the last one.
    mutating func next() throws(DataError) -> Line? {
        var scanned = start
        while true {
            if let end = buffer[scanned...].firstIndex(of: UInt8(ascii: "\n")) { return line(upTo: end, next: end + 1) }
            if isAtEnd { return start < buffer.count ? line(upTo: buffer.count, next: buffer.count) : nil }
            // Only the new bytes are searched again: a line of many megabytes stays linear.
            scanned = buffer.count - start
            try fill()
        }
    }

    /// The first byte of the next lines that is no white space; nil where nothing else is left.
    mutating func peek() throws(DataError) -> UInt8? {
        var scanned = start
        while true {
            if let byte = buffer[scanned...].first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) { return byte }
            if isAtEnd { return nil }
            scanned = buffer.count - start
            try fill()
        }
    }

    /// All bytes that no line has been made of yet.
    mutating func rest() throws(DataError) -> [UInt8] {
        while !isAtEnd { try fill() }
        return Array(buffer[start...])
    }

    private mutating func line(upTo end: Int, next: Int) -> Line {
        number += 1
        var bytes = buffer[start..<end]
        let endsWithCarriageReturn = bytes.last == UInt8(ascii: "\r")
        if endsWithCarriageReturn { bytes.removeLast() }
        start = next
        return Line(number: number, bytes: bytes, endsWithCarriageReturn: endsWithCarriageReturn)
    }

    /// Drops the lines already handed out and appends the next chunk.
    private mutating func fill() throws(DataError) {
        buffer.removeFirst(start)
        start = 0
        do {
            let chunk = try handle?.read(upToCount: Self.chunkSize) ?? Data()
            isAtEnd = chunk.isEmpty
            buffer.append(contentsOf: chunk)
        } catch {
            throw DataError(.unreadable, file: file, message: "wanted to read on, found \("\(error)".onOneLine)")
        }
    }

    private mutating func skipByteOrderMark() throws(DataError) {
        if buffer.starts(with: [0xEF, 0xBB, 0xBF]) {
            start = 3
        } else if buffer.starts(with: [0xFF, 0xFE]) || buffer.starts(with: [0xFE, 0xFF]) {
            throw DataError(.invalidText, file: file, message: "wanted UTF-8, found UTF-16; save the file as UTF-8")
        }
    }

    private static func open(_ path: String) throws(DataError) -> FileHandle {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw DataError(.unreadable, file: path, message: "wanted a data file, found nothing; check the path")
        }
        guard !isDirectory.boolValue else {
            throw DataError(.unreadable, file: path, message: "wanted a data file, found a folder; name a file in it")
        }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw DataError(.unreadable, file: path, message: "wanted a readable file, found no permission to read it")
        }
        return handle
    }
}
