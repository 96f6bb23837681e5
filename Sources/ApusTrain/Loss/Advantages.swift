import Foundation

/// How much better than its group each completion did.
struct Advantages: Sendable {
    /// One advantage a row; 0 where a row could not be scored.
    private(set) var values: [Double]
    /// The weighted sum of each row's rewards; NaN where every function returned nothing.
    let rewards: [Double]
    /// Whether the rewards that a row is compared with are all equal (or nearly).
    private(set) var hasZeroSpread: [Bool]
    /// Whether the rewards within each group differ, one entry a group: else it teaches nothing (DAPO).
    let teachesInGroup: [Bool]

    /// Added to every standard deviation.
    private static let epsilon = 1e-4

    /// Computes the advantages of a generation batch.
    /// - Parameter table: `[row][function]`, rows of one group in sequence, NaN where a function did not apply.
    init(
        table: [[Double]], weights: [Double], groupSize: Int, scaling: RewardScaling, aggregation: RewardAggregation
    ) {
        rewards = table.map { Self.weightedSum($0, weights) }
        let compared =
            switch aggregation {
            case .sumThenNormalize: [rewards]
            case .normalizeThenSum: weights.indices.filter { weights[$0] != 0 }.map { index in table.map { $0[index] } }
            }
        teachesInGroup = stride(from: 0, to: table.count, by: groupSize).map { first in
            compared.contains { Self.spread(Array($0[first..<min(first + groupSize, table.count)])) > 1e-8 }
        }
        switch aggregation {
        case .sumThenNormalize:
            let groups = Self.groups(rewards, groupSize)
            let groupStd = groups.flatMap { Self.repeated(Self.spread($0), groupSize) }
            let std = scaling == .batch ? Self.repeated(Self.spread(rewards), rewards.count) : groupStd
            let centred = zip(rewards, groups.flatMap { Self.repeated($0.mean, groupSize) }).map { $0 - $1 }
            values = scaling == .none ? centred : zip(centred, std).map { $0 / ($1 + Self.epsilon) }
            hasZeroSpread = std.map { abs($0) <= 1e-8 }
        case .normalizeThenSum:
            var normalized = table
            for function in weights.indices {
                let groups = Self.groups(table.map { $0[function] }, groupSize)
                for (index, row) in table.enumerated() {
                    let group = groups[index / groupSize]
                    normalized[index][function] = (row[function] - group.mean) / (Self.spread(group) + Self.epsilon)
                }
            }
            let sums = zip(normalized, rewards).map { $1.isNaN ? .nan : Self.weightedSum($0, weights, orZero: true) }
            values = sums.map { ($0 - sums.mean) / (Self.spread(sums) + Self.epsilon) }
            hasZeroSpread = Self.repeated(Self.spread(sums) <= 1e-8, sums.count)
        }
        values = values.map { $0.isNaN ? 0 : $0 }
    }

    /// Σ w·R over the functions that applied; NaN without any, unless `orZero`.
    private static func weightedSum(_ row: [Double], _ weights: [Double], orZero: Bool = false) -> Double {
        let terms = zip(row, weights).filter { !$0.0.isNaN }.map { $0 * $1 }
        return terms.isEmpty && !orZero ? .nan : terms.reduce(0, +)
    }

    /// The standard deviation that rewards are divided by: 0, not unknown, for a single row.
    private static func spread(_ values: [Double]) -> Double { values.count == 1 ? 0 : values.std }

    private static func groups(_ values: [Double], _ size: Int) -> [[Double]] {
        stride(from: 0, to: values.count, by: size).map { Array(values[$0..<min($0 + size, values.count)]) }
    }

    private static func repeated<Value>(_ value: Value, _ count: Int) -> [Value] {
        Array(repeating: value, count: count)
    }
}

extension [Double] {
    private var known: [Double] { filter { !$0.isNaN } }

    /// The mean of what is not NaN; NaN of nothing. Exact when all values are equal, so that a group of equal rewards gets
    /// advantages of exactly 0 rather than rounding noise divided by a small number.
    var mean: Double {
        let values = known
        guard let first = values.first else { return .nan }
        if values.allSatisfy({ $0 == first }) { return first }
        return values.reduce(0, +) / Double(values.count)
    }

    /// The sample standard deviation (n - 1) of what is not NaN; NaN below two values.
    var std: Double {
        let values = known
        guard values.count > 1 else { return .nan }
        let mean = values.mean
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
    }
}
