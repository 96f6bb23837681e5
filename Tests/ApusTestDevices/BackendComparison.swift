public import ApusTensor

/// How far two devices are apart in one operation.
public struct OperationDifference: Sendable, CustomStringConvertible {
    /// What decides how far they may be.
    public enum Rounding: Sendable, Hashable {
        /// All values were held in fp32.
        case exact
        /// A weight of this format took part.
        case weight(WeightFormat)
        /// Keys and values, or kept rows, were held as the device likes them.
        case pages
    }

    /// The operation, with what tells it from others of its name.
    public let operation: String
    /// The shapes.
    public let shape: String
    /// How values were held.
    public let rounding: Rounding
    /// The largest difference, as a share of the largest value of the reference; of tokens the share that differs.
    public let difference: Double

    /// How far a card may be from fp32: the operands of its tensor cores, and what its pages hold, are rounded to bf16.
    public var cardTolerance: Double {
        switch rounding {
        case .exact, .weight(.f32): 1e-5
        default: 2e-2
        }
    }

    /// All of it in a line.
    public var description: String { "\(subject): \(difference)" }

    /// The operation, how values were held, and the shapes.
    public var subject: String {
        let held =
            switch rounding {
            case .exact: ""
            case .weight(let format): ", \(format)"
            case .pages: ", pages of 16 bits"
            }
        return "\(operation)\(held), \(shape)"
    }
}

/// Runs every operation of `Backend` on two devices, with the same inputs in both.
///
/// Nothing is read before a series of operations has been called, and what they overwrite holds NaN before.
///
/// - Returns: one difference for each operation and shape.
/// - Throws: `TensorError` when one of the devices has no memory, or has failed.
public func compareOperations(
    _ device: any Backend, _ reference: any Backend
) throws -> [OperationDifference] {
    try OperationTrial.all.flatMap { trial in
        let (found, expected) = (try trial.findings(on: device), try trial.findings(on: reference))
        return zip(found, expected).map { found, expected in
            OperationDifference(
                operation: expected.operation, shape: trial.shape, rounding: trial.rounding,
                difference: found.result.difference(to: expected.result))
        }
    }
}

/// A series of operations on some shapes.
struct OperationTrial {
    let shape: String
    var rounding = OperationDifference.Rounding.exact
    let run: (TrialBench) throws -> Void

    static var all: [OperationTrial] { rows + kept + weights + linear + attention + head + sampling }

    func findings(on device: any Backend) throws -> [TrialBench.Finding] {
        let bench = TrialBench(device)
        try run(bench)
        return try bench.findings()
    }
}

/// What an operation gave.
enum TrialResult {
    case values([Double])
    case numbers([Int32])

    fileprivate func difference(to reference: TrialResult) -> Double {
        switch (self, reference) {
        case (.values(let found), .values(let expected)): relativeDifference(found, expected)
        case (.numbers(let found), .numbers(let expected)) where found.count == expected.count:
            Double(zip(found, expected).count { $0 != $1 }) / Double(max(found.count, 1))
        default: .infinity
        }
    }
}

/// The largest difference as a share of the largest value; infinite where one is no number, which no trial asks for.
private func relativeDifference(_ found: [Double], _ expected: [Double]) -> Double {
    guard found.count == expected.count, (found + expected).allSatisfy(\.isFinite) else { return .infinity }
    let largest = expected.reduce(0) { max($0, abs($1)) }
    let difference = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
    return largest > 0 ? difference / largest : difference
}
