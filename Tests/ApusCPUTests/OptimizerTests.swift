import ApusCPU
import ApusTensor
import ApusTestSupport
import CKernels
import Foundation
import Testing

/// What torch's fused AdamW and clip_grad_norm_ computed, step by step.
private struct OptimizerFixture: Decodable {
    struct Step: Decodable {
        let gradNorm: Double
        let lr: Double
        let params: Nested
    }
    struct State: Decodable {
        let expAvg: Nested
        let expAvgSq: Nested
    }
    struct Run: Decodable {
        let name: String
        let weightDecay: Double
        let maxGradNorm: Double
        let betas: [Double]
        let eps: Double
        let dtype: String
        let steps: [Step]
        let state: State
    }
    let params0: Nested
    let grads: [Nested]
    let runs: [Run]

    static func read() throws -> OptimizerFixture {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(OptimizerFixture.self, from: Fixture.data("optimizer.json"))
    }
}

/// Nested lists of numbers, flattened in order.
private struct Nested: Decodable {
    let values: [Float]

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Float.self) {
            values = [value]
        } else {
            values = try container.decode([Nested].self).flatMap(\.values)
        }
    }
}

private let kernelNames = InstructionSet.allCases.map(\.rawValue)

/// The optimizer kernels of every instruction set that this machine runs.
private var availableKernels: [(name: String, kernels: apus_optimizer_kernels)] {
    kernelNames.compactMap { name in apus_kernels_named(name).map { (name, $0.pointee.optimizer) } }
}

/// Parameters and moments of one run.
private struct AdamW {
    let kernels: apus_optimizer_kernels
    var parameters: [Float]
    var first: [Float]
    var second: [Float]

    init(_ kernels: apus_optimizer_kernels, _ parameters: [Float]) {
        self.kernels = kernels
        self.parameters = parameters
        first = [Float](repeating: 0, count: parameters.count)
        second = first
    }

    mutating func step(
        _ t: Int, _ gradients: [Float], rate: Double, betas: [Double] = [0.9, 0.999], epsilon: Double = 1e-8,
        decay: Double = 0, scale: Double = 1
    ) {
        kernels.adamw(
            &parameters, &first, &second, gradients, gradients.count, rate, betas[0], betas[1], epsilon, decay,
            1 - pow(betas[0], Double(t)), (1 - pow(betas[1], Double(t))).squareRoot(), scale)
    }
}

private func worstDifference(_ a: [Float], _ b: [Float]) -> Float {
    zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
}

struct OptimizerTests {
    @Test func agreesWithTorch() throws {
        let fixture = try OptimizerFixture.read()
        let runs = fixture.runs.filter { $0.dtype == "float32" }
        #expect(runs.count == 5)
        for (name, kernels) in availableKernels {
            for run in runs { replay(run, fixture, kernels, "\(name): \(run.name)") }
        }
    }

    private func replay(
        _ run: OptimizerFixture.Run, _ fixture: OptimizerFixture, _ kernels: apus_optimizer_kernels, _ label: String
    ) {
        var optimizer = AdamW(kernels, fixture.params0.values)
        for (index, expected) in run.steps.enumerated() {
            let gradients = fixture.grads[index].values
            let norm = kernels.sum_of_squares(gradients, gradients.count).squareRoot()
            #expect(abs(norm - expected.gradNorm) < 3e-7 * expected.gradNorm, "\(label), step \(index)")
            let scale = run.maxGradNorm > 0 ? min(1, run.maxGradNorm / (norm + 1e-6)) : 1
            optimizer.step(
                index + 1, gradients, rate: expected.lr, betas: run.betas, epsilon: run.eps, decay: run.weightDecay,
                scale: scale)
            let difference = worstDifference(optimizer.parameters, expected.params.values)
            #expect(difference < 3e-7, "\(label), step \(index)")
        }
        #expect(worstDifference(optimizer.first, run.state.expAvg.values) < 1e-7, "\(label)")
        #expect(worstDifference(optimizer.second, run.state.expAvgSq.values) < 1e-8, "\(label)")
    }

    /// The first step moves by the rate in the gradient's direction, whatever its size.
    @Test func firstStepIsTheSignTimesTheRate() {
        for (name, kernels) in availableKernels {
            var optimizer = AdamW(kernels, [1, 1, 1])
            optimizer.step(1, [100, -0.01, 0], rate: 0.125)
            #expect(worstDifference(optimizer.parameters, [0.875, 1.125, 1]) < 1e-6, "\(name)")
        }
    }

    /// An element's bits must not depend on where it lies in the range.
    @Test func anyPartitionGivesTheSameBits() {
        let values = (0..<101).map { Float(sin(Double($0) * 1.7)) }
        let gradients = (0..<101).map { Float(cos(Double($0) * 2.3)) * 0.1 }
        for (name, kernels) in availableKernels {
            var whole = AdamW(kernels, values)
            var parts = [0..<1, 1..<14, 14..<55, 55..<101].map { (AdamW(kernels, Array(values[$0])), $0) }
            for t in 1...3 {
                whole.step(t, gradients, rate: 0.01, decay: 0.1, scale: 0.7)
                for index in parts.indices {
                    let slice = Array(gradients[parts[index].1])
                    parts[index].0.step(t, slice, rate: 0.01, decay: 0.1, scale: 0.7)
                }
            }
            #expect(parts.flatMap(\.0.parameters) == whole.parameters, "\(name)")
            #expect(parts.flatMap(\.0.second) == whole.second, "\(name)")
        }
    }

    @Test(arguments: [0, 1, 7, 4_096, 4_097, 100_003]) func sumOfSquaresIsExactAndTheSameEverywhere(count: Int) {
        let values = (0..<count).map { Float(($0 * 7_919) % 1_009) - 504 }
        let expected = values.reduce(0.0) { $0 + Double($1) * Double($1) }
        for (name, kernels) in availableKernels {
            #expect(kernels.sum_of_squares(values, count) == expected, "\(name)")
        }
    }

    /// Fractions round; the order of the sum is part of the contract.
    @Test func sumOfSquaresHasOneOrder() {
        let values = (0..<50_001).map { Float(sin(Double($0))) }
        let sums = availableKernels.map { $0.kernels.sum_of_squares(values, values.count) }
        #expect(Set(sums).count == 1)
        let expected = values.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(sums[0] - expected) < 1e-11 * expected)
    }
}
