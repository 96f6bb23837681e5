import ApusData
import Foundation

extension [String: JSONValue] {
    /// Keys and values of a configuration as they are written.
    init(settingsOf configuration: some Encodable) {
        guard let data = try? JSONEncoder().encode(configuration),
            let tree = try? JSONDecoder().decode(Self.self, from: data)
        else { preconditionFailure("a configuration always has a JSON form") }
        self = tree
    }
}
