/// One setting as the user wrote it.
struct WrittenSetting: Equatable, Sendable {
    /// Where it stands, for the front of a message.
    enum Place: Equatable, Sendable {
        case file(String, line: Int?)
        case commandLine
    }

    var name: String
    var value: RawValue
    var place: Place

    /// `recipe.yaml:12: learning_rate` or `--learning_rate`.
    var label: String { prefix + name }

    /// What stands before the name in a message: the place, or the dashes of the command line.
    var prefix: String {
        switch place {
        case .file(let file, let line?): "\(file):\(line): "
        case .file(let file, nil): "\(file): "
        case .commandLine: "--"
        }
    }
}

/// A configuration that cannot be run: one line with the place, the setting, what was wanted and what was found.
struct SettingError: Error, CustomStringConvertible, Equatable {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    init(_ setting: WrittenSetting, _ problem: String) {
        self.description = "\(setting.label): \(problem)"
    }
}
