public import ApusCPU
public import ApusTensor
internal import CKernels
internal import Foundation

/// What a processor can do at most, measured by loops that do nothing else with one instruction set.
public struct MachinePeaks: Sendable {
    /// Arithmetic in GFLOP/s: a multiplication and an addition are two operations.
    public struct Arithmetic: Sendable {
        /// fp32 multiply-adds.
        public let multiplyAdd: Double
        /// Dot products of pairs of 16-bit numbers: bf16 where the instruction set has them, integers elsewhere.
        public let pairDot: Double
        /// The instruction that forms them, for people.
        public let pairDotInstruction: String
    }

    /// Arithmetic of one thread.
    public private(set) var oneThread: Arithmetic
    /// Arithmetic of all threads of the backend at once.
    public private(set) var allThreads: Arithmetic
    /// Reading memory that no cache holds, in GB/s, by one thread.
    public private(set) var oneThreadRead: Double
    /// Reading memory that no cache holds, in GB/s, by all threads at once.
    public private(set) var allThreadsRead: Double

    /// Measures everything; takes about a second and a few hundred MiB.
    ///
    /// - Throws: `TensorError` when the system has no memory for the buffer that is read.
    public init(measuring backend: CPUBackend) throws(TensorError) {
        oneThread = Arithmetic(measuring: backend, threads: 1)
        allThreads = Arithmetic(measuring: backend, threads: backend.pool.threads)
        let buffer = try ReadBuffer(floats: max(4 * Processor.lastLevelCacheBytes, 1 << 28) / 4)
        oneThreadRead = buffer.rate(backend, threads: 1)
        allThreadsRead = buffer.rate(backend, threads: backend.pool.threads)
    }

    /// The better of two measurements of one machine, figure by figure: whatever else it did only took away.
    public func best(_ other: MachinePeaks) -> MachinePeaks {
        var best = self
        best.oneThread = oneThread.best(other.oneThread)
        best.allThreads = allThreads.best(other.allThreads)
        best.oneThreadRead = max(oneThreadRead, other.oneThreadRead)
        best.allThreadsRead = max(allThreadsRead, other.allThreadsRead)
        return best
    }
}

extension MachinePeaks.Arithmetic {
    fileprivate func best(_ other: Self) -> Self {
        Self(
            multiplyAdd: max(multiplyAdd, other.multiplyAdd), pairDot: max(pairDot, other.pairDot),
            pairDotInstruction: pairDotInstruction)
    }

    /// Measures all threads of a backend at once; needs no memory.
    public init(measuring backend: CPUBackend) {
        self.init(measuring: backend, threads: backend.pool.threads)
    }

    fileprivate init(measuring backend: CPUBackend, threads: Int) {
        let peak = backend.kernels.peak
        multiplyAdd = Self.rate(backend, threads, peak.multiply_add, operations: peak.multiply_add_operations)
        pairDot = Self.rate(backend, threads, peak.pair_dot, operations: peak.pair_dot_operations)
        pairDotInstruction = String(cString: peak.pair_dot_instruction)
    }

    /// The best of many short runs: whatever else the machine does only takes away from a peak.
    private static func rate(
        _ backend: CPUBackend, _ threads: Int, _ loop: @convention(c) (Int, Float) -> Float, operations: Int
    ) -> Double {
        let sink = ResultSink(count: threads)
        func seconds(_ rounds: Int) -> Double {
            elapsedSeconds {
                backend.pool.run(threads) { thread in sink.keep(loop(rounds, 0.9995), thread) }
            }
        }
        var rounds = 1000
        while seconds(rounds) < 0.001 { rounds *= 2 }
        let best = (0..<200).reduce(Double.infinity) { best, _ in min(best, seconds(rounds)) }
        return Double(threads * rounds * operations) / best / 1e9
    }
}

/// Memory too large for any cache, read from one end to the other.
private struct ReadBuffer {
    private let memory: Matrix

    init(floats: Int) throws(TensorError) {
        memory = try Matrix(rows: 1, columns: floats)
        // Pages that were never written are all the same page of zeros, which stays in cache.
        memory.pointer.update(repeating: 0, count: floats)
    }

    /// The best of several passes, as of arithmetic.
    func rate(_ backend: CPUBackend, threads: Int) -> Double {
        let sink = ResultSink(count: threads)
        let count = memory.columns
        let seconds = (0..<20).map { _ in
            elapsedSeconds {
                backend.pool.run(threads) { thread in
                    let (begin, end) = (count * thread / threads, count * (thread + 1) / threads)
                    sink.keep(backend.kernels.peak.read(memory.pointer + begin, end - begin), thread)
                }
            }
        }
        return Double(count * 4) / (seconds.min() ?? .infinity) / 1e9
    }
}

/// Where the results of measured loops go, so that the compiler cannot leave the loops out.
///
/// `@unchecked Sendable`: each thread writes its own element.
private final class ResultSink: @unchecked Sendable {
    private let results: UnsafeMutableBufferPointer<Float>

    init(count: Int) {
        results = .allocate(capacity: count)
        results.initialize(repeating: 0)
    }

    deinit { results.deallocate() }

    func keep(_ result: Float, _ thread: Int) { results[thread] = result }
}

/// Facts about the processor that decide how much memory a measurement needs.
enum Processor {
    /// Bytes of the largest cache as Linux describes it; 32 MiB where it does not.
    static let lastLevelCacheBytes: Int = {
        let sizes = (0..<8).compactMap { index -> Int? in
            let path = "/sys/devices/system/cpu/cpu0/cache/index\(index)/size"
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
            return Int(text.prefix { $0.isNumber }).map { text.contains("M") ? $0 << 20 : $0 << 10 }
        }
        return sizes.max() ?? 32 << 20
    }()
}

/// Wall-clock seconds that `body` takes.
func elapsedSeconds(_ body: () -> Void) -> Double {
    let parts = ContinuousClock().measure(body).components
    return Double(parts.seconds) + Double(parts.attoseconds) * 1e-18
}
