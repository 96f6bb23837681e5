import Apus
import ApusTensor

/// The machine's peaks, and what the kernels reach of them.
struct KernelBench {
    let threads: Int?
    let repetitions: Int

    /// - Throws: `CommandFailure` when the backend cannot be made; `TensorError` when memory runs out.
    func run() throws -> KernelReport {
        let backend = try failing(as: .badInput) { try CPUBackend(threads: threads) }
        let peaks = try MachinePeaks(measuring: backend)
        let benchmark = KernelBenchmark(backend: backend, repetitions: repetitions)
        let models = [KernelBenchmark.Model.smolLM2, .qwen]
        var products: [KernelBenchmark.Product] = []
        for format in [WeightFormat.f32, .bf16, .nf4] {
            showProgress("measuring products, \(format)")
            for model in models { products += try benchmark.products(of: model, format: format) }
        }
        showProgress("measuring attention")
        let attention = try models.flatMap { try benchmark.attention(of: $0) }
        Terminal.clearTransientLine()
        return KernelReport(name: backend.name, peaks: peaks, products: products, attention: attention)
    }

    private func showProgress(_ text: String) {
        if Terminal.showsProgress { Terminal.showTransient(text) }
    }
}
