import Apus
import ApusTestSupport
import Foundation
import Synchronization
import Testing

@testable import ApusCLI

/// The whole system learns: what `apus demo` runs, on the small arithmetic model.
///
/// One seed and 12 steps in bf16; with `APUS_DEMO_FULL=1` three seeds in bf16 and NF4, all steps, and a table.
@Suite(.serialized) struct DemoTrainingTests {
    struct Case: Sendable, CustomStringConvertible {
        var seed: Int
        var precision: WeightPrecision
        /// nil for the recipe's.
        var steps: Int?
        var description: String { "seed \(seed), \(precision.rawValue), \(steps.map { "\($0)" } ?? "all") steps" }
    }

    static let isFull = ProcessInfo.processInfo.environment["APUS_DEMO_FULL"] == "1"

    static let cases: [Case] =
        isFull
        ? [WeightPrecision.bf16, .nf4].flatMap { precision in
            (0...2).map { Case(seed: $0, precision: precision, steps: nil) }
        } : [Case(seed: 0, precision: .bf16, steps: 12)]

    @Test(arguments: cases)
    func learnsToShowItsWorking(_ item: Case) async throws {
        let folder = try TemporaryFolder()
        let recipe = DemoRecipe(
            outputDirectory: folder.url.path, seed: item.seed, steps: item.steps, precision: item.precision)
        let trainer = try recipe.makeTrainer()
        let measures = Mutex<[DemoMeasure]>([])
        trainer.onEvent = { event in
            if case .evaluated(let report) = event { measures.withLock { $0.append(DemoMeasure(report)) } }
        }
        let outcome = try await trainer.run()
        let curve = measures.withLock { $0 }
        if Self.isFull { Self.printRow(item, curve, outcome.seconds) }
        #expect(curve.map(\.step) == Array(stride(from: 0, through: outcome.step, by: 6)))
        #expect(0.12...0.30 ~= curve[0].accuracy && 0.2...0.5 ~= curve[0].working)
        let last = try #require(curve.last)
        #expect(last.accuracy >= (item.steps == nil ? 0.95 : 0.85) && last.working > 0.9)
    }

    private static func printRow(_ item: Case, _ curve: [DemoMeasure], _ seconds: Double) {
        func row(_ cells: [String]) {
            print(cells.map { String(repeating: " ", count: max(0, 10 - $0.count)) + $0 }.joined())
        }
        if item.seed == cases[0].seed { row(["precision", "seed", "seconds"] + curve.map { "at \($0.step)" }) }
        row([item.precision.rawValue, String(item.seed), fixed(seconds, 1)] + curve.map { percentage($0.accuracy) })
    }
}
