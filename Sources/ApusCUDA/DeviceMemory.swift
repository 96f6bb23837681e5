internal import ApusTensor
internal import CCUDA
internal import Synchronization

/// A card's memory: one range of addresses that pieces are cut from, and a range for each kind of pages. Memory is mapped
/// under what is used, and moves from a range to another where it is needed.
///
/// A piece or a page that is given back may be given out at once: all work on it is in one stream, so that what comes later
/// waits for what came before, and another stream that reads it holds on to it (`RowFetch`). Before memory is taken from under
/// addresses, all work is waited for.
///
/// `@unchecked Sendable`: everything that changes is behind a mutex; the driver may be called from any thread.
final class DeviceMemory: @unchecked Sendable {
    /// Whole lines of every cache, and what vector loads ask for.
    private static let alignment = 256
    /// Addresses for pieces, as a multiple of what may be used: holes between them cost no memory.
    private static let addressFactor = 4
    /// A unit is so many granules, for the driver takes a tenth of a millisecond for each; fewer where memory is small.
    private static let (unitGranules, leastUnits) = (8, 512)
    /// Of the limit, what pages leave to operations' own needs.
    private static let pageReserve = 32

    /// Names a range of addresses.
    typealias RangeID = Int
    private static let pieces: RangeID = 0

    private typealias Addresses = AddressRange<CUmemGenericAllocationHandle>

    private struct State {
        var ranges: [RangeID: Addresses] = [:]
        var free: FreeList
        var lastID = DeviceMemory.pieces
        /// Bytes that are mapped, and bytes of units that something lies in.
        var mapped = 0
        var used = 0
        /// Bytes of what lies in pieces, and of units that pages lie in.
        var uses: [DeviceMemoryUse: Int] = [:]
    }

    private let state: Mutex<State>
    private let memory: VirtualMemory
    private let unitBytes: Int
    /// Bytes that may be mapped.
    let limit: Int

    /// - Throws: `TensorError` when the driver has no addresses.
    init(_ memory: VirtualMemory, limit: Int) throws(TensorError) {
        self.memory = memory
        self.limit = limit
        let granules = limit / memory.granularity
        unitBytes = memory.granularity * max(1, min(Self.unitGranules, granules / Self.leastUnits))
        let bytes = memory.rounded(Self.addressFactor * limit)
        state = Mutex(State(free: FreeList(0..<bytes)))
        let range = Addresses(base: try memory.reserve(bytes), bytes: bytes, unitBytes: unitBytes)
        base = range.base
        state.withLock { $0.ranges[Self.pieces] = range }
    }

    private let base: CUdeviceptr

    deinit {
        memory.finish()
        state.withLock { state in for id in Array(state.ranges.keys) { unmapAll(id, &state) } }
    }

    /// Bytes in use, with what cannot be used beside them.
    var used: Int { state.withLock { $0.used } }

    /// Bytes that pages may take beside the memory that their ranges have, if all of these end unluckily in their units.
    var roomForPages: Int {
        state.withLock { state in
            let empty = state.ranges.reduce(0) { $1.key == Self.pieces ? $0 : $0 + $1.value.emptyBytes }
            return limit - state.used - empty - limit / Self.pageReserve - unitBytes * state.ranges.count
        }
    }

    // MARK: Pieces

    /// Gives out a piece.
    ///
    /// - Throws: `TensorError` when the card or the limit has no room for it.
    func allocate(_ bytes: Int, for use: DeviceMemoryUse) throws(TensorError) -> CUdeviceptr {
        try state.withLock { (state) throws(TensorError) in
            let rounded = Self.rounded(bytes)
            guard let piece = state.free.take(rounded) else { throw shortage(of: bytes, state) }
            do throws(TensorError) { try enter(piece, of: Self.pieces, &state) } catch {
                state.free.give(piece)
                throw error
            }
            state.uses[use, default: 0] += rounded
            return base + CUdeviceptr(piece.lowerBound)
        }
    }

    /// Takes a piece back.
    func release(_ address: CUdeviceptr, _ bytes: Int, of use: DeviceMemoryUse) {
        let first = Int(address - base)
        let piece = first..<first + Self.rounded(bytes)
        state.withLock { state in
            state.free.give(piece)
            state.uses[use, default: 0] -= piece.count
            leave(piece, of: Self.pieces, &state)
        }
    }

    private static func rounded(_ bytes: Int) -> Int { max(1, (bytes + alignment - 1) / alignment) * alignment }

    // MARK: Ranges

    /// Reserves addresses, without memory.
    func reserve(_ bytes: Int) throws(TensorError) -> (id: RangeID, base: CUdeviceptr) {
        try state.withLock { (state) throws(TensorError) in
            let bytes = memory.rounded(bytes)
            let range = Addresses(base: try memory.reserve(bytes), bytes: bytes, unitBytes: unitBytes)
            state.lastID += 1
            state.ranges[state.lastID] = range
            return (state.lastID, range.base)
        }
    }

    /// Something comes to lie in a part of a range: it gets memory.
    ///
    /// - Throws: `TensorError` when the card or the limit has no room for it.
    func enter(_ part: Range<Int>, of id: RangeID) throws(TensorError) {
        try state.withLock { (state) throws(TensorError) in try enter(part, of: id, &state) }
    }

    /// How often memory has come to a range or gone from it.
    func changes(of id: RangeID) -> Int { state.withLock { $0.ranges[id]?.changes ?? 0 } }

    /// How many parts of a range have memory.
    func count(_ parts: some Sequence<Range<Int>>, withMemoryOf id: RangeID) -> Int {
        state.withLock { state in
            parts.reduce(0) { $0 + (state.ranges[id]?.missing(in: $1) == nil ? 1 : 0) }
        }
    }

    /// It is needed no more; the memory goes when it is needed elsewhere.
    func leave(_ part: Range<Int>, of id: RangeID) { state.withLock { leave(part, of: id, &$0) } }

    /// Gives a range back.
    ///
    /// - Parameter used: what still lies in it.
    func release(_ id: RangeID, used parts: [Range<Int>]) {
        state.withLock { state in
            for part in parts { leave(part, of: id, &state) }
            memory.finish()
            unmapAll(id, &state)
        }
    }

    // MARK: Units

    private func enter(_ part: Range<Int>, of id: RangeID, _ state: inout State) throws(TensorError) {
        let bytes = state.ranges[id]?.enter(part) ?? 0
        state.used += bytes
        if id != Self.pieces { state.uses[.pages, default: 0] += bytes }
        do throws(TensorError) { try map(part, of: id, &state) } catch {
            leave(part, of: id, &state)
            throw error
        }
    }

    private func leave(_ part: Range<Int>, of id: RangeID, _ state: inout State) {
        let bytes = state.ranges[id]?.leave(part) ?? 0
        state.used -= bytes
        if id != Self.pieces { state.uses[.pages, default: 0] -= bytes }
    }

    /// Maps what units of a part lack memory; they count as used already.
    private func map(_ part: Range<Int>, of id: RangeID, _ state: inout State) throws(TensorError) {
        let wanted = state.ranges[id]?.missingBytes(in: part) ?? 0
        guard wanted > 0 else { return }
        let excess = state.mapped + wanted - limit
        guard excess <= 0 || takeEmpty(excess, &state) >= excess else { throw shortage(of: part.count, state) }
        let base = state.ranges[id]?.base ?? 0
        while let (unit, place) = state.ranges[id]?.missing(in: part) {
            if let mapped = try memory.map(base + CUdeviceptr(place.lowerBound), place.count) {
                state.ranges[id]?.set(unit, mapped)
                state.mapped += place.count
            } else if takeEmpty(place.count, &state) == 0 {
                throw shortage(of: part.count, state)
            }
        }
    }

    /// Unmaps units that nothing lies in, of so many bytes or more; returns how many bytes.
    private func takeEmpty(_ wanted: Int, _ state: inout State) -> Int {
        memory.finish()
        var taken = 0
        for id in state.ranges.keys.sorted() where taken < wanted {
            taken += take(id, emptyOnes: wanted - taken, &state)
        }
        return taken
    }

    private func take(_ id: RangeID, emptyOnes wanted: Int?, _ state: inout State) -> Int {
        guard let base = state.ranges[id]?.base else { return 0 }
        let taken = state.ranges[id]?.take(emptyOnes: wanted) { place, unit in
            memory.unmap(base + CUdeviceptr(place.lowerBound), place.count, unit)
        }
        state.mapped -= taken ?? 0
        return taken ?? 0
    }

    private func unmapAll(_ id: RangeID, _ state: inout State) {
        _ = take(id, emptyOnes: nil, &state)
        if let range = state.ranges.removeValue(forKey: id) { memory.free(range.base, range.bytes) }
    }

    /// The error of something that there is no memory for.
    private func shortage(of bytes: Int, _ state: State) -> TensorError {
        // What is counted as used for it is not mapped: both sides of the difference leave it out.
        let empty = state.ranges.values.reduce(0) { $0 + $1.emptyBytes }
        let left = min(limit - state.mapped, memory.freeBytes) + empty
        return TensorError(
            shortage: DeviceShortage(wanted: bytes, left: max(0, left), limit: limit, uses: state.uses))
    }
}
