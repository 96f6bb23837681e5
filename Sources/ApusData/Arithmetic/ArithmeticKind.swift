/// The kinds of word problem: one or two steps of arithmetic. The order is part of ``ArithmeticKind/isHeldOut(_:)``.
///
/// The names spell the operations: `muladd` is a·b + c, `addmul` is (a + b)·c, `times` is a·b + a.
package enum ArithmeticKind: String, CaseIterable, Codable, Sendable {
    /// One step: a sum, a difference, a product.
    case add, sub, mul
    /// Two steps.
    case addadd, addsub, subadd, subsub, muladd, mulsub, addmul, times

    /// One line of working.
    package struct Step: Equatable, Sendable {
        /// The left-hand side, such as `6*7`.
        package var expression: String
        /// Its value.
        package var result: Int
    }

    /// The range of each operand.
    var operandRanges: [ClosedRange<Int>] {
        switch self {
        case .add: [5...70, 5...70]
        case .sub: [12...99, 3...80]
        case .mul: [2...9, 3...12]
        case .addadd: [5...50, 5...50, 5...50]
        case .addsub: [5...50, 5...50, 3...60]
        case .subadd: [12...90, 3...60, 5...60]
        case .subsub: [30...99, 3...50, 3...50]
        case .muladd: [2...9, 3...12, 3...40]
        case .mulsub: [2...9, 3...12, 2...40]
        case .addmul: [2...9, 2...9, 2...9]
        case .times: [3...12, 2...9]
        }
    }

    /// The working for these operands.
    func steps(_ operands: [Int]) -> [Step] {
        let first = operands[0]
        return switch self {
        case .add: Self.chain(first, ("+", operands[1]))
        case .sub: Self.chain(first, ("-", operands[1]))
        case .mul: Self.chain(first, ("*", operands[1]))
        case .addadd: Self.chain(first, ("+", operands[1]), ("+", operands[2]))
        case .addsub: Self.chain(first, ("+", operands[1]), ("-", operands[2]))
        case .subadd: Self.chain(first, ("-", operands[1]), ("+", operands[2]))
        case .subsub: Self.chain(first, ("-", operands[1]), ("-", operands[2]))
        case .muladd: Self.chain(first, ("*", operands[1]), ("+", operands[2]))
        case .mulsub: Self.chain(first, ("*", operands[1]), ("-", operands[2]))
        case .addmul: Self.chain(first, ("+", operands[1]), ("*", operands[2]))
        case .times: Self.chain(first, ("*", operands[1]), ("+", first))
        }
    }

    /// Applies one operation after the other, each to the result of the one before.
    private static func chain(_ first: Int, _ operations: (sign: String, operand: Int)...) -> [Step] {
        var value = first
        return operations.map { sign, operand in
            let expression = "\(value)\(sign)\(operand)"
            switch sign {
            case "+": value += operand
            case "-": value -= operand
            default: value *= operand
            }
            return Step(expression: expression, result: value)
        }
    }

    /// Whether these operands are kept for evaluation. A hash (FNV-1a over the kind and the operands, each as one unit)
    /// picks a tenth of the operand tuples of every kind; they never occur in training data, whatever the seed.
    package func isHeldOut(_ operands: [Int]) -> Bool {
        let index = Self.allCases.firstIndex(of: self) ?? 0
        var hash: UInt32 = 2_166_136_261
        for value in [index] + operands { hash = (hash ^ UInt32(truncatingIfNeeded: value)) &* 16_777_619 }
        return (hash >> 7).isMultiple(of: 10)
    }
}
