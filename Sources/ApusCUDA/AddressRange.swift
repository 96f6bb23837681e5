internal import CCUDA

/// Addresses in units of equal size, each with memory from when something lies in it; the memory may stay when nothing does
/// any more.
struct AddressRange<Memory: Sendable>: Sendable {
    let base: CUdeviceptr
    let bytes: Int
    private let unitBytes: Int
    private var units: [Unit]
    /// How often a unit has got memory or lost it.
    private(set) var changes = 0

    private struct Unit: Sendable {
        var memory: Memory?
        /// How much lies in it.
        var users: Int32 = 0
    }

    init(base: CUdeviceptr, bytes: Int, unitBytes: Int) {
        self.base = base
        self.bytes = bytes
        self.unitBytes = unitBytes
        units = Array(repeating: Unit(), count: (bytes + unitBytes - 1) / unitBytes)
    }

    /// The units that some bytes lie in.
    private func indices(_ part: Range<Int>) -> Range<Int> {
        part.lowerBound / unitBytes..<(part.upperBound + unitBytes - 1) / unitBytes
    }

    /// Where a unit lies; the last one may be smaller.
    private func place(_ unit: Int) -> Range<Int> { unit * unitBytes..<min((unit + 1) * unitBytes, bytes) }

    /// Something comes to lie in these bytes. Returns the bytes of the units that were empty.
    mutating func enter(_ part: Range<Int>) -> Int {
        indices(part).reduce(0) { sum, unit in
            units[unit].users += 1
            return units[unit].users == 1 ? sum + place(unit).count : sum
        }
    }

    /// It lies there no more. Returns the bytes of the units that are empty now.
    mutating func leave(_ part: Range<Int>) -> Int {
        indices(part).reduce(0) { sum, unit in
            units[unit].users -= 1
            precondition(units[unit].users >= 0, "left before it was entered")
            return units[unit].users == 0 ? sum + place(unit).count : sum
        }
    }

    /// The first unit of some bytes that has no memory, and where it lies.
    func missing(in part: Range<Int>) -> (unit: Int, place: Range<Int>)? {
        indices(part).first { units[$0].memory == nil }.map { ($0, place($0)) }
    }

    /// Bytes of those units together.
    func missingBytes(in part: Range<Int>) -> Int {
        indices(part).reduce(0) { units[$1].memory == nil ? $0 + place($1).count : $0 }
    }

    /// Bytes of memory in which nothing lies.
    var emptyBytes: Int {
        units.indices.reduce(0) { units[$1].memory != nil && units[$1].users == 0 ? $0 + place($1).count : $0 }
    }

    mutating func set(_ unit: Int, _ memory: Memory) {
        units[unit].memory = memory
        changes += 1
    }

    /// Takes the memory of units: of empty ones until `wanted` bytes are reached, or of all.
    mutating func take(
        emptyOnes wanted: Int?, _ body: (_ place: Range<Int>, Memory) -> Void
    ) -> Int {
        var taken = 0
        for unit in units.indices.reversed() where taken < wanted ?? .max {
            guard let memory = units[unit].memory, wanted == nil || units[unit].users == 0 else { continue }
            units[unit].memory = nil
            changes += 1
            taken += place(unit).count
            body(place(unit), memory)
        }
        return taken
    }
}
