package import Apus
import Foundation

extension RewardDeclaration: SettingValue {
    package init?(setting: JSONValue) {
        guard let data = try? JSONEncoder().encode(setting),
            let value = try? JSONDecoder().decode(RewardDeclaration.self, from: data)
        else { return nil }
        self = value
    }

    package var setting: JSONValue {
        (try? JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(self))) ?? .null
    }
}
