/// Where a setting's name comes from.
package enum SettingOrigin: String, Sendable {
    case trl = "TRL"
    case olderTRL = "older TRL"
    case unsloth = "Unsloth"
    case apus = "Apus"
}

/// What it means that a continuation has another value than the run that it continues.
package enum ResumeEffect: Sendable {
    /// Nothing: no result depends on it.
    case nothing
    /// A line says so: the user may change it, and leaves the path of the run that was not stopped.
    case notice
    /// It is another run, which is refused unless it is forced.
    case anotherRun
}

/// The chapters of docs/configuration.md, in its order.
package enum SettingSection: String, Sendable, CaseIterable {
    case modelAndAdapter = "Model and adapter"
    case dataAndRewards = "Data and rewards"
    case stepSize = "Size of a step"
    case sampling = "Sampling"
    case loss = "Loss"
    case optimizer = "Optimizer"
    case evaluation = "Evaluation"
    case log = "Log"
    case checkpoints = "Checkpoints"
}

/// Another name of a setting.
package struct SettingAlias: Sendable {
    package let name: String
    /// What to say when it is used, where it means something else elsewhere.
    package let notice: String?
    /// Whether it counts only where the setting itself is not given.
    package let isFallback: Bool
}

/// All that is known of a setting beside what the code does with its value.
package struct SettingFacts: Sendable {
    /// The key in a configuration file.
    package let key: String
    package let kind: SettingKind
    /// One line for the reference.
    package let meaning: String
    package var origin = SettingOrigin.trl
    package var onResume = ResumeEffect.anotherRun
    package var section = SettingSection.stepSize
    package var aliases: [SettingAlias] = []
    /// Why its default is not TRL's, where it is not.
    package var otherDefault: String?
}
