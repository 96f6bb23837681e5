import ApusText

extension Dataset {
    /// Generated arithmetic word problems with columns `question`, `answer` and `kind`; the same arguments give the
    /// same dataset on every machine.
    ///
    /// - Parameters:
    ///   - count: How many problems, at least 1.
    ///   - seed: Picks the stream of problems.
    ///   - heldOut: True for evaluation: operands from the tenth that training never shows.
    ///   - systemPrompt: A system message put before every question.
    public static func arithmetic(
        count: Int, seed: UInt64, heldOut: Bool = false, systemPrompt: String? = nil
    ) -> Dataset {
        let system = systemPrompt.map { [Message(role: "system", content: $0)] } ?? []
        return Dataset(
            samples: (0..<count).map { index in
                let problem = ArithmeticProblem(index: index, seed: seed, heldOut: heldOut)
                return Sample(
                    prompt: .messages(system + [Message(role: "user", content: problem.question)]),
                    columns: [
                        "question": .string(problem.question), "answer": .string(String(problem.answer)),
                        "kind": .string(problem.kind.rawValue),
                    ])
            })
    }
}
