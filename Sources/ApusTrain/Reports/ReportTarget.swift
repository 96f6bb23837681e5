import ApusData

/// Where metrics go beside `metrics.jsonl` (`report_to`).
public enum ReportTarget: String, Codable, Sendable, SettingChoice {
    /// Event files for TensorBoard.
    case tensorboard
    /// Weights & Biases, through its Python package, as the others below.
    case wandb
    /// Trackio.
    case trackio
    /// MLflow.
    case mlflow
    /// SwanLab.
    case swanlab
    /// Comet.
    case comet = "comet_ml"

    /// Reads `report_to` as TRL takes it: one name or a list, where `none` is nothing and `all` is what needs no package.
    /// - Returns: an array of this type's names, without repetitions.
    /// - Throws: ``ConfigurationError`` for a program that Apus does not write for, with the way to go.
    static func names(_ value: JSONValue) throws(ConfigurationError) -> JSONValue {
        var found: [ReportTarget] = []
        for item in value.array ?? [value] {
            guard let text = item.string else {
                throw ConfigurationError(
                    key: "report_to", value: item.shown, rule: "must be one of \(words), none, all, or a list of these")
            }
            switch text {
            case "none": continue
            case "all": found.append(.tensorboard)
            default:
                guard let target = ReportTarget(rawValue: text) else {
                    throw ConfigurationError(
                        key: "report_to", value: "'\(text)'",
                        rule: "is not supported: choose \(words), none or all; metrics.jsonl is always written")
                }
                found.append(target)
            }
        }
        return .array(allCases.filter(found.contains).map { .string($0.rawValue) })
    }

    private static let words = allCases.map(\.rawValue).joined(separator: ", ")
}
