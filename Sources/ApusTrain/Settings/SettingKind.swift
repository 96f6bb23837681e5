package import ApusData
internal import ApusTensor

/// What a setting accepts.
package enum SettingKind: Equatable, Sendable {
    /// A whole number.
    case integer(NumberBounds)
    /// A number.
    case number(NumberBounds)
    /// True or false.
    case flag
    /// A flag, or this word.
    case flagOr(String)
    /// Text, whatever it looks like.
    case text
    /// The path of a file or a folder; `~` at its beginning is the user's home.
    case path
    /// One of these words. A flag is understood too, since YAML reads a bare `no` as false and older TRL had flags here.
    case choice([String], true: String? = nil, false: String? = nil)
    /// A folder, or true for one that the trainer finds, or false for none.
    case folderOrFlag
    /// Several texts.
    case textList
    /// One text or several, each as it is.
    case texts
    /// Several numbers, each within the bounds.
    case numberList(NumberBounds)
    /// Names with values of any kind.
    case mapping
    /// Names, and mappings with a name and parameters.
    case rewardList
    /// Data sets, each a mapping of what `load_dataset` takes.
    case datasetList
    /// A number, or none in words.
    case limit(NumberBounds)
    /// Where to compute.
    case device

    /// The rule in words, to end the sentence "expected …".
    package var rule: String {
        switch self {
        case .integer: "a whole number"
        case .number: "a number"
        case .flag: "true or false"
        case .flagOr(let word): "true, false or \(word)"
        case .text: "text"
        case .path: "a path"
        case .choice(let words, _, _): "one of \(words.joined(separator: ", "))"
        case .folderOrFlag: "a folder, true or false"
        case .textList: "a list of names"
        case .texts: "a text, or a list of texts"
        case .numberList: "a list of numbers"
        case .mapping: "a mapping such as {name: value}"
        case .rewardList: "a list of rewards, each a name or a mapping such as {name: regex, pattern: ...}"
        case .datasetList: "a list of data sets, each a mapping such as {path: org/name, split: train}"
        case .limit: "a number, or none"
        case .device: DeviceChoice.spelling
        }
    }

    /// The kind in a word or two, for a table.
    package var name: String {
        switch self {
        case .integer: "integer"
        case .number: "number"
        case .flag: "flag"
        case .flagOr(let word): "flag, \(word)"
        case .text: "text"
        case .path: "path"
        case .choice(let words, _, _): words.joined(separator: ", ")
        case .folderOrFlag: "folder or flag"
        case .textList: "names"
        case .texts: "texts"
        case .numberList: "numbers"
        case .mapping: "mapping"
        case .rewardList: "rewards"
        case .datasetList: "data sets"
        case .limit: "number or none"
        case .device: "auto, cpu, cuda, cuda:N"
        }
    }

    /// Whether an option's value may be written as a list or a mapping: all others are taken as they are.
    package var isStructured: Bool { isList || self == .mapping }

    /// Whether several values may follow the key of an option.
    package var isList: Bool {
        switch self {
        case .textList, .texts, .numberList, .rewardList, .datasetList: true
        default: false
        }
    }

    /// The bounds of a number, or of each of several.
    package var bounds: NumberBounds? {
        switch self {
        case .integer(let bounds), .number(let bounds), .numberList(let bounds), .limit(let bounds): bounds
        default: nil
        }
    }

    /// What is wrong with the first number of a value that is out of bounds, and the number.
    package func fault(of value: JSONValue) -> (number: Double, rule: String)? {
        guard let bounds else { return nil }
        for number in (value.array ?? [value]).compactMap(\.number) {
            // No limit is kept as 0.
            if case .limit = self, number == 0 { continue }
            if let rule = bounds.rule(against: number) { return (number, rule) }
        }
        return nil
    }
}
