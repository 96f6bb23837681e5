import Apus

extension RunConfiguration {
    /// Checks what `reward_funcs` names, and puts in the paths of Python files as they are found: beside the configuration
    /// file first, then in the current folder.
    mutating func resolveRewards(in folder: String?, _ written: WrittenSetting?) throws {
        func complain(_ problem: String) -> SettingError {
            written.map { SettingError($0, problem) } ?? SettingError("reward_funcs: \(problem)")
        }
        guard !settings.rewardFunctions.isEmpty else {
            throw complain("names no reward; choose among \(Self.rewardNames.joined(separator: ", "))")
        }
        for (index, declaration) in settings.rewardFunctions.enumerated() {
            guard declaration.kind != nil else { throw complain(Self.unknown(declaration.name)) }
            do {
                settings.rewardFunctions[index] = try declaration.resolved(in: [folder, ""].compactMap(\.self))
            } catch {
                throw complain(error.description)
            }
        }
    }

    private static var rewardNames: [String] {
        BuiltInRewards.sets.keys.sorted() + BuiltInRewards.names + RewardDeclaration.mathRewards
            + ConfiguredReward.allCases.map(\.rawValue)
    }

    private static func unknown(_ name: String) -> String {
        let suggestion = nearestName(to: name, among: rewardNames).map { "; did you mean \($0)?" }
        let choices = "; choose among \(rewardNames.joined(separator: ", ")), or give file.py:function or http://server"
        return "knows no '\(name)'" + (suggestion ?? choices)
    }

    /// How reward functions in Python are run.
}
