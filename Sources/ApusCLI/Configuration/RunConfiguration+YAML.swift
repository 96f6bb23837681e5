import Apus

extension RunConfiguration {
    /// Every setting with its value, as a file that resolves to this same configuration. JSON is YAML, so the encoder's
    /// quoting serves.
    var yaml: String {
        get throws {
            let values = settings.members.merging(trainer.members) { own, _ in own }
            return try SettingTable.rows.compactMap { row in
                switch row.treatment {
                case .trainer, .run: "\(row.name): \(try JSONLine.encode(values[row.name] ?? .null))\n"
                default: nil
                }
            }.joined()
        }
    }
}
