import Apus

extension SettingTable {
    /// The value of every supported key when nobody gives one.
    static let defaults: [String: JSONValue] = RunSettings().members.merging(GRPOConfiguration().members) { own, _ in
        own
    }

    /// TRL's keys whose default is another one here, and why.
    static let otherDefaults: [String: String] = facts.compactMapValues(\.otherDefault)
}
