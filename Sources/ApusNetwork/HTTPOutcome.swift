import CTransfer
package import Foundation

/// The beginning of an answer: the status and the header fields.
package struct HTTPHead: Sendable, Equatable {
    /// The status, such as 200; 0 when nothing came.
    package var status: Int
    private var fields: [String: String] = [:]

    /// Reads the lines of a head; what is no field is passed over.
    package init(status: Int, lines: String) {
        self.status = status
        for line in lines.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let name = line[..<colon].lowercased()
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            // As RFC 9110 joins fields that come more than once.
            fields[name] = fields[name].map { "\($0), \(value)" } ?? value
        }
    }

    /// The value of a field, whatever the case of its name.
    package subscript(name: String) -> String? { fields[name.lowercased()] }
}

/// What became of an exchange.
package struct HTTPOutcome: Sendable {
    /// Why an answer is not there, or not whole.
    package enum Failure: Sendable, Equatable {
        /// There is no libcurl.
        case unavailable
        /// The server cannot be reached, or broke off.
        case unreachable(String)
        /// The time was up, or nothing came for too long.
        case timedOut
        /// The answer is longer than it may be.
        case tooLarge
        /// The task was cancelled.
        case cancelled
        /// The file cannot be written or read, by the system's number.
        case file(errno: Int32)
    }

    /// Nil when the whole answer is there.
    package var failure: Failure?
    /// Status and header fields, as far as they came.
    package var head: HTTPHead
    /// The answer, as far as it did not go into a file.
    package var data: Data
    /// Where a redirection points to.
    package var location: String?
    /// Bytes that went into the file.
    package var written: Int

    init(_ response: transfer_response) {
        failure = Self.failure(of: response)
        let lines = response.head.map { UnsafeRawBufferPointer(start: $0, count: response.head_size) }
        head = HTTPHead(status: response.status, lines: lines.map { String(decoding: $0, as: UTF8.self) } ?? "")
        data = response.data.map { Data(bytes: $0, count: response.size) } ?? Data()
        location = response.location.map { String(cString: $0) }
        written = Int(response.written)
    }

    private static func failure(of response: transfer_response) -> Failure? {
        switch response.outcome {
        case TRANSFER_OK: nil
        case TRANSFER_UNAVAILABLE: .unavailable
        case TRANSFER_TIMED_OUT: .timedOut
        case TRANSFER_TOO_LARGE: .tooLarge
        case TRANSFER_CANCELLED: .cancelled
        case TRANSFER_FILE_FAILED: .file(errno: response.error)
        default: .unreachable(text(response.problem))
        }
    }

    /// The text in an array of C characters.
    private static func text<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
