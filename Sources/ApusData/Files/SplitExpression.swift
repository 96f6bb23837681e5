import ApusTables
import Foundation

/// Which rows of a data set are meant, as `load_dataset(split=…)` writes it: `train`, `train[:10%]`, `train[100:200]+test`.
public struct SplitExpression: Sendable, Equatable, CustomStringConvertible {
    /// A split, and the rows of it.
    public struct Part: Sendable, Equatable {
        /// The split's name.
        public var split: String
        /// Which of its rows.
        public var slice: RowSlice

        /// Rows of a split.
        public init(_ split: String, _ slice: RowSlice = .all) {
            self.split = split
            self.slice = slice
        }
    }

    /// The parts in order.
    public let parts: [Part]
    /// As it was written.
    public let description: String

    /// An expression of its parts.
    public init(parts: [Part]) {
        self.parts = parts
        description = parts.map(\.split).joined(separator: "+")
    }

    /// Reads an expression.
    ///
    /// - Throws: ``DataError`` that calls it `name`.
    public init(_ text: String, name: String = "split") throws(DataError) {
        description = text
        var parts: [Part] = []
        for part in text.split(separator: "+", omittingEmptySubsequences: false) {
            guard let part = Self.part(part) else {
                throw DataError(
                    .unsupportedFormat, file: name,
                    message: "wanted a split such as train, train[:10%] or train[100:200]+test, found "
                        + "'\(text.prefix(80).description.onOneLine)'")
            }
            parts.append(part)
        }
        self.parts = parts
    }

    private static func part(_ text: Substring) -> Part? {
        let text = text.trimmingCharacters(in: .whitespaces)[...]
        guard let bracket = text.firstIndex(of: "[") else { return name(text).map { Part($0) } }
        let bounds = text[bracket...].dropFirst()
        guard let name = name(text[..<bracket]), bounds.last == "]" else { return nil }
        let ends = bounds.dropLast().split(separator: ":", omittingEmptySubsequences: false)
        guard ends.count == 2, let start = bound(ends[0]), let end = bound(ends[1]) else { return nil }
        // `datasets` takes a sign of percent at one end for both.
        let isShare = [start, end].contains { if case .percent? = $0 { true } else { false } }
        return Part(name, RowSlice(from: isShare ? start?.asShare : start, to: isShare ? end?.asShare : end))
    }

    /// The name of a split: letters, digits, points, lines below and, where `datasets` refuses them, dashes.
    private static func name(_ text: Substring) -> String? {
        let allows = { (character: Character) in character.isLetter || character.isNumber || "._-".contains(character) }
        return !text.isEmpty && text.count <= 200 && text.allSatisfy(allows) ? String(text) : nil
    }

    /// One end of a slice; nil for text that is none, and a nil within for an end that is left open.
    private static func bound(_ text: Substring) -> RowSlice.Bound?? {
        if text.isEmpty { return .some(nil) }
        let isShare = text.last == "%"
        let digits = (isShare ? text.dropLast() : text).replacing("_", with: "")
        guard let number = Int(digits), !digits.hasPrefix("+") else { return nil }
        guard isShare else { return .rows(number) }
        return (-100...100).contains(number) ? .percent(number) : nil
    }
}

extension RowSlice.Bound {
    fileprivate var asShare: RowSlice.Bound { if case .rows(let number) = self { .percent(number) } else { self } }
}
