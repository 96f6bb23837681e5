/// Σ a[i] b[i]: sixteen sums side by side, then their sum, then what is left, always in this order.
func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
    let (a, b, lanes) = (UnsafeRawPointer(a), UnsafeRawPointer(b), SIMD16<Float>.scalarCount)
    let (stride, whole) = (MemoryLayout<Float>.stride, count / lanes * lanes)
    var sums = SIMD16<Float>.zero
    for i in Swift.stride(from: 0, to: whole * stride, by: lanes * stride) {
        sums +=
            a.loadUnaligned(fromByteOffset: i, as: SIMD16<Float>.self)
            * b.loadUnaligned(fromByteOffset: i, as: SIMD16<Float>.self)
    }
    var sum = sums.sum()
    for i in Swift.stride(from: whole * stride, to: count * stride, by: stride) {
        sum += a.load(fromByteOffset: i, as: Float.self) * b.load(fromByteOffset: i, as: Float.self)
    }
    return sum
}

/// to += factor · from.
func addScaled(_ to: UnsafeMutablePointer<Float>, _ factor: Float, _ from: UnsafePointer<Float>, _ count: Int) {
    for i in 0..<count { to[i] += factor * from[i] }
}

/// 1 / √(mean x² + epsilon).
func inverseRootMeanSquare(_ x: UnsafePointer<Float>, _ count: Int, _ epsilon: Float) -> Float {
    var sum = 0.0
    for i in 0..<count { sum += Double(x[i]) * Double(x[i]) }
    return Float(1 / (sum / Double(count) + Double(epsilon)).squareRoot())
}
