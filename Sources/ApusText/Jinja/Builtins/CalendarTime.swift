internal import Foundation

/// A date in the civil calendar, printed with the directives of C's `strftime`. `DateFormatter` would bring all of ICU
/// into the program for one line of one model's system prompt.
struct CalendarTime {
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

    private let year: Int
    private let month: Int
    private let day: Int
    private let weekday: Int
    /// Counted from 1.
    private let dayOfYear: Int
    private let secondOfDay: Int

    /// Within the years 1 to 9999, which is what a template can print.
    private static let seconds = -62_135_596_800...253_402_300_799

    init(_ date: Date, in zone: TimeZone) {
        let seconds =
            date.timeIntervalSince1970.rounded(.down).wholeNumber(in: Self.seconds) + zone.secondsFromGMT(for: date)
        secondOfDay = ((seconds % 86_400) + 86_400) % 86_400
        let days = (seconds - secondOfDay) / 86_400
        weekday = ((days + 4) % 7 + 7) % 7
        // Years are counted from March, so that the leap day is the last of its year; an era is 400 years.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayFromMarch = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayFromMarch + 2) / 153
        day = dayFromMarch - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        self.year = year
        let isLeap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
        dayOfYear = month <= 2 ? dayFromMarch - 305 : dayFromMarch + (isLeap ? 61 : 60)
    }

    /// The date in a format, in C's locale; unknown directives stay as they are.
    func formatted(_ format: String) -> String {
        var result = ""
        var rest = format.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            guard scalar == "%" else {
                result.unicodeScalars.append(scalar)
                continue
            }
            var directive = rest
            let flags = directive.prefix { "-_0^#".unicodeScalars.contains($0) }
            directive = directive.dropFirst(flags.count)
            guard let name = directive.popFirst(), let field = field(name) else {
                result += "%"
                continue
            }
            result += field.text(flags: flags)
            rest = directive
        }
        return result
    }

    /// What a directive stands for.
    private enum Field {
        case number(Int, width: Int, filler: String)
        case text(String)
        /// Flags change nothing.
        case fixed(String)

        /// The field as glibc's flags want it: `-` unpadded, `_` and `0` padded otherwise, `^` and `#` in capitals.
        func text(flags: Substring.UnicodeScalarView) -> String {
            switch self {
            case .fixed(let text): return text
            case .text(let text):
                // The other case of AM and PM is the small one; `#` of all other names are capitals.
                if flags.contains("#"), text == "AM" || text == "PM" { return text.lowercased() }
                return flags.contains("^") || flags.contains("#") ? text.uppercased() : text
            case .number(let number, let width, var filler):
                for flag in flags where "-_0".unicodeScalars.contains(flag) {
                    filler = flag == "-" ? "" : flag == "_" ? " " : "0"
                }
                let digits = String(number)
                return String(repeating: filler, count: max(0, width - digits.utf8.count)) + digits
            }
        }
    }

    private func field(_ name: Unicode.Scalar) -> Field? {
        func number(_ value: Int, _ width: Int = 2, _ filler: String = "0") -> Field {
            .number(value, width: width, filler: filler)
        }
        let (hour, minute) = (secondOfDay / 3600, secondOfDay / 60 % 60)
        switch name {
        case "Y": return number(year, 1)
        case "C": return number(year / 100)
        case "y": return number(year % 100)
        case "m": return number(month)
        case "B": return .text(Self.months[month - 1])
        case "b", "h": return .text(String(Self.months[month - 1].prefix(3)))
        case "d": return number(day)
        case "e": return number(day, 2, " ")
        case "j": return number(dayOfYear, 3)
        case "A": return .text(Self.days[weekday])
        case "a": return .text(String(Self.days[weekday].prefix(3)))
        case "u": return number(weekday == 0 ? 7 : weekday, 1)
        case "w": return number(weekday, 1)
        case "U": return number((dayOfYear + 6 - weekday) / 7)
        case "W": return number((dayOfYear + 6 - (weekday + 6) % 7) / 7)
        case "G": return number(week.year, 1)
        case "g": return number(week.year % 100)
        case "V": return number(week.number)
        case "H": return number(hour)
        case "k": return number(hour, 2, " ")
        case "I": return number((hour + 11) % 12 + 1)
        case "l": return number((hour + 11) % 12 + 1, 2, " ")
        case "p": return .text(secondOfDay < 43_200 ? "AM" : "PM")
        case "P": return .fixed(secondOfDay < 43_200 ? "am" : "pm")
        case "M": return number(minute)
        case "S": return number(secondOfDay % 60)
        case "n": return .text("\n")
        case "t": return .text("\t")
        case "%": return .text("%")
        default: return Self.compounds[name].map { .text(formatted($0)) }
        }
    }

    /// Directives that stand for several.
    private static let compounds: [Unicode.Scalar: String] = [
        "F": "%Y-%m-%d", "T": "%H:%M:%S", "X": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "x": "%m/%d/%y",
        "r": "%I:%M:%S %p", "c": "%a %b %e %H:%M:%S %Y",
    ]

    /// The week of ISO 8601, and the year that it belongs to: weeks begin with Monday, the first one holds the 4th of January.
    private var week: (year: Int, number: Int) {
        let number = (dayOfYear - (weekday == 0 ? 7 : weekday) + 10) / 7
        if number < 1 { return (year - 1, Self.weeks(in: year - 1)) }
        return number > Self.weeks(in: year) ? (year + 1, 1) : (year, number)
    }

    private static func weeks(in year: Int) -> Int {
        /// The weekday of the last day of December.
        func last(_ year: Int) -> Int { (year + year / 4 - year / 100 + year / 400) % 7 }
        return last(year) == 4 || last(year - 1) == 3 ? 53 : 52
    }
}
