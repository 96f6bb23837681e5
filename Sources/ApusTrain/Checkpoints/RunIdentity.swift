import ApusData
import ApusText
import Crypto
import Foundation

/// What a run is made of beside its settings, by key: `apus_state.json` holds it, and a continuation is compared with it.
enum RunIdentity {
    /// Reward functions are compared by these keys and their name: what was declared, and the files and servers behind it.
    static let rewardKey = "reward_funcs."
    static let rewardFileKey = "reward_file."
    static let rewardServerKey = "reward_server."

    /// The entries of a run.
    static func entries(
        policy: any Policy, dataset: Dataset, rewards: [any RewardFunction]
    ) -> [String: JSONValue] {
        var entries = policy.identity
        entries["code_version"] = .string(CodeVersion.current)
        entries["dataset"] = .string(digest(of: dataset))
        entries["reward_funcs"] = .array(rewards.map { .string($0.name) })
        for reward in rewards {
            let identity = reward.identity
            entries[rewardKey + reward.name] = identity.definition
            entries[rewardServerKey + reward.name] = identity.server.map { .string($0.absoluteString) }
            // The path does not count: a run may be continued from another place.
            let hash = identity.file.flatMap { try? FileDigest.sha256(of: $0).hex }
            entries[rewardFileKey + reward.name] = hash.map { .string("sha256 \($0.prefix(16))") }
        }
        return entries
    }

    /// The number of rows and the beginning of the SHA-256 of what they hold, whatever file they came from.
    static func digest(of dataset: Dataset) -> String {
        var hash = DatasetHash()
        for sample in dataset.samples { hash.add(sample) }
        return "\(dataset.count) rows, sha256 \(hash.finish())"
    }
}

/// Hashes rows in a form in which no two different rows look the same: every part is preceded by its kind and its length.
private struct DatasetHash {
    private var hash = SHA256()

    mutating func add(_ sample: Sample) {
        switch sample.prompt {
        case .text(let text): add("p", text)
        case .messages(let messages):
            add("m", messages.count)
            for message in messages {
                add("r", message.role)
                add("c", message.content)
            }
        }
        add(.object(sample.columns))
    }

    func finish() -> String { FileDigest.hexadecimal(hash.finalize().prefix(8)) }

    private mutating func add(_ value: JSONValue) {
        switch value {
        case .null: add("0", 0)
        case .bool(let flag): add("b", flag ? 1 : 0)
        case .number(let number): add("n", Int(bitPattern: UInt(number.bitPattern)))
        case .string(let text): add("s", text)
        case .array(let items):
            add("a", items.count)
            for item in items { add(item) }
        case .object(let members):
            add("o", members.count)
            for (key, item) in members.sorted(by: { $0.key < $1.key }) {
                add("k", key)
                add(item)
            }
        }
    }

    private mutating func add(_ kind: Character, _ text: String) {
        let bytes = Data(text.utf8)
        add(kind, bytes.count)
        hash.update(data: bytes)
    }

    private mutating func add(_ kind: Character, _ number: Int) {
        hash.update(data: Data("\(kind)\(number);".utf8))
    }
}
