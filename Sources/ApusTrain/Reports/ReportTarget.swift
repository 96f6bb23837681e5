import ApusData

/// Where metrics go beside `metrics.jsonl` (`report_to`).
public enum ReportTarget: String, Codable, Sendable, SettingChoice {
    /// Event files for TensorBoard.
    case tensorboard

    /// Reads `report_to` as TRL takes it: one name or a list, where `none` is nothing and `all` is everything there is.
    /// - Returns: an array of this type's names, without repetitions.
    /// - Throws: ``ConfigurationError`` for a program that Apus does not write for, with the way to go.
    static func names(_ value: JSONValue) throws(ConfigurationError) -> JSONValue {
        var found: [ReportTarget] = []
        for item in value.array ?? [value] {
            guard let text = item.string else {
                throw ConfigurationError(
                    key: "report_to", value: item.shown, rule: "must be tensorboard, none, all, or a list of these")
            }
            switch text {
            case "none": continue
            case "all": found += allCases
            case "wandb": throw ConfigurationError(key: "report_to", value: "'wandb'", rule: weightsAndBiases)
            default:
                guard let target = ReportTarget(rawValue: text) else {
                    throw ConfigurationError(
                        key: "report_to", value: "'\(text)'",
                        rule: "is not supported: choose tensorboard, none or all; metrics.jsonl is always written")
                }
                found.append(target)
            }
        }
        return .array(allCases.filter(found.contains).map { .string($0.rawValue) })
    }

    /// A `.wandb` file holds messages whose definition belongs to the `wandb` package and changes with it.
    private static let weightsAndBiases =
        "is not written: its run files are the wandb package's own; leave it out, and Scripts/wandb_import.py takes "
        + "metrics.jsonl to Weights & Biases, offline too"
}
