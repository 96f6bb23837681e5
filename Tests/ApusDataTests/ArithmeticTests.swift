import ApusTestSupport
import ApusText
import Testing

@testable import ApusData

@Suite("Generated arithmetic problems")
struct ArithmeticTests {
    struct Golden: Decodable {
        struct Kind: Decodable {
            struct Step: Decodable {
                let expression: String
                let result: Int
            }
            struct Example: Decodable {
                let operands: [Int]
                let steps: [Step]
                let heldOut: Bool
            }
            let kind: String
            let ranges: [[Int]]
            let allowed: Int
            let held: Int
            let heldChecksum: UInt32
            let examples: [Example]
            let questions: [String]
        }
        let names: [String]
        let things: [String]
        let boxes: [String]
        let kinds: [Kind]
    }

    private let golden: Golden

    init() throws { golden = try Fixture.json("data/arithmetic_golden.json") }

    @Test("Kinds, number ranges, working, wording and held-out operands are those of the Python definition")
    func definition() throws {
        #expect(golden.kinds.map(\.kind) == ArithmeticKind.allCases.map(\.rawValue))
        typealias Words = ArithmeticPhrasing.Words
        #expect(golden.names == Words.names && golden.things == Words.things && golden.boxes == Words.boxes)
        let words = Words(name: "Tom", otherName: "Mia", things: "apples", boxes: "boxes")
        for (kind, expected) in zip(ArithmeticKind.allCases, golden.kinds) {
            #expect(kind.operandRanges.map { [$0.lowerBound, $0.upperBound] } == expected.ranges)
            for example in expected.examples {
                let steps = kind.steps(example.operands)
                #expect(steps.map(\.expression) == example.steps.map(\.expression))
                #expect(steps.map(\.result) == example.steps.map(\.result))
                #expect(kind.isHeldOut(example.operands) == example.heldOut, "\(kind) \(example.operands)")
            }
            let operands = try #require(expected.examples.last).operands
            #expect(kind.phrasings.map { $0.filled(operands: operands, words: words) } == expected.questions)
        }
    }

    @Test("Every held-out tuple of the kinds with few of them", arguments: ArithmeticKind.allCases)
    func heldOutTuples(kind: ArithmeticKind) throws {
        let tuples = kind.operandRanges.reduce([[]]) { tuples, range in
            tuples.flatMap { tuple in range.map { tuple + [$0] } }
        }
        guard tuples.count < 10_000 else { return }
        let expected = try #require(golden.kinds.first { $0.kind == kind.rawValue })
        let allowed = tuples.filter { kind.steps($0).allSatisfy { ArithmeticProblem.results.contains($0.result) } }
        let held = allowed.filter(kind.isHeldOut)
        #expect(allowed.count == expected.allowed)
        #expect(held.count == expected.held)
        #expect(held.joined().reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) } == expected.heldChecksum)
    }

    @Test("Training problems are never held out, test problems always are", arguments: [false, true])
    func heldOut(heldOut: Bool) {
        for index in 0..<2_000 {
            let problem = ArithmeticProblem(index: index, seed: 11, heldOut: heldOut)
            #expect(problem.kind.isHeldOut(problem.operands) == heldOut)
        }
    }

    @Test("Answers follow from the working, and the working from the numbers of the question")
    func answers() throws {
        for index in 0..<2_000 {
            let problem = ArithmeticProblem(index: index, seed: 5, heldOut: false)
            var numbers = problem.question.split { !("0"..."9").contains($0) }.compactMap { Int($0) }
            if problem.kind == .mul, problem.question.hasPrefix("There") { numbers.reverse() }
            #expect(numbers == problem.operands, "\(problem.question)")
            for step in problem.steps {
                #expect(try value(of: step.expression) == step.result)
                #expect((2...199).contains(step.result))
            }
            #expect(problem.answer == problem.steps.last?.result)
            #expect(!problem.question.contains("{") && !problem.question.contains("}"))
        }
    }

    @Test("All kinds, wordings, names and things occur about equally often")
    func variety() {
        let problems = (0..<4_400).map { ArithmeticProblem(index: $0, seed: 1, heldOut: false) }
        for kind in ArithmeticKind.allCases {
            #expect((300...500).contains(problems.count { $0.kind == kind }), "\(kind)")
        }
        for word in golden.names + golden.things {
            #expect(problems.count { $0.question.contains(word) } > 200, "\(word)")
        }
        #expect(Set(problems.map(\.question)).count > 4_200)
    }

    @Test("The same seed gives the same data, a longer dataset begins with the shorter one, seeds differ")
    func reproducible() throws {
        let dataset = Dataset.arithmetic(count: 50, seed: 3)
        #expect(dataset == Dataset.arithmetic(count: 50, seed: 3))
        #expect(dataset.samples == Array(Dataset.arithmetic(count: 80, seed: 3).samples.prefix(50)))
        #expect(dataset != Dataset.arithmetic(count: 50, seed: 4))
        let shifted = Dataset.arithmetic(count: 51, seed: 2).samples.dropFirst()
        #expect(dataset.samples != Array(shifted))
    }

    @Test("Samples carry the question as the user's turn and the columns that rewards ask for")
    func samples() throws {
        let sample = try #require(Dataset.arithmetic(count: 1, seed: 0, systemPrompt: "Be brief.").samples.first)
        let question = try #require(sample.columns["question"]?.string)
        #expect(
            sample.prompt
                == .messages([Message(role: "system", content: "Be brief."), Message(role: "user", content: question)]))
        #expect(Set(sample.columns.keys) == ["question", "answer", "kind"])
        #expect(Int(try #require(sample.columns["answer"]?.string)) != nil)
    }

    @Test("SplitMix64 gives the sequence of its reference implementation")
    func generator() {
        var random = SplitMix64(seed: 1_234_567)
        let first = (0..<3).map { _ in random.next() }
        #expect(first == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423])
    }

    private func value(of expression: String) throws -> Int {
        let sign = try #require(expression.first { "+-*".contains($0) })
        let operands = expression.split(separator: sign).compactMap { Int($0) }
        try #require(operands.count == 2)
        switch sign {
        case "+": return operands[0] + operands[1]
        case "-": return operands[0] - operands[1]
        default: return operands[0] * operands[1]
        }
    }
}
