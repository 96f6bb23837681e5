import ApusText

/// How demonstrations of arithmetic answer: a mixture of working on paper, with or without slips, and answers straight out.
public struct ArithmeticManner: Sendable, Equatable {
    /// Share of the demonstrations that state the right answer without working.
    public var directShare: Double
    /// Probability that a line of working has a wrong result, which the following lines and the answer carry on.
    public var slipRate: Double

    /// A mixture; the default always works without slips.
    public init(directShare: Double = 0, slipRate: Double = 0) {
        self.directShare = directShare
        self.slipRate = slipRate
    }
}

extension ArithmeticProblem {
    /// An answer in the layout that the built-in rewards read: reasoning and answer in their tags.
    package func completion(in manner: ArithmeticManner, seed: UInt64, index: Int) -> String {
        // A stream of its own, so that the manner does not change the problems.
        var random = SplitMix64(seed: ~seed, stream: UInt64(truncatingIfNeeded: index))
        if random.chance(manner.directShare) {
            return Self.layout(reasoning: "It is \(answer).", answer: answer)
        }
        let steps = steps(slipRate: manner.slipRate, &random)
        let working = steps.map { "\($0.expression)=\($0.result)" }.joined(separator: "\n")
        return Self.layout(reasoning: working, answer: steps[steps.count - 1].result)
    }

    /// The working with slips: a result off by 1, 2 or 10, and never below 0.
    private func steps(slipRate: Double, _ random: inout SplitMix64) -> [ArithmeticKind.Step] {
        var done: [ArithmeticKind.Step] = []
        for step in steps {
            var step = step
            if let before = done.last { step = step.carrying(before.result) }
            if random.chance(slipRate) { step.result = abs(step.result + random.element(of: [-1, 1, -2, 2, -10, 10])) }
            step.result = max(0, step.result)
            done.append(step)
        }
        return done
    }

    private static func layout(reasoning: String, answer: Int) -> String {
        "<reasoning>\n\(reasoning)\n</reasoning>\n<answer>\n\(answer)\n</answer>\n"
    }
}

extension ArithmeticKind.Step {
    /// The same operation on another first number.
    fileprivate func carrying(_ first: Int) -> Self {
        guard let sign = expression.firstIndex(where: { "+-*".contains($0) }),
            let second = Int(expression[expression.index(after: sign)...])
        else { return self }
        let result =
            switch expression[sign] {
            case "+": first + second
            case "-": first - second
            default: first * second
            }
        return Self(expression: "\(first)\(expression[sign])\(second)", result: result)
    }
}

extension Demonstration {
    /// Generated arithmetic problems with answers; the problems are those of ``Dataset/arithmetic(count:seed:heldOut:systemPrompt:)``
    /// with the same seed, and the held-out tenth is never among them.
    ///
    /// - Parameters:
    ///   - count: How many, at least 1.
    ///   - seed: Picks the stream of problems.
    ///   - manner: How they are answered.
    ///   - systemPrompt: A system message put before every question.
    public static func arithmetic(
        count: Int, seed: UInt64, manner: ArithmeticManner = ArithmeticManner(), systemPrompt: String? = nil
    ) -> [Demonstration] {
        let system = systemPrompt.map { [Message(role: "system", content: $0)] } ?? []
        return (0..<count).map { index in
            let problem = ArithmeticProblem(index: index, seed: seed, heldOut: false)
            let prompt = system + [Message(role: "user", content: problem.question)]
            let completion = problem.completion(in: manner, seed: seed, index: index)
            return .conversation(
                prompt + [Message(role: "assistant", content: completion)], promptCount: prompt.count)
        }
    }
}

extension SplitMix64 {
    /// True with this probability.
    fileprivate mutating func chance(_ probability: Double) -> Bool {
        Double(next() >> 11) * 0x1p-53 < probability
    }
}
