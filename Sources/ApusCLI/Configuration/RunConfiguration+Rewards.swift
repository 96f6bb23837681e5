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
        BuiltInRewards.sets.keys.sorted() + BuiltInRewards.names + ConfiguredReward.allCases.map(\.rawValue)
    }

    /// Names that TRL's own command has and that are refused, and what to give in their place.
    private static let refusedNames = [
        "accuracy_reward": "compares LaTeX with the package math_verify",
        "reasoning_accuracy_reward": "compares LaTeX with the package math_verify",
    ]

    private static func unknown(_ name: String) -> String {
        if let reason = refusedNames[name] {
            return
                "'\(name)' is refused: it \(reason); for answers that are numbers give numeric_answer or {name: numeric}, else "
                + "a function of your own as file.py:function"
        }
        let suggestion = nearestName(to: name, among: rewardNames).map { "; did you mean \($0)?" }
        let choices = "; choose among \(rewardNames.joined(separator: ", ")), or give file.py:function or http://server"
        return "knows no '\(name)'" + (suggestion ?? choices)
    }

    /// How reward functions in Python are run.
    var pythonOptions: PythonOptions {
        PythonOptions(
            interpreter: settings.python, workers: settings.rewardWorkers,
            timeout: .seconds(within: settings.rewardTimeout),
            memoryLimit: settings.rewardMemoryLimit > 0
                ? (settings.rewardMemoryLimit * 0x1p30).wholeNumber(in: 1...1 << 62) : nil,
            loadTimeout: .seconds(within: max(120, settings.rewardTimeout)),
            onOutput: { Terminal.printReward($0) })
    }
}
