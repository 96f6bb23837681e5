/// The numbers that a setting takes: what it means by itself, and what arithmetic can hold.
package struct NumberBounds: Sendable, Equatable {
    /// A bound that belongs to the numbers that are taken, or does not.
    package enum End: Sendable, Equatable {
        /// A number that is taken.
        case included(Double)
        /// The first number that is not.
        case excluded(Double)
    }

    private let lower: End
    private let upper: End?
    /// What is representable where the number is used, and small enough for every product that it goes into.
    private let limits: ClosedRange<Double>
    /// What a reader should know, as the end of the rule's sentence: ` (0 is off)`.
    private let note: String

    /// From a number on.
    package static func atLeast(_ least: Double, limit: Double = 1e6, _ note: String = "") -> NumberBounds {
        NumberBounds(lower: .included(least), upper: nil, limits: least...limit, note: note)
    }

    /// Above a number.
    /// - Parameter smallest: what is so near to it that it counts as it where the number is used.
    package static func above(
        _ bound: Double, smallest: Double = 1e-6, limit: Double = 1e6, _ note: String = ""
    ) -> NumberBounds {
        NumberBounds(lower: .excluded(bound), upper: nil, limits: smallest...limit, note: note)
    }

    /// Between two numbers, both included.
    package static func from(_ least: Double, to most: Double, _ note: String = "") -> NumberBounds {
        NumberBounds(lower: .included(least), upper: .included(most), limits: least...most, note: note)
    }

    /// Above 0, and at most 1; the smallest number is one that a Float holds.
    package static func shareAboveZero(smallest: Double = 1e-30) -> NumberBounds {
        NumberBounds(lower: .excluded(0), upper: .included(1), limits: smallest...1, note: "")
    }

    /// From 0 up to 1, which is not included.
    package static let decay = NumberBounds(lower: .included(0), upper: .excluded(1), limits: 0...1, note: "")

    /// Any finite number of a size that makes sense.
    package static func finite(limit: Double = 1e6) -> NumberBounds {
        NumberBounds(lower: .included(-limit), upper: nil, limits: -limit...limit, note: "")
    }

    /// How many of something, at least one.
    package static func count(from least: Int = 1, limit: Int = 65_536, _ note: String = "") -> NumberBounds {
        .atLeast(Double(least), limit: Double(limit), note)
    }

    /// A number of optimizer steps, or a share of them.
    package static let stepsOrShare = above(
        0, smallest: 1e-9, limit: Double(Int32.max), " (below 1 it is a share of all steps)")

    /// A seed: whole numbers that a Double holds exactly.
    package static let seed = atLeast(0, limit: 0x1p53)

    /// What a value breaks, to follow it in a sentence: `must be at least 1`; `nil` when it is taken.
    package func rule(against value: Double) -> String? {
        guard value.isFinite else { return "must be a finite number" }
        guard isAboveLower(value), isBelowUpper(value) else { return words + note }
        if value < limits.lowerBound { return "must be at least \(limits.lowerBound.plainText)" }
        if value > limits.upperBound { return "must be at most \(limits.upperBound.plainText)" }
        return nil
    }

    private func isAboveLower(_ value: Double) -> Bool {
        switch lower {
        case .included(let bound): value >= bound
        case .excluded(let bound): value > bound
        }
    }

    private func isBelowUpper(_ value: Double) -> Bool {
        switch upper {
        case .included(let bound)?: value <= bound
        case .excluded(let bound)?: value < bound
        case nil: true
        }
    }

    private var words: String {
        switch (lower, upper) {
        case (.included(let least), nil): "must be at least \(least.plainText)"
        case (.excluded(let bound), nil): "must be above \(bound.plainText)"
        case (.included(let least), .included(let most)?): "must be from \(least.plainText) to \(most.plainText)"
        case (.included(let least), .excluded(let bound)?):
            "must be from \(least.plainText) up to, not including, \(bound.plainText)"
        case (.excluded(let bound), .included(let most)?):
            "must be above \(bound.plainText) and at most \(most.plainText)"
        case (.excluded(let low), .excluded(let high)?):
            "must be above \(low.plainText) and below \(high.plainText)"
        }
    }
}

extension Double {
    /// The number without a fraction of nothing: `3`, `0.5`, `1e+16`.
    var plainText: String {
        self == rounded() && abs(self) < 1e15 ? "\(wholeNumber(in: .min ... .max))" : "\(self)"
    }
}
