public import ApusTensor
package import CKernels
internal import Foundation
internal import Synchronization

/// The CPU: kernels of one instruction set, and a pool of threads that share the pieces of each operation.
///
/// `@unchecked Sendable`: scratch memory is written only inside a pool run, each thread in its own part, and the
/// numeric core that calls it is owned by one thread at a time.
public final class CPUBackend: Backend, @unchecked Sendable {
    /// The kernels of one instruction set.
    package let kernels: apus_kernels
    /// The threads that share the work.
    package let pool: ThreadPool
    private var scratch: [CPUStorage] = []
    private var prefix: CPUStorage?
    /// Rows rounded to 16 bits: of a product's input and its adapters, or of up to three gradients and theirs.
    private var rounding: [CPUStorage] = []
    /// Each thread's hidden states and logits on their way through the head, and the form that they are in.
    private var headBuffers: [HeadBuffer] = []
    static let roundingSlots = 6
    private let shares: [Share]
    /// Which kernels run.
    public let instructionSet: InstructionSet

    /// A backend on `threads` threads.
    ///
    /// - Parameters:
    ///   - instructionSet: nil for the best one of this processor, or what `APUS_ISA` names.
    ///   - threads: nil for one a processor.
    /// - Throws: `TensorError` for an instruction set that is unknown or cannot run here, or fewer threads than one.
    public init(instructionSet: InstructionSet? = nil, threads: Int? = nil) throws(TensorError) {
        let selected = if let instructionSet { instructionSet } else { try InstructionSet.selected() }
        guard let table = apus_kernels_named(selected.rawValue) else {
            throw TensorError("instruction set '\(selected.rawValue)' cannot run on this processor; choose another")
        }
        self.instructionSet = selected
        kernels = table.pointee
        let count = threads ?? ProcessInfo.processInfo.activeProcessorCount
        guard count > 0 else { throw TensorError("threads: wanted at least 1, found \(count)") }
        pool = ThreadPool(threads: count)
        shares = (0..<count).map { _ in Share() }
        for _ in 0..<count { scratch.append(try CPUStorage(count: Int(kernels.linear.scratch_floats))) }
    }

    /// The instruction set: each has its own bits.
    public var arithmetic: String { instructionSet.rawValue }

    /// For people.
    public var name: String { "CPU, \(instructionSet.rawValue), \(pool.threads) threads" }

    /// Pieces of work for each thread: enough that a thread whose core is slowed down by others leaves some to the rest.
    static let piecesPerThread = 4

    /// Runs `body` on pieces of 0 ..< count, its own first on each thread.
    package func split(_ count: Int, _ body: (_ thread: Int, Range<Int>) -> Void) {
        let pieces = pool.threads > 1 ? min(pool.threads * Self.piecesPerThread, count) : 1
        deal(count > 0 ? pieces : 0) { thread, piece in
            body(thread, Self.piece(piece, of: pieces, count))
        }
    }

    /// One of `pieces` about equal pieces of 0 ..< count.
    package static func piece(_ index: Int, of pieces: Int, _ count: Int) -> Range<Int> {
        count * index / pieces..<count * (index + 1) / pieces
    }

    /// Elements from which sharing the work costs less than it gains.
    package static let leastSharedWork = 4096

    /// As `split`, on the calling thread alone where `work` (elements touched) is less than a hand-over costs.
    func split(_ count: Int, work: Int, _ body: (_ thread: Int, Range<Int>) -> Void) {
        if work < Self.leastSharedWork {
            if count > 0 { body(0, 0..<count) }
        } else {
            split(count) { body($0, $1) }
        }
    }

    /// Runs tasks 0 ..< count. A thread begins with its own contiguous share, the same in every call, so that rows stay in
    /// its caches from one operation to the next; then it takes what others have left. What a task computes is its own
    /// business alone, so the results do not depend on who ran it.
    func deal(_ count: Int, _ body: (_ thread: Int, _ task: Int) -> Void) {
        let parts = min(pool.threads, count)
        for part in 0..<parts {
            shares[part].next.store(Self.piece(part, of: parts, count).lowerBound, ordering: .relaxed)
        }
        pool.run(parts) { thread in
            for offset in 0..<parts {
                let part = (thread + offset) % parts
                let end = Self.piece(part, of: parts, count).upperBound
                while true {
                    let task = self.shares[part].next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard task < end else { break }
                    body(thread, task)
                }
            }
        }
    }

    /// The next task of one thread's share.
    private final class Share: Sendable {
        let next = Atomic<Int>(0)
    }

    /// The thread's scratch, grown to at least `count` floats; twice that, since a context grows by a token a step and new
    /// memory is slow until it was touched. Call before a run, not inside one.
    func reserveScratch(_ count: Int) throws(TensorError) {
        guard scratch[0].count < count else { return }
        for thread in scratch.indices { scratch[thread] = try CPUStorage(count: 2 * count) }
    }

    /// Grows a rounding slot to at least `count` floats; twice that, as scratch.
    func reserveRounding(_ slot: Int, _ count: Int) throws(TensorError) {
        while rounding.count <= slot { rounding.append(try CPUStorage(count: 1)) }
        if rounding[slot].count < count { rounding[slot] = try CPUStorage(count: 2 * count) }
    }

    /// A rounding slot of at least `count` floats.
    func rounding(_ slot: Int, _ count: Int) -> CPUStorage {
        if rounding.count <= slot || rounding[slot].count < count {
            do { try reserveRounding(slot, count) } catch { preconditionFailure("prepare comes first: \(error)") }
        }
        return rounding[slot]
    }

    /// Room for what completions add to the gradients of their prompts' keys and values, kept between layers.
    func reservePrefix(_ count: Int) throws(TensorError) {
        if prefix.map({ $0.count < count }) ?? true { prefix = try CPUStorage(count: count) }
    }

    /// That room.
    func prefix(_ count: Int) -> UnsafeMutablePointer<Float> {
        guard let prefix, prefix.count >= count else { preconditionFailure("prepare comes first") }
        return prefix.base
    }

    /// Room in which each thread takes rows through a head of that form.
    func reserveHead(_ head: CPUWeight) throws(TensorError) {
        if let buffer = headBuffers.first, buffer.fits(head) { return }
        headBuffers = []
        for _ in 0..<pool.threads { headBuffers.append(try HeadBuffer(head)) }
    }

    /// A thread's room for the head.
    func headBuffer(_ thread: Int, _ head: CPUWeight) -> HeadBuffer {
        precondition(headBuffers.count > thread && headBuffers[thread].fits(head), "prepare comes first")
        return headBuffers[thread]
    }

    /// A thread's scratch memory.
    package func scratch(_ thread: Int) -> UnsafeMutablePointer<Float> { scratch[thread].base }
}
