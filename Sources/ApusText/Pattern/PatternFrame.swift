/// What there is to do where an attempt fails, and what to put back before.
struct PatternFrame {
    enum Kind {
        /// Goes on at `index`.
        case fork
        /// Takes one code point less, or one more, of those repeated at `index`.
        case fewer
        case more
        /// Goes on without the round of a repetition that was tried.
        case lastRound
        /// Tries another round of a repetition.
        case nextRound
        /// Only puts the repetition back.
        case round
        /// These hold a program of their own; when it succeeds, the innermost of them says what comes next.
        case atomic
        case look
        case lookNot
        case needed
        case wanted
    }

    let kind: Kind
    let index: Int
    var position: Int
    /// The last mark that counted.
    let lastMark: Int
    /// Where the marks are that have to be put back, and how many.
    let saved: Int
    let savedCount: Int
    /// The repetition under way, and how many there are.
    let repetition: Int
    let repetitions: Int
    /// Code points or rounds so far.
    var count: Int
    /// The start of the last round, or the frame of the program around this one.
    let other: Int
}

/// A repetition of a group under way.
struct PatternRepetition {
    /// Complete rounds.
    var count = -1
    /// Where the last round began: one that matches nothing is the last.
    var lastStart = -1
    /// The repetition around this one; none if negative.
    let outer: Int
}
