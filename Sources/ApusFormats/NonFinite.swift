/// Finds values that no weight may have.
public enum NonFinite {
    /// How many of `values` are NaN or infinite.
    public static func count(in values: UnsafeBufferPointer<Float>) -> Int {
        // Sums of a mask in integers, since the compiler vectorises those and not a branch.
        var total = 0
        var start = 0
        while start < values.count {
            let end = min(start &+ 4096, values.count)
            var part: Int32 = 0
            for i in start..<end { part &+= values[i].bitPattern & 0x7F80_0000 == 0x7F80_0000 ? 1 : 0 }
            total += Int(part)
            start = end
        }
        return total
    }
}
