import ApusData

/// The scores of a batch. Without scores, all completions failed.
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
