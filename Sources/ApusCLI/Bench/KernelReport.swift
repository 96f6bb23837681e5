import Apus
import ApusBench
import ApusTensor

/// What `apus bench kernels` prints. Rates are in GFLOP/s and GB/s; shares are of the peaks of all threads.
struct KernelReport: Encodable {
    struct Peaks: Encodable {
        let fp32: Double
        let pair16: Double
        /// What forms dot products of 16-bit pairs.
        let pair16Instruction: String
        let read: Double

        enum CodingKeys: String, CodingKey {
            case fp32 = "fp32_gflops"
            case pair16 = "pair16_gflops"
            case pair16Instruction = "pair16_instruction"
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
        /// Keys that each row of a decoding step sees; nil of the group.
        let context: Int?
        let gigaflops: Double
        let shareOfFP32Peak: Double
        let shareOfPairPeak: Double
        /// Bytes of pages read in a decoding step.
        let pagesRead: Double?
        let shareOfReadPeak: Double?

        enum CodingKeys: String, CodingKey {
            case model, direction, rows, context
            case pagesRead = "page_gb_per_second"
            case shareOfReadPeak = "share_of_read_peak"
            case gigaflops = "gflops"
            case shareOfFP32Peak = "share_of_fp32_peak"
            case shareOfPairPeak = "share_of_pair16_peak"
        }
    }

    struct RowWork: Encodable {
        let model: String
        let operation: String
        let rows: Int
        let columns: Int
        let microseconds: Double
        /// For 64 values.
        let blockNanoseconds: Double
        let gigabytesPerSecond: Double

        enum CodingKeys: String, CodingKey {
            case model, operation, rows, columns, microseconds
            case blockNanoseconds = "block_nanoseconds"
            case gigabytesPerSecond = "gb_per_second"
        }
    }

    let peer = "apus"
    /// Instruction set and threads.
    let backend: String
    let oneThread: Peaks
    let allThreads: Peaks
    let products: [Product]
    let head: [Product]
    let attention: [Attention]
    let rows: [RowWork]
    let steps: [StepReport]

    enum CodingKeys: String, CodingKey {
        case peer, backend, products, head, attention, rows, steps
        case oneThread = "one_thread"
        case allThreads = "all_threads"
    }
}
