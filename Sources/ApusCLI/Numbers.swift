import Foundation

/// A number with so many digits after the point, as it is shown to people.
func fixed(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
}

/// A small number such as a learning rate: `5e-06`.
func scientific(_ value: Double) -> String {
    String(format: "%.2g", value)
}

/// A number without needless digits: `32`, `0.5`.
func compact(_ value: Double) -> String {
    String(format: "%g", value)
}

/// A length of time in at most two units: `41 s`, `2 min 05 s`, `3 h 12 min`.
func timeSpan(_ seconds: Double) -> String {
    let total = seconds.rounded().wholeNumber(in: 0...Int(Int32.max))
    if total < 60 { return "\(total) s" }
    if total < 3600 { return String(format: "%d min %02d s", total / 60, total % 60) }
    return String(format: "%d h %02d min", total / 3600, total / 60 % 60)
}

extension Duration {
    /// The duration as a number of seconds.
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}

/// One line of JSON, as every `--json` prints it.
enum JSONLine {
    static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
