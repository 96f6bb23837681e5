import Apus
import ApusTensor

/// What `apus bench kernels` prints. Rates are in GFLOP/s and GB/s; shares are of the peaks of all threads.
struct KernelReport: Encodable {
    struct Peaks: Encodable {
        let fp32: Double
        let pair16: Double
        let read: Double

        enum CodingKeys: String, CodingKey {
            case fp32 = "fp32_gflops"
            case pair16 = "pair16_gflops"
            case read = "read_gb_per_second"
        }
    }

    struct Product: Encodable {
        let format: String
        let direction: String
        let rows: Int
        let inputs: Int
        let outputs: Int
        let gigaflops: Double
        let shareOfFP32Peak: Double
        let shareOfPairPeak: Double
        /// Weight bytes read; nil with many rows, whose limit is arithmetic.
        let weightRead: Double?
        let shareOfReadPeak: Double?

        enum CodingKeys: String, CodingKey {
            case format, direction, rows, inputs, outputs
            case gigaflops = "gflops"
            case shareOfFP32Peak = "share_of_fp32_peak"
            case shareOfPairPeak = "share_of_pair16_peak"
            case weightRead = "weight_gb_per_second"
            case shareOfReadPeak = "share_of_read_peak"
        }
    }

    struct Attention: Encodable {
        let model: String
        let direction: String
        let rows: Int
        let gigaflops: Double
        let shareOfFP32Peak: Double
        let shareOfPairPeak: Double

        enum CodingKeys: String, CodingKey {
            case model, direction, rows
            case gigaflops = "gflops"
            case shareOfFP32Peak = "share_of_fp32_peak"
            case shareOfPairPeak = "share_of_pair16_peak"
        }
    }

    let peer = "apus"
    /// Instruction set and threads.
    let backend: String
    let oneThread: Peaks
    let allThreads: Peaks
    let products: [Product]
    let attention: [Attention]

    enum CodingKeys: String, CodingKey {
        case peer, backend, products, attention
        case oneThread = "one_thread"
        case allThreads = "all_threads"
    }
}

extension KernelReport {
    /// Rows up to which the bytes of the weight may be the limit.
    private static let fewRows = 24

    init(
        name: String, peaks: MachinePeaks, products: [KernelBenchmark.Product], attention: [KernelBenchmark.Attention]
    ) {
        backend = name
        oneThread = Peaks(
            fp32: peaks.oneThread.multiplyAdd, pair16: peaks.oneThread.pairDot, read: peaks.oneThreadRead)
        let all = peaks.allThreads
        allThreads = Peaks(fp32: all.multiplyAdd, pair16: all.pairDot, read: peaks.allThreadsRead)
        self.products = products.map { product in
            let read = product.rows <= Self.fewRows ? product.weightGigabytesPerSecond : nil
            return Product(
                format: "\(product.format)", direction: product.direction.rawValue, rows: product.rows,
                inputs: product.inputs, outputs: product.outputs, gigaflops: product.gigaflops,
                shareOfFP32Peak: product.gigaflops / all.multiplyAdd,
                shareOfPairPeak: product.gigaflops / all.pairDot, weightRead: read,
                shareOfReadPeak: read.map { $0 / peaks.allThreadsRead })
        }
        self.attention = attention.map {
            Attention(
                model: $0.model, direction: $0.direction.rawValue, rows: $0.rows, gigaflops: $0.gigaflops,
                shareOfFP32Peak: $0.gigaflops / all.multiplyAdd, shareOfPairPeak: $0.gigaflops / all.pairDot)
        }
    }
}

extension KernelReport: CustomStringConvertible {
    var description: String {
        [backend, "\(peakTable)", "\(productTable)", "\(attentionTable)"].joined(separator: "\n\n")
    }

    private var peakTable: TextTable {
        var table = TextTable(head: ["peak", "fp32 GFLOP/s", "16-bit GFLOP/s", "read GB/s"])
        for (name, peaks) in [("one thread", oneThread), ("all threads", allThreads)] {
            table.add([name] + [peaks.fp32, peaks.pair16, peaks.read].map { fixed($0, 1) })
        }
        return table
    }

    private var productTable: TextTable {
        var table = TextTable(
            head: ["weight", "product", "rows", "shape", "GFLOP/s", "of fp32", "of 16-bit", "weight GB/s", "of read"],
            wordColumns: 2)
        for product in products {
            let read = [product.weightRead.map { fixed($0, 1) }, product.shareOfReadPeak.map(percent)]
            table.add(
                [
                    product.format, product.direction, "\(product.rows)", "\(product.inputs)→\(product.outputs)",
                    fixed(product.gigaflops, 1), percent(product.shareOfFP32Peak), percent(product.shareOfPairPeak),
                ] + read.compactMap { $0 })
        }
        return table
    }

    private var attentionTable: TextTable {
        var table = TextTable(head: ["attention", "pass", "rows", "GFLOP/s", "of fp32", "of 16-bit"], wordColumns: 2)
        for pass in attention {
            table.add([
                pass.model, pass.direction, "\(pass.rows)", fixed(pass.gigaflops, 1), percent(pass.shareOfFP32Peak),
                percent(pass.shareOfPairPeak),
            ])
        }
        return table
    }
}
