/// A regular expression that decides what Python's `re` decides.
///
/// Swift's `Regex` has another `.`, `$` and `\w`, and nothing stops a match that takes long. This one works on code
/// points as Python's `str` does, follows the order in which CPython tries things, captures of failed attempts included,
/// and counts its steps. It takes memory in place of the thread's stack, so the length of a text is no danger.
///
/// The versions meant are 3.11 to 3.13; 3.14 has a `\z` and lets `\B` match an empty text. Refused though they know it:
/// `\N{…}`, groups nested more than fifty deep, and what 3.13 refuses as well (the `t` flag, group numbers that are not
/// plain digits).
package struct PythonPattern: Sendable {
    /// Where a pattern has to match, by the names of Python's functions.
    package enum Anchor: String, CaseIterable {
        /// Anywhere: `re.search`.
        case search
        /// At the beginning: `re.match`.
        case match
        /// The whole text: `re.fullmatch`.
        case fullmatch
    }

    /// What changes the meaning of a pattern, by the names of Python's flags.
    package struct Flags: OptionSet, Sendable {
        /// The bits.
        package let rawValue: UInt8

        /// Flags by their bits.
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// `re.I`
        package static let ignoreCase = Flags(rawValue: 1)
        /// `re.M`: `^` and `$` match at every line.
        package static let multiline = Flags(rawValue: 2)
        /// `re.S`: `.` matches a line feed too.
        package static let dotAll = Flags(rawValue: 4)
        /// `re.X`: white space and comments in the pattern mean nothing.
        package static let verbose = Flags(rawValue: 8)
        /// `re.A`: `\d`, `\s`, `\w`, `\b` and case know ASCII only.
        package static let ascii = Flags(rawValue: 16)
        /// `re.U`, which is what holds without `re.A`; written, it excludes it.
        package static let unicode = Flags(rawValue: 32)
    }

    private let program: PatternProgram

    /// - Throws: ``PatternError`` where `re.compile` raises, and for what is not supported.
    package init(_ pattern: String, flags: Flags = []) throws(PatternError) {
        var parser = try PatternParser(pattern, flags: flags)
        let nodes = try parser.parse()
        program = PatternCompiler.program(of: nodes, flags: parser.flags, groups: parser.groupCount)
    }

    /// Whether Python finds a match. The time taken is within a constant factor of the steps taken.
    ///
    /// - Throws: ``PatternError/tooSlow(steps:)`` after this many steps, or ``PatternError/tooMuchMemory``.
    package func matches(_ text: String, _ anchor: Anchor, steps: Int) throws(PatternError) -> Bool {
        let text = text.unicodeScalars.map(\.value)
        guard text.count >= program.minimum else { return false }
        var machine = PatternMachine(program, text: text, isWhole: anchor == .fullmatch, steps: steps)
        guard anchor == .search else { return try machine.matches(at: 0) }
        // CPython stops where too little is left, or where a start that it looks for cannot be.
        let end = program.start == nil ? text.count - max(program.minimum, 1) + 2 : text.count
        for start in 0..<end where machine.mayMatch(at: start) {
            if try machine.matches(at: start) { return true }
            if program.beginsAtStart { break }
        }
        return false
    }
}

/// Why a pattern cannot be used, or did not come to an end.
package enum PatternError: Error, Equatable, CustomStringConvertible {
    /// What Python refuses too.
    case invalid(String, position: Int)
    /// What Python knows and this does not.
    case unsupported(String, position: Int)
    /// More steps than were allowed.
    case tooSlow(steps: Int)
    /// More ways kept open than memory is given.
    case tooMuchMemory

    /// One line.
    package var description: String {
        switch self {
        case .invalid(let what, let position): "\(what) at position \(position)"
        case .unsupported(let what, let position): "\(what) not supported, at position \(position)"
        case .tooSlow(let steps):
            "the pattern took more than \(steps) steps and is given up; avoid repetitions within repetitions"
        case .tooMuchMemory: "the pattern keeps too many ways open on this text; avoid repetitions of groups"
        }
    }
}
