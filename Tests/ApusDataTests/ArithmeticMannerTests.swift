import ApusText
import Testing

@testable import ApusData

@Suite struct ArithmeticMannerTests {
    private func completions(_ manner: ArithmeticManner, count: Int = 2000) -> [(
        problem: ArithmeticProblem, text: String
    )] {
        (0..<count).map { index in
            let problem = ArithmeticProblem(index: index, seed: 5, heldOut: false)
            return (problem, problem.completion(in: manner, seed: 5, index: index))
        }
    }

    private func answer(_ text: String) -> Int? {
        let lines = text.split(separator: "\n")
        return lines.count < 2 ? nil : Int(lines[lines.count - 2])
    }

    @Test func workingWithoutSlipsIsTheProblemsOwn() {
        for (problem, text) in completions(ArithmeticManner(), count: 200) {
            let working = problem.steps.map { "\($0.expression)=\($0.result)\n" }.joined()
            #expect(
                text == "<reasoning>\n\(working)</reasoning>\n<answer>\n\(problem.answer)\n</answer>\n")
        }
    }

    @Test func directAnswersAreRightAndShowNoWorking() {
        let all = completions(ArithmeticManner(directShare: 0.6))
        let direct = all.filter { !$0.text.contains("=") }
        #expect(abs(Double(direct.count) / Double(all.count) - 0.6) < 0.04)
        #expect(direct.allSatisfy { answer($0.text) == $0.problem.answer })
    }

    /// With a slip in a fifth of the lines, 80 % of the one-step problems and about 64 % of the others are right.
    @Test func slipsAreCarriedOn() {
        let all = completions(ArithmeticManner(slipRate: 0.2))
        for (lines, share) in [(1, 0.8), (2, 0.64)] {
            let own = all.filter { $0.problem.steps.count == lines }
            let right = own.count { answer($0.text) == $0.problem.answer }
            #expect(abs(Double(right) / Double(own.count) - share) < 0.05, "\(lines) lines")
        }
        for (_, text) in all {
            let working = text.split(separator: "\n").filter { $0.contains("=") }.map { $0.split(separator: "=") }
            #expect(working.last?.last.flatMap { Int($0) } == answer(text))
            if working.count == 2 { #expect(working[1][0].hasPrefix(working[0][1])) }
        }
    }

    @Test func theMannerDoesNotChangeTheProblems() {
        func questions(_ manner: ArithmeticManner) -> [String] {
            Demonstration.arithmetic(count: 50, seed: 9, manner: manner).compactMap {
                guard case .conversation(let messages, 1, _) = $0 else { return nil }
                return messages[0].content
            }
        }
        let plain = questions(ArithmeticManner())
        #expect(plain.count == 50)
        #expect(questions(ArithmeticManner(directShare: 0.5, slipRate: 0.5)) == plain)
    }
}
