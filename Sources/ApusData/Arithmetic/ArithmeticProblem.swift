/// A generated word problem in the manner of GSM8K with an integer answer between 2 and 199.
package struct ArithmeticProblem: Equatable, Sendable {
    /// What has to be computed.
    package var kind: ArithmeticKind
    /// The numbers in the question, in order of use.
    package var operands: [Int]
    /// The text of the problem.
    package var question: String
    /// The working; the last result is the answer.
    package var steps: [ArithmeticKind.Step]
    /// The reference answer.
    package var answer: Int

    /// Every result of every step lies in this range.
    static let results = 2...199

    /// Problem number `index` of the stream that belongs to `seed`; each index stands for itself, so a longer dataset
    /// begins with the shorter one.
    ///
    /// - Parameter heldOut: Whether the operands come from the tenth that is kept for evaluation.
    package init(index: Int, seed: UInt64, heldOut: Bool) {
        var random = SplitMix64(seed: seed, stream: UInt64(truncatingIfNeeded: index))
        // The kind is drawn anew with the operands, as every kind holds out its own tenth.
        repeat {
            kind = random.element(of: ArithmeticKind.allCases)
            operands = Self.operands(of: kind, &random)
        } while kind.isHeldOut(operands) != heldOut
        steps = kind.steps(operands)
        answer = steps[steps.count - 1].result
        let phrasing = random.element(of: kind.phrasings)
        question = phrasing.filled(operands: operands, words: ArithmeticPhrasing.Words(&random))
    }

    private static func operands(of kind: ArithmeticKind, _ random: inout SplitMix64) -> [Int] {
        while true {
            let operands = kind.operandRanges.map { random.integer(in: $0) }
            if kind.steps(operands).allSatisfy({ results.contains($0.result) }) { return operands }
        }
    }
}
