import Apus
import ApusTestSupport
import ArgumentParser
import Foundation
import Testing

@testable import ApusCLI

@Suite struct BenchTests {
    private func command(_ arguments: String...) throws -> BenchCommand {
        try BenchCommand.parse(arguments)
    }

    @Test func onlyKernelsNeedNoModel() throws {
        #expect(try command("kernels").model == nil)
        for kind in BenchKind.allCases where kind != .kernels {
            #expect(try command(kind.rawValue, "--model", "m").kind == kind)
            #expect(throws: (any Error).self) { try command(kind.rawValue) }
        }
        #expect(throws: (any Error).self) { try command("kernels", "--model", "m") }
    }

    @Test(arguments: [
        ["grpo", "--batch", "1"], ["decode", "--tokens", "1"], ["prefill", "--steps", "0"], ["load", "--threads", "0"],
        ["kernels", "--steps", "-1"], ["everything"],
    ])
    func impossibleWorkIsRefused(arguments: [String]) {
        let model = arguments[0] == "kernels" ? [] : ["--model", "m"]
        #expect(throws: (any Error).self) { try BenchCommand.parse(arguments + model) }
    }

    @Test func aSpreadKnowsWhichEndIsBest() {
        let times = Spread(seconds: [3, 1, 2])
        #expect((times.median, times.best, times.worst) == (2, 1, 3))
        let rates = Spread(rates: [10, 40, 20, 50])
        #expect((rates.median, rates.best, rates.worst) == (30, 50, 10))
    }

    @Test func tableColumnsAreAligned() {
        var table = TextTable(head: ["", "median", "best"])
        table.add(["tokens/s", "5", "17.25"])
        table.add(["memory", "1024"])
        #expect(
            table.description == """
                          median   best
                tokens/s       5  17.25
                memory      1024
                """)
    }

    @Test func aResultShowsWhatWasMeasured() {
        var result = BenchResult()
        result.format = "nf4"
        result.batch = 6
        let spread = Spread(rates: [200, 210, 190])
        result.decodeTokensPerSecond = result.noting(spread)
        result.arithmetic = ArithmeticShare(
            gigaflops: 50, fp32PeakGigaflops: 200, pairPeakGigaflops: 400, pairInstruction: "vpdpwssd")
        let lines = result.description.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(lines[0] == "weights nf4, batch 6")
        #expect(lines[2] == "decoded tokens/s 200 210 190")
        #expect(lines[3...5] == ["GFLOP/s 50.0", "of the fp32 peak 25 %", "of the 16-bit peak (vpdpwssd) 12 %"])
        #expect(lines.count == 7)
    }

    @Test func operationsAreCountedOnce() throws {
        let text = """
            {"model_type": "llama", "hidden_size": 4, "intermediate_size": 6, "num_hidden_layers": 3, "vocab_size": 10,
             "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64}
            """
        let model = try ModelConfiguration(huggingFace: Data(text.utf8))
        // Per token and layer: q, o 4·4, k, v 2·4, gate, up, down 6·4; the third and fourth tokens see 3 and 4 keys.
        let linear = 2 * 3 * 2 * (16 + 16 + 8 + 8 + 3 * 24)
        let attention = 4 * 3 * (3 + 4) * 4
        let head = 2 * 1 * 40
        #expect(model.forwardOperations(positions: 2..<4, scored: 1) == Double(linear + attention + head))
    }

    /// The scripts that run other programs on the same work have the questions in a file of their own.
    @Test func peersGetTheSameQuestions() throws {
        let scripts = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Scripts/peers")
        let data = try Data(contentsOf: scripts.appending(path: "questions.json"))
        let questions = try JSONDecoder().decode([String].self, from: data)
        #expect(questions == BenchQuestions.questions)
    }
}
