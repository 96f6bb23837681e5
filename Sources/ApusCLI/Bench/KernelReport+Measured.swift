import Apus
import ApusBench
import ApusTensor

/// What the kernel benchmark measured, before it is compared with the peaks.
struct KernelMeasurements {
    var products: [KernelBenchmark.Product] = []
    var head: [KernelBenchmark.Product] = []
    var attention: [KernelBenchmark.Attention] = []
    var rows: [KernelBenchmark.RowWork] = []
    var steps: [KernelBenchmark.Step] = []
}

extension KernelReport {
    init(name: String, peaks: MachinePeaks, measured: KernelMeasurements) {
        backend = name
        oneThread = Peaks(peaks.oneThread, read: peaks.oneThreadRead)
        allThreads = Peaks(peaks.allThreads, read: peaks.allThreadsRead)
        products = measured.products.map { Product($0, peaks) }
        head = measured.head.map { Product($0, peaks) }
        attention = measured.attention.map { Attention($0, peaks) }
        rows = measured.rows.map {
            RowWork(
                model: $0.model, operation: $0.operation.rawValue, rows: $0.rows, columns: $0.columns,
                microseconds: $0.seconds * 1e6, blockNanoseconds: $0.blockNanoseconds,
                gigabytesPerSecond: $0.gigabytesPerSecond)
        }
        steps = measured.steps.map { StepReport($0, peaks: peaks) }
    }
}

extension KernelReport.Peaks {
    fileprivate init(_ arithmetic: MachinePeaks.Arithmetic, read: Double) {
        self.init(
            fp32: arithmetic.multiplyAdd, pair16: arithmetic.pairDot,
            pair16Instruction: arithmetic.pairDotInstruction, read: read)
    }
}

extension KernelReport.Product {
    /// Rows up to which the bytes of the weight may be the limit.
    private static let fewRows = 24

    fileprivate init(_ product: KernelBenchmark.Product, _ peaks: MachinePeaks) {
        let read = product.rows <= Self.fewRows ? product.weightGigabytesPerSecond : nil
        self.init(
            format: "\(product.format)", direction: product.direction.rawValue, rows: product.rows,
            inputs: product.inputs, outputs: product.outputs, gigaflops: product.gigaflops,
            shareOfFP32Peak: product.gigaflops / peaks.allThreads.multiplyAdd,
            shareOfPairPeak: product.gigaflops / peaks.allThreads.pairDot, weightRead: read,
            shareOfReadPeak: read.map { $0 / peaks.allThreadsRead })
    }
}

extension KernelReport.Attention {
    fileprivate init(_ pass: KernelBenchmark.Attention, _ peaks: MachinePeaks) {
        let read = pass.bytes.map { $0 / pass.seconds / 1e9 }
        self.init(
            model: pass.model, direction: pass.direction.rawValue, rows: pass.rows, context: pass.context,
            gigaflops: pass.gigaflops, shareOfFP32Peak: pass.gigaflops / peaks.allThreads.multiplyAdd,
            shareOfPairPeak: pass.gigaflops / peaks.allThreads.pairDot, pagesRead: read,
            shareOfReadPeak: read.map { $0 / peaks.allThreadsRead })
    }
}
