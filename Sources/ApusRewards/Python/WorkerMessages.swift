import ApusData
import ApusText

/// Asks a worker to load functions; they are called by their index in the list.
struct LoadRequest: Encodable {
    struct Entry: Encodable {
        var file: String?
        var module: String?
        var name: String
    }

    var load: [Entry]
    var memoryLimit: Int?
    var fileLimit: Int
    var processLimit: Int

    private enum CodingKeys: String, CodingKey {
        case load
        case memoryLimit = "memory_limit"
        case fileLimit = "file_limit"
        case processLimit = "process_limit"
    }
}

/// The answer to ``LoadRequest``: how the functions may be called, or which one was refused and why.
struct LoadReply: Decodable {
    var loaded: [String]?
    var refused: Int?
    var reason: String?
}

/// What a worker says when it is there.
struct Greeting: Decodable {
    var python: String
}

/// How a worker's child ended, when it did.
struct EndNotice: Decodable {
    var signal: String?
    var status: Int?
}

/// Asks for the scores of some completions.
struct CallRequest: Encodable {
    var function: Int
    var batch: TransferredBatch
    var stopsAtFirstFailure: Bool

    private enum CodingKeys: String, CodingKey {
        case function
        case stopsAtFirstFailure = "stop_at_first_failure"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(function, forKey: .function)
        try container.encode(stopsAtFirstFailure, forKey: .stopsAtFirstFailure)
        try batch.encode(to: encoder)
    }
}

/// The answer to ``CallRequest``. Without scores, all completions failed.
struct CallReply: Decodable {
    struct Failure: Decodable {
        var sample: Int?
        var reason: String
    }

    var scores: [Double?]?
    var failures: [Failure]
    var metrics: [String: [Double?]]?
    var extra: [String: [JSONValue]]?
    var call: String?
}
