/// Byte strings by their beginnings, each with a number: all that are a prefix of some text are found on one walk.
///
/// The edges are in one open-addressing table, so that building it takes time in proportion to the bytes and each step of a
/// walk one look.
struct ByteTrie: Sendable {
    /// More than any vocabulary needs; an edge has 32 bits for its node and its byte.
    static let nodeLimit = 1 << 24 - 1

    private static let free = UInt64.max
    /// The node and the byte of an edge in the high half, the node that it leads to in the low one.
    private var edges: [UInt64]
    private var shift: UInt32
    /// The number that belongs to each node, -1 where no string ends.
    private var values: [Int32] = [-1]

    /// - Parameter byteCount: about how many bytes the strings have together: their nodes are half as many where they share
    ///   beginnings, and growing the table costs more than having it large.
    init(byteCount: Int = 0) {
        var bits = 10
        while bits < 24, 1 << bits < byteCount { bits += 1 }
        edges = [UInt64](repeating: Self.free, count: 1 << bits)
        shift = UInt32(32 - bits)
        values.reserveCapacity(byteCount / 2)
    }

    /// The first node of every walk.
    static var root: Int32 { 0 }

    /// Whether there is room for so many bytes more.
    func hasRoom(for count: Int) -> Bool { values.count + count <= Self.nodeLimit }

    /// Gives a string that is not empty a number; the last one given to it counts.
    mutating func insert(_ key: some Sequence<UInt8>, _ value: Int32) {
        var node = Self.root
        for byte in key { node = addChild(of: node, byte) }
        if node != Self.root { values[Int(node)] = value }
    }

    /// The node that a byte leads to, -1 where no string goes on with it.
    @inline(__always) func child(of node: Int32, _ byte: UInt8) -> Int32 {
        let key = Self.key(node, byte)
        var slot = Int((key &* 0x9E37_79B1) >> shift)
        while true {
            let edge = edges[slot]
            if UInt32(truncatingIfNeeded: edge >> 32) == key { return Int32(truncatingIfNeeded: edge) }
            if edge == Self.free { return -1 }
            slot = (slot + 1) & (edges.count - 1)
        }
    }

    /// The number of the string that ends at a node, or -1.
    @inline(__always) func value(at node: Int32) -> Int32 { values[Int(node)] }

    /// The number of a string, or -1.
    func value(of key: ArraySlice<UInt8>) -> Int32 {
        var node = Self.root
        for byte in key {
            node = child(of: node, byte)
            if node < 0 { return -1 }
        }
        return values[Int(node)]
    }

    /// The longest string that the text begins with at a place, and where it ends.
    func longest(in text: [UInt8], at start: Int) -> (value: Int32, end: Int)? {
        var found: (Int32, Int)?
        var node = Self.root
        var at = start
        while at < text.count {
            node = child(of: node, text[at])
            if node < 0 { break }
            at += 1
            if values[Int(node)] >= 0 { found = (values[Int(node)], at) }
        }
        return found
    }

    private mutating func addChild(of node: Int32, _ byte: UInt8) -> Int32 {
        let known = child(of: node, byte)
        if known >= 0 { return known }
        // At most half of the places are taken.
        if values.count * 2 >= edges.count { grow() }
        let new = Int32(values.count)
        values.append(-1)
        place(UInt64(Self.key(node, byte)) << 32 | UInt64(new))
        return new
    }

    private mutating func grow() {
        let old = edges
        edges = [UInt64](repeating: Self.free, count: old.count * 4)
        shift -= 2
        for edge in old where edge != Self.free { place(edge) }
    }

    private mutating func place(_ edge: UInt64) {
        var slot = Int((UInt32(truncatingIfNeeded: edge >> 32) &* 0x9E37_79B1) >> shift)
        while edges[slot] != Self.free { slot = (slot + 1) & (edges.count - 1) }
        edges[slot] = edge
    }

    private static func key(_ node: Int32, _ byte: UInt8) -> UInt32 { UInt32(bitPattern: node) << 8 | UInt32(byte) }
}
