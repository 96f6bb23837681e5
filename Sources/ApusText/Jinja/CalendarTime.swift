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

    /// The date in a format; unknown directives stay as they are.
    func formatted(_ format: String) -> String {
        var result = ""
        var isDirective = false
        for scalar in format.unicodeScalars {
            if isDirective {
                result += directive(scalar)
                isDirective = false
            } else if scalar == "%" {
                isDirective = true
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return isDirective ? result + "%" : result
    }

    private func directive(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "Y": String(year)
        case "y": padded(year % 100)
        case "m": padded(month)
        case "B": Self.months[month - 1]
        case "b", "h": String(Self.months[month - 1].prefix(3))
        case "d": padded(day)
        case "e": padded(day, with: " ")
        case "j": padded(dayOfYear, width: 3)
        case "A": Self.days[weekday]
        case "a": String(Self.days[weekday].prefix(3))
        case "H": padded(secondOfDay / 3600)
        case "I": padded((secondOfDay / 3600 + 11) % 12 + 1)
        case "p": secondOfDay < 43_200 ? "AM" : "PM"
        case "M": padded(secondOfDay / 60 % 60)
        case "S": padded(secondOfDay % 60)
        case "F": "\(year)-\(padded(month))-\(padded(day))"
        case "T": "\(padded(secondOfDay / 3600)):\(padded(secondOfDay / 60 % 60)):\(padded(secondOfDay % 60))"
        case "%": "%"
        default: "%\(scalar)"
        }
    }

    private func padded(_ number: Int, width: Int = 2, with filler: String = "0") -> String {
        let digits = String(number)
        return String(repeating: filler, count: max(0, width - digits.utf8.count)) + digits
    }
}
