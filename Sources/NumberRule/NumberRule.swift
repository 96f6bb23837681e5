// One file in every module, by a symbolic link: a declaration of the module itself comes before the standard library's, and
// that of another module would not. It makes a conversion that traps an error of the compiler.

extension Int {
    @available(*, deprecated, message: "traps where it does not fit: use Int(exactly:) or wholeNumber(in:)")
    init(_ number: Double) { self = number.wholeNumber(in: .min ... .max) }

    @available(*, deprecated, message: "traps where it does not fit: use Int(exactly:) or wholeNumber(in:)")
    init(_ number: Float) { self = number.wholeNumber(in: .min ... .max) }
}

extension Int32 {
    @available(*, deprecated, message: "traps where it does not fit: use Int32(exactly:) or wholeNumber(in:)")
    init(_ number: Double) { self = Int32(clamping: number.wholeNumber(in: .min ... .max)) }

    @available(*, deprecated, message: "traps where it does not fit: use Int32(exactly:) or wholeNumber(in:)")
    init(_ number: Float) { self = Int32(clamping: number.wholeNumber(in: .min ... .max)) }
}

extension UInt8 {
    @available(*, deprecated, message: "traps where it does not fit: use UInt8(exactly:) or wholeNumber(in:)")
    init(_ number: Double) { self = UInt8(clamping: number.wholeNumber(in: .min ... .max)) }

    @available(*, deprecated, message: "traps where it does not fit: use UInt8(exactly:) or wholeNumber(in:)")
    init(_ number: Float) { self = UInt8(clamping: number.wholeNumber(in: .min ... .max)) }
}

extension UInt64 {
    @available(*, deprecated, message: "traps where it does not fit: use UInt64(exactly:) or wholeNumber(in:)")
    init(_ number: Double) { self = UInt64(clamping: number.wholeNumber(in: .min ... .max)) }

    @available(*, deprecated, message: "traps where it does not fit: use UInt64(exactly:) or wholeNumber(in:)")
    init(_ number: Float) { self = UInt64(clamping: number.wholeNumber(in: .min ... .max)) }
}

extension Duration {
    @available(*, deprecated, message: "traps where it does not fit: use seconds(within:)")
    static func seconds(_ seconds: Double) -> Duration { .seconds(within: seconds) }

    /// A time from nothing to a hundred years.
    static func seconds(within seconds: Double) -> Duration {
        .milliseconds((1000 * seconds).wholeNumber(in: 0...3_155_760_000_000))
    }
}

extension BinaryFloatingPoint {
    /// The number without its fraction, and the nearer bound where it is outside; the lower one for NaN.
    func wholeNumber(in bounds: ClosedRange<Int>) -> Int {
        guard self > Self(bounds.lowerBound) else { return bounds.lowerBound }
        guard self < Self(bounds.upperBound) else { return bounds.upperBound }
        return Int(exactly: rounded(.towardZero)) ?? bounds.lowerBound
    }
}
