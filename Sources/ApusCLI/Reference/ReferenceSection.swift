import Apus

/// The prose around a chapter's table of settings in docs/configuration.md.
struct ReferenceSection: Sendable {
    let section: SettingSection
    var before = ""
    var after = ""
}

/// What stands in docs/configuration.md beside what the declarations of the settings say by themselves.
enum ReferenceText {
    static let prose = [dataAndRewards, stepSize, sampling, loss, evaluation, log, checkpoints]

    /// The chapters in their order.
    static var sections: [ReferenceSection] {
        SettingSection.allCases.map { section in
            prose.first { $0.section == section } ?? ReferenceSection(section: section)
        }
    }

    static let introduction = """
        # Configuration

        A run is described by one YAML file of `name: value` lines, by options, or by both; options win.

            apus train Recipes/arithmetic.yaml --model models/SmolLM2-135M-Instruct.Q4_1.gguf --max_steps 20
            apus train run.yaml --learning-rate=1e-5      # the same as --learning_rate 1e-5
            apus train run.yaml --reward_funcs tutorial numeric_answer
            apus train run.yaml --dry-run                 # every setting with its value, and the memory it will take

        Names are those of TRL's `GRPOConfig`, `ModelConfig` and `ScriptArguments`, so that a file written for
        `trl grpo --config` works here. A name that nobody knows is refused with the nearest one; a value of the wrong type is
        refused with its file and line; both before anything is loaded. `null` (or Python's `None`) means the default.

        This page is printed by `apus reference`, from the table that the program itself uses.

        """

    static let otherDefaults = """
        ## Defaults that are not TRL's

        Every other setting that TRL has too has TRL 1.16's default.

        """

    static let parameters =
        "each of its keys is a setting of its own: those of a sampler count, and what would change what is sampled is refused "
        + "by name"

    static let accepted = """
        ## Accepted without effect

        These say how other programs do what Apus does in its own way. A value that asks for what happens anyway passes in
        silence; any other is accepted with a line on standard error. A `*` stands for the rest of a name.

        """

    static let refused = """
        ## Refused

        Each is accepted with the value that asks for nothing, and refused otherwise, because the result would not be what was
        asked for.

        """
}
