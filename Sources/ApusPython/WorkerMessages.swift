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
