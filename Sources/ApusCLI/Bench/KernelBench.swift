import Apus
import ApusBench
import ApusTensor

/// The machine's peaks, and what the kernels reach of them.
struct KernelBench {
    let backend: CPUBackend
    let repetitions: Int

    /// - Throws: `TensorError` when memory runs out.
    func run() throws -> KernelReport {
        let before = try MachinePeaks(measuring: backend)
        let benchmark = KernelBenchmark(backend: backend, repetitions: repetitions)
        let models = [KernelBenchmark.Model.smolLM2, .qwen]
        var measured = KernelMeasurements()
        for format in [WeightFormat.f32, .bf16, .int8, .nf4] {
            Terminal.showTransient("measuring products, \(format)")
            for model in models { measured.products += try benchmark.products(of: model, format: format) }
        }
        for model in models {
            Terminal.showTransient("measuring the parts of a step, \(model.name)")
            for format in [WeightFormat.half, .int8] {
                measured.head += try benchmark.head(of: model, format: format)
            }
            measured.attention += try benchmark.attention(of: model)
            for context in Self.contexts {
                measured.attention.append(
                    try benchmark.decodingAttention(of: model, rows: Self.sequences, context: context))
            }
            measured.rows += try benchmark.rowWork(of: model)
            measured.steps += try benchmark.steps(of: model)
        }
        // A machine that is shared may have been busy the first time.
        let peaks = before.best(try MachinePeaks(measuring: backend))
        Terminal.clearTransientLine()
        return KernelReport(name: backend.name, peaks: peaks, measured: measured)
    }

    /// Sequences whose attention in a step of decoding is measured.
    private static let sequences = 6
    /// Keys that each of them sees.
    private static let contexts = [300, 1000, 2000]
}
