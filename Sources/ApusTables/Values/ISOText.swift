/// The unit of a time in a file.
enum TimeUnit: Int {
    case seconds, milliseconds, microseconds, nanoseconds

    var perSecond: Int64 {
        switch self {
        case .seconds: 1
        case .milliseconds: 1000
        case .microseconds: 1_000_000
        case .nanoseconds: 1_000_000_000
        }
    }
}

/// Dates and times as Python's `isoformat` writes them.
enum ISOText {
    private static let secondsPerDay: Int64 = 86400

    /// `2024-02-29`, of days since 1970. Years outside 0 to 9999, which Python has not, are written in full with a sign.
    static func date(days: Int64) -> String {
        let (year, month, day) = civil(days)
        let digits = String(year.magnitude)
        let padded = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        let sign = year < 0 ? "-" : year > 9999 ? "+" : ""
        return "\(sign)\(padded)-\(twoDigits(month))-\(twoDigits(day))"
    }

    /// `12:34:56`, with a fraction of 6 digits where there is one, and of 9 where it takes them; nil outside a day.
    static func time(_ value: Int64, _ unit: TimeUnit) -> String? {
        let (seconds, fraction) = value.flooredQuotient(by: unit.perSecond)
        guard (0..<secondsPerDay).contains(seconds) else { return nil }
        let clock = [seconds / 3600, seconds / 60 % 60, seconds % 60].map(twoDigits).joined(separator: ":")
        return clock + text(ofFraction: fraction * (1_000_000_000 / unit.perSecond))
    }

    /// `2024-02-29T12:34:56`, of time since 1970; with `+00:00` where it is an instant.
    static func timestamp(_ value: Int64, _ unit: TimeUnit, isInstant: Bool) -> String {
        let (days, rest) = value.flooredQuotient(by: secondsPerDay * unit.perSecond)
        return "\(date(days: days))T\(time(rest, unit) ?? "")\(isInstant ? "+00:00" : "")"
    }

    /// The same of a Julian day and nanoseconds in it.
    static func timestamp(julianDay: Int64, nanoseconds: Int64) -> String {
        let (days, rest) = nanoseconds.flooredQuotient(by: secondsPerDay * 1_000_000_000)
        return "\(date(days: julianDay - 2_440_588 + days))T\(time(rest, .nanoseconds) ?? "")"
    }

    private static func text(ofFraction nanoseconds: Int64) -> String {
        guard nanoseconds != 0 else { return "" }
        let isWhole = nanoseconds % 1000 == 0
        let digits = String(isWhole ? nanoseconds / 1000 : nanoseconds)
        return "." + String(repeating: "0", count: (isWhole ? 6 : 9) - digits.count) + digits
    }

    private static func twoDigits(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Year, month and day of the Gregorian calendar, continued to both sides: years are counted from March, in which the
    /// day of a leap year comes last, in eras of 400 years.
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (days + 719_468).flooredQuotient(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}

extension Int64 {
    /// The quotient rounded down, and what is left, which is not negative; the divisor is positive.
    func flooredQuotient(by divisor: Int64) -> (quotient: Int64, rest: Int64) {
        let (quotient, rest) = quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
    }
}
