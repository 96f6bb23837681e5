import ApusCPU
import ApusTensor
import CKernels
import Foundation
import Testing

/// The row-wise kernels of every instruction set against fp64, their gradients against finite differences in fp64.
@Suite struct LayerKernelTests {
    /// Shorter than a vector, whole vectors, and every kind of tail.
    static let widths = [1, 7, 64, 97]
    private let rows = 3
    private let epsilon: Float = 1e-5

    private func kernels(_ set: InstructionSet) -> apus_layer_kernels {
        apus_kernels_named(set.rawValue).pointee.layer
    }

    private func rmsNorm(_ x: [Double], _ gain: [Float]) -> [Double] {
        let meanSquare = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
        return zip(x, gain).map { $0 / (meanSquare + Double(epsilon)).squareRoot() * Double($1) }
    }

    @Test(arguments: widths, InstructionSet.available)
    func rmsNormIsItsDefinition(width: Int, set: InstructionSet) {
        var random = TestRandom(seed: 5)
        let x = random.floats(rows * width, in: -3..<3)
        let gain = random.floats(width, in: 0.5..<1.5)
        var y = [Float](repeating: 0, count: rows * width)
        kernels(set).rms_norm(x, gain, epsilon, &y, Int32(width), 1, Int32(rows))
        #expect(y.prefix(width).allSatisfy { $0 == 0 }, "row 0 was not asked for")
        for row in 1..<rows {
            let range = row * width..<(row + 1) * width
            expectClose(y[range], rmsNorm(x[range].map(Double.init), gain), 1e-6)
        }
    }

    @Test(arguments: widths, InstructionSet.available)
    func addRMSNormAddsThenNormalises(width: Int, set: InstructionSet) {
        var random = TestRandom(seed: 6)
        let before = random.floats(rows * width)
        let d = random.floats(rows * width)
        let gain = random.floats(width, in: 0.5..<1.5)
        var x = before
        var y = [Float](repeating: 0, count: rows * width)
        kernels(set).add_rms_norm(&x, d, gain, epsilon, &y, Int32(width), 0, Int32(rows))
        #expect(x == zip(before, d).map { $0 + $1 })
        var separate = y
        kernels(set).rms_norm(x, gain, epsilon, &separate, Int32(width), 0, Int32(rows))
        #expect(y == separate)
    }

    @Test(arguments: widths, InstructionSet.available)
    func rmsNormBackwardIsTheDerivative(width: Int, set: InstructionSet) {
        var random = TestRandom(seed: 7)
        let x = random.floats(width, in: -3..<3)
        let gain = random.floats(width, in: 0.5..<1.5)
        let dy = random.floats(width)
        let before = random.floats(width)
        var dx = before
        kernels(set).rms_norm_backward(x, gain, epsilon, dy, &dx, Int32(width), 0, 1)
        let derivative = finiteDifferences(x.map(Double.init)) { x in
            zip(rmsNorm(x, gain), dy).reduce(0) { $0 + $1.0 * Double($1.1) }
        }
        expectClose(dx, zip(before, derivative).map { Double($0) + $1 }, 3e-6)
    }

    @Test(arguments: InstructionSet.available)
    func addIsElementwiseOverItsRange(set: InstructionSet) {
        var random = TestRandom(seed: 8)
        let before = random.floats(50)
        let d = random.floats(50)
        var x = before
        kernels(set).add(&x, d, 3, 47)
        #expect(x == before.indices.map { 3..<47 ~= $0 ? before[$0] + d[$0] : before[$0] })
    }

    /// Whole heads, and parts of them whose rest is left as it is.
    @Test(
        arguments: [(4, 2), (24, 12), (64, 32), (6, 3), (10, 5), (18, 4), (80, 20)], InstructionSet.available)
    func ropeRotatesPairsAndTheInverseRotatesBack(shape: (headSize: Int, half: Int), set: InstructionSet) {
        var random = TestRandom(seed: 9)
        let (headSize, half) = shape
        let (heads, ld) = (2, 2 * headSize + 5)
        let positions: [Int32] = [0, 31, 7]
        let angles = (0..<32 * half).map { Double($0 / half) / pow(10_000, Double($0 % half) / Double(half)) }
        let cosines = angles.map { Float(cos($0)) }
        let sines = angles.map { Float(sin($0)) }
        let before = random.floats(3 * ld)
        var x = before
        func rotate(_ direction: Float) {
            kernels(set).rope(
                &x, ld, Int32(heads), Int32(headSize), Int32(half), cosines, sines, positions, direction, 0,
                Int32(positions.count))
        }
        rotate(1)
        var expected = before.map(Double.init)
        for (row, position) in positions.enumerated() {
            for low in (0..<heads * headSize).filter({ $0 % headSize < half }).map({ row * ld + $0 }) {
                let angle = angles[Int(position) * half + (low - row * ld) % headSize]
                let (a, b) = (Double(before[low]), Double(before[low + half]))
                expected[low] = a * cos(angle) - b * sin(angle)
                expected[low + half] = b * cos(angle) + a * sin(angle)
            }
        }
        expectClose(x, expected, 1e-6)
        rotate(-1)
        expectClose(x, before.map(Double.init), 1e-6)
    }

    private func function(_ activation: GateActivation) -> (Double) -> Double {
        switch activation {
        case .silu: { $0 / (1 + exp(-$0)) }
        case .geluTanh: { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }
        }
    }

    private func gate(_ activation: GateActivation, _ set: InstructionSet) -> (
        forward:
            @convention(c) (
                UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int, Int
            ) -> Void,
        backward:
            @convention(c) (
                UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafeMutablePointer<Float>?,
                UnsafeMutablePointer<Float>?, Int, Int
            ) -> Void
    ) {
        activation == .silu
            ? (kernels(set).silu_gate, kernels(set).silu_gate_backward)
            : (kernels(set).gelu_gate, kernels(set).gelu_gate_backward)
    }

    @Test(arguments: InstructionSet.available, GateActivation.allCases)
    func gatesAndTheirGradients(set: InstructionSet, activation: GateActivation) {
        let (value, kernel) = (function(activation), gate(activation, set))
        var random = TestRandom(seed: 10)
        let gate = random.floats(45, in: -12..<12) + [-100, -50, -0.0, 0, 50, 100]
        let up = random.floats(gate.count)
        let dh = random.floats(gate.count)
        var h = [Float](repeating: 0, count: gate.count)
        kernel.forward(gate, up, &h, 0, gate.count)
        expectClose(h, zip(gate, up).map { value(Double($0)) * Double($1) }, 1e-6)
        var (dGate, dUp) = (h, h)
        kernel.backward(gate, up, dh, &dGate, &dUp, 0, gate.count)
        expectClose(dUp, zip(gate, dh).map { value(Double($0)) * Double($1) }, 1e-6)
        let derivative = finiteDifferences(gate.map(Double.init)) { gate in
            gate.indices.reduce(0) { $0 + value(gate[$1]) * Double(up[$1]) * Double(dh[$1]) }
        }
        expectClose(dGate, derivative, 1e-6)
    }

    /// Where a gate is almost shut its value is small and still has its digits.
    @Test(arguments: InstructionSet.available, GateActivation.allCases)
    func gatesThatAreAlmostShut(set: InstructionSet, activation: GateActivation) {
        let gate = (0..<64).map { -0.5 - Float($0) / 16 }
        let ones = [Float](repeating: 1, count: gate.count)
        var h = ones
        self.gate(activation, set).forward(gate, ones, &h, 0, gate.count)
        // A rounding of what the exponential is taken of is that much of the value.
        for (found, x) in zip(h, gate) {
            let wanted = function(activation)(Double(x))
            #expect(abs(Double(found) / wanted - 1) < 4e-6, "\(x): \(found) for \(wanted)")
        }
    }

    /// A thread's share may end anywhere: the bits of an element may not depend on it. The backward kernel works in place.
    @Test(arguments: InstructionSet.available, GateActivation.allCases)
    func gatesHaveTheSameBitsInEveryPartition(set: InstructionSet, activation: GateActivation) {
        let kernel = self.gate(activation, set)
        var random = TestRandom(seed: 11)
        let gate = random.floats(67, in: -12..<12)
        let up = random.floats(67)
        let dh = random.floats(67)
        var (whole, dGate, dUp) = (gate, gate, gate)
        kernel.forward(gate, up, &whole, 0, 67)
        kernel.backward(gate, up, dh, &dGate, &dUp, 0, 67)
        var (parts, partGate, partUp) = (gate, gate, up)
        for range in [0..<5, 5..<33, 33..<67] {
            kernel.forward(gate, up, &parts, range.lowerBound, range.upperBound)
            partGate.withUnsafeMutableBufferPointer { g in
                partUp.withUnsafeMutableBufferPointer { u in
                    kernel.backward(
                        g.baseAddress, u.baseAddress, dh, g.baseAddress, u.baseAddress, range.lowerBound,
                        range.upperBound)
                }
            }
        }
        #expect(parts == whole)
        #expect(partGate == dGate)
        #expect(partUp == dUp)
    }
}

/// Central differences of a scalar function in fp64; exact to about nine digits.
func finiteDifferences(_ x: [Double], _ function: ([Double]) -> Double) -> [Double] {
    let h = 1e-5
    return x.indices.map { index in
        var (up, down) = (x, x)
        up[index] += h
        down[index] -= h
        return (function(up) - function(down)) / (2 * h)
    }
}

/// Expects |value - reference| <= tolerance · (1 + |reference|) everywhere; NaN fails.
func expectClose(
    _ values: some Collection<Float>, _ reference: [Double], _ tolerance: Double,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(values.count == reference.count, sourceLocation: sourceLocation)
    let wrong = zip(values, reference).first { !(abs(Double($0) - $1) <= tolerance * (1 + abs($1))) }
    #expect(wrong == nil, sourceLocation: sourceLocation)
}
