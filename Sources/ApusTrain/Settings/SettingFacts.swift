/// Where a setting's name comes from.
package enum SettingOrigin: String, Sendable {
    /// GRPOConfig, SFTConfig, ModelConfig or ScriptArguments of TRL, Transformers' arguments among them.
    case trl = "TRL"
    /// A release of TRL that had it once.
    case olderTRL = "older TRL"
    /// `FastLanguageModel`, or PEFT's arguments that it passes on.
    case unsloth = "Unsloth"
    /// No other program has it.
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
    /// What is trained.
    case modelAndAdapter = "Model and adapter"
    /// On what, and towards what.
    case dataAndRewards = "Data and rewards"
    /// Prompts and completions of an optimizer step, and how many steps there are.
    case stepSize = "Size of a step"
    /// How completions are drawn.
    case sampling = "Sampling"
    /// What the gradient is of.
    case loss = "Loss"
    /// AdamW and the learning rate.
    case optimizer = "Optimizer"
    /// When the model is measured, and on what.
    case evaluation = "Evaluation"
    /// What is told while the run goes on.
    case log = "Log"
    /// What is kept, and what a run goes on from.
    case checkpoints = "Checkpoints"
}

/// Another name of a setting.
package struct SettingAlias: Sendable {
    /// The other key.
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
    /// What it accepts.
    package let kind: SettingKind
    /// One line for the reference.
    package let meaning: String
    /// Where its name comes from.
    package var origin = SettingOrigin.trl
    /// What a change of it means to a continuation.
    package var onResume = ResumeEffect.anotherRun
    /// The chapter of the reference that it stands in.
    package var section = SettingSection.stepSize
    /// Its other names.
    package var aliases: [SettingAlias] = []
    /// Why its default is not TRL's, where it is not.
    package var otherDefault: String?
}
