import ApusData
import ApusTestSupport
import Testing

@testable import ApusTrain

/// The loss against `GRPOTrainer._compute_loss` of trl 1.16 (trl_loss.json) and an independent port (grpo_loss.json).
struct GRPOLossTests {
    @Test func agreesWithTRLInEveryCase() throws {
        let file = try Fixture.json("trl_loss.json", as: LossFile.self)
        #expect(file.cases.count == 135)
        for test in file.cases {
            let inputs = try #require(file.inputs[test.inputs])
            try check(test, inputs)
        }
    }

    private func check(_ test: LossCase, _ inputs: LossInputs) throws {
        var configuration = try LossFile.configuration(test.cfg)
        let isBonusOn = configuration.entropyCoef != 0
        let accumulation = configuration.gradientAccumulationSteps
        configuration.stepsPerGeneration = configuration.stepsPerGeneration ?? accumulation
        let loss = GRPOLoss(configuration)
        let micro = test.micro ?? [[0, inputs.mask.count, accumulation]]
        for (index, slice) in micro.enumerated() {
            let rows = slice[0]..<slice[1]
            let batch = LossBatch(
                rows: rows.map(inputs.row), itemCount: test.num_items_in_batch, window: slice[2],
                stepsPerGeneration: configuration.stepsPerGeneration ?? 1, isTraining: test.mode != "eval",
                paddedLength: inputs.mask[0].count, entropyCoefficient: isBonusOn ? configuration.entropyCoef : nil)
            let result = loss.evaluate(batch)
            #expect(isClose(result.loss, test.loss[index]), "\(test.name): loss \(result.loss), \(test.loss[index])")
            for (row, gradient) in zip(rows, result.logProbGradients) {
                expectEqual(gradient, test.dlp[row], "\(test.name): d log-prob, row \(row)")
            }
            for (row, gradient) in zip(rows, result.entropyGradients ?? []) {
                expectEqual(gradient, test.dent?[row] ?? [], "\(test.name): d entropy, row \(row)")
            }
            #expect((result.entropyGradients != nil) == (test.dent != nil), "\(test.name)")
            let metrics = Dictionary(uniqueKeysWithValues: result.metrics.map { ($0.name, $0.value) })
            #expect(Set(metrics.keys).isSubset(of: test.metrics.keys), "\(test.name): names of metrics")
            for (name, values) in test.metrics {
                // What TRL logs as NaN is of nothing: it is absent here.
                guard let expected = values[index] else {
                    #expect(metrics[name] == nil, "\(test.name): \(name)")
                    continue
                }
                let value = try #require(metrics[name], "\(test.name): \(name)")
                #expect(isClose(value, expected), "\(test.name): \(name) \(value), \(expected)")
            }
        }
    }

    @Test func agreesWithTheIndependentPort() throws {
        let file = try Fixture.json("grpo_loss.json", as: PortFile.self)
        let advantages = try #require(file.adv["group/sum_then_normalize"])
        for test in file.cases {
            var configuration = GRPOConfiguration()
            configuration.useBiasCorrectionKL = test.kw.bias_corr ?? false
            configuration.lossType = test.loss_type
            configuration.importanceSamplingLevel = test.level
            configuration.beta = test.kw.beta ?? 0
            configuration.epsilonHigh = test.kw.eh
            configuration.delta = test.kw.delta
            configuration.maxCompletionLength = test.kw.maxlen ?? 512
            let rows = file.mask.indices.map { row in
                let tokens = file.mask[row].indices.filter { file.mask[row][$0] > 0 }
                return LossRow(
                    advantage: advantages[row], mask: tokens.map { _ in true },
                    logProbs: tokens.map { file.lp[row][$0] }, oldLogProbs: tokens.map { file.old[row][$0] },
                    referenceLogProbs: tokens.map { file.ref[row][$0] }, entropies: tokens.map { _ in 0 })
            }
            let batch = LossBatch(
                rows: rows, itemCount: test.kw.num_items ?? rows.reduce(0) { $0 + $1.tokenCount },
                window: test.kw.GA ?? 1,
                stepsPerGeneration: test.kw.spg ?? 1, paddedLength: 5)
            let loss = GRPOLoss(configuration).evaluate(batch).loss
            #expect(isClose(loss, test.loss), "\(test.loss_type) \(test.level) \(loss) \(test.loss)")
        }
    }

    @Test func adaptiveEntropyMovesAsInTRL() throws {
        let file = try Fixture.json("trl_loss.json", as: LossFile.self)
        let inputs = try #require(file.inputs[file.adaptive.inputs])
        let configuration = try LossFile.configuration(file.adaptive.cfg)
        let loss = GRPOLoss(configuration)
        var controller = EntropyController(configuration)
        for (step, scale) in zip(file.adaptive.steps, file.adaptive.ent_scale) {
            for (index, rows) in [0..<4, 4..<8].enumerated() {
                var batch = LossBatch(
                    rows: rows.map(inputs.row), itemCount: 31, window: 2, stepsPerGeneration: 2, paddedLength: 6,
                    entropyCoefficient: controller.activeCoefficient(configuration))
                for row in batch.rows.indices {
                    batch.rows[row].entropies = batch.rows[row].entropies.map { $0 * scale }
                }
                let result = loss.evaluate(batch)
                controller.add(result)
                #expect(isClose(result.loss, step.loss[index]))
                #expect(isClose(result.metrics[0].value, step.policy_loss[index]))
            }
            controller.endWindow(configuration)
            #expect(isClose(controller.coefficient, step.entropy_coef_logged))
            #expect(isClose(try #require(controller.lastEntropy), step.window_entropy))
        }
    }

    @Test func rowsThatCannotMatterChangeNothingButTheEntropyMetric() throws {
        let inputs = try #require(try Fixture.json("trl_loss.json", as: LossFile.self).inputs["wide"])
        for type in LossType.allCases {
            var configuration = GRPOConfiguration()
            configuration.lossType = type
            var batch = LossBatch(
                rows: inputs.mask.indices.map(inputs.row), itemCount: 24, window: 1, stepsPerGeneration: 1,
                paddedLength: 6)
            let complete = GRPOLoss(configuration).evaluate(batch)
            #expect(batch.rows[4].advantage == 0)
            batch.rows[4].logProbs = []
            batch.rows[4].entropies = []
            batch.rows[4].oldLogProbs = nil
            let skipped = GRPOLoss(configuration).evaluate(batch)
            #expect(isClose(complete.loss, skipped.loss))
            #expect(complete.logProbGradients[0..<4] == skipped.logProbGradients[0..<4])
            #expect(complete.logProbGradients[4].allSatisfy { $0 == 0 })
            for (a, b) in zip(complete.metrics, skipped.metrics) where a.name.hasPrefix("c") {
                #expect(a.name == b.name && isClose(a.value, b.value), "\(type) \(a) \(b)")
            }
        }
    }
}
