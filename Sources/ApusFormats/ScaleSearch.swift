/// The search for the scale and the minimum of 32 values in 4 bits: `x ≈ scale * code - minimum`.
///
/// For each of some widths the values are rounded to codes, and scale and minimum follow by weighted least squares; larger
/// values weigh more. The memory belongs to the caller, since this runs once for every 32 weights of a model.
struct AffineFit {
    private static let largestCode: Float = 15
    private static let steps = 20

    /// Room for 32 codes.
    let codes: UnsafeMutablePointer<UInt8>
    /// Room for 32 weights.
    let weights: UnsafeMutablePointer<Float>

    /// The best scale and minimum (the latter at least 0) of 32 values.
    func search(_ x: UnsafePointer<Float>) -> (scale: Float, minimum: Float) {
        weigh(x)
        var (low, high) = (x[0], x[0])
        var sumOfWeights = weights[0]
        var sum = weights[0] * x[0]
        for i in 1..<32 {
            low = min(low, x[i])
            high = max(high, x[i])
            sumOfWeights += weights[i]
            sum += weights[i] * x[i]
        }
        low = min(low, 0)
        guard high > low else { return (0, -low) }
        var best = (scale: (high - low) / Self.largestCode, offset: low)
        _ = round(x, low: low, inverse: Self.largestCode / (high - low))
        var smallestError = error(x, best.scale, best.offset)
        for step in 0...Self.steps {
            let width = -1 + 0.1 * Float(step) + Self.largestCode
            // From the best minimum so far, which the next widths start from too.
            let sums = round(x, low: best.offset, inverse: width / (high - best.offset))
            guard let fit = solve(sums, sumOfWeights: sumOfWeights, sum: sum) else { continue }
            let found = error(x, fit.scale, fit.offset)
            if found < smallestError {
                smallestError = found
                best = fit
            }
        }
        return (best.scale, -best.offset)
    }

    private struct Sums {
        var codes: Float = 0
        var squares: Float = 0
        var products: Float = 0
    }

    /// A value weighs its magnitude and the block's root mean square.
    private func weigh(_ x: UnsafePointer<Float>) {
        var squares: Float = 0
        for i in 0..<32 { squares += x[i] * x[i] }
        let typical = (squares / 32).squareRoot()
        for i in 0..<32 { weights[i] = typical + abs(x[i]) }
    }

    /// Rounds the values to codes and sums what least squares needs.
    private func round(_ x: UnsafePointer<Float>, low: Float, inverse: Float) -> Sums {
        var sums = Sums()
        for i in 0..<32 {
            let code = max(0, min(15, BlockRounding.nearest(inverse * (x[i] - low))))
            codes[i] = UInt8(truncatingIfNeeded: code)
            let value = Float(code)
            sums.codes += weights[i] * value
            sums.squares += weights[i] * value * value
            sums.products += weights[i] * value * x[i]
        }
        return sums
    }

    private func solve(_ sums: Sums, sumOfWeights: Float, sum: Float) -> (scale: Float, offset: Float)? {
        let determinant = sumOfWeights * sums.squares - sums.codes * sums.codes
        guard determinant > 0 else { return nil }
        let offset = (sums.squares * sum - sums.codes * sums.products) / determinant
        if offset > 0 { return (sums.products / sums.squares, 0) }
        return ((sumOfWeights * sums.products - sum * sums.codes) / determinant, offset)
    }

    private func error(_ x: UnsafePointer<Float>, _ scale: Float, _ offset: Float) -> Float {
        var result: Float = 0
        for i in 0..<32 {
            let difference = scale * Float(codes[i]) + offset - x[i]
            result += weights[i] * difference * difference
        }
        return result
    }
}

/// The search for the scale of 16 values in 6 signed bits: `x ≈ scale * code`, values weighed by their squares.
enum SymmetricFit {
    /// Values below this are nothing.
    static let smallest: Float = 1e-15
    private static let codes: (lowest: Int32, highest: Int32) = (-32, 31)

    /// The best scale; 0 where all values are nothing.
    static func scale(of x: UnsafePointer<Float>) -> Float {
        var extreme: Float = 0
        for i in 0..<16 where abs(x[i]) > abs(extreme) { extreme = x[i] }
        guard abs(extreme) >= smallest else { return 0 }
        var (products, squares) = fit(x, inverse: -32 / extreme)
        var scale = squares > 0 ? products / squares : 0
        var best = scale * products
        for step in -9...9 where step != 0 {
            (products, squares) = fit(x, inverse: -(32 + 0.1 * Float(step)) / extreme)
            if squares > 0, products * products > best * squares {
                scale = products / squares
                best = scale * products
            }
        }
        return scale
    }

    private static func fit(_ x: UnsafePointer<Float>, inverse: Float) -> (products: Float, squares: Float) {
        var products: Float = 0
        var squares: Float = 0
        for i in 0..<16 {
            let code = max(codes.lowest, min(codes.highest, BlockRounding.nearest(inverse * x[i])))
            let weight = x[i] * x[i]
            products += weight * x[i] * Float(code)
            squares += weight * Float(code) * Float(code)
        }
        return (products, squares)
    }
}
