/// Text as Python sees it: a sequence of code points, with the string operations that reward functions written in Python
/// use. Swift's own operations work on grapheme clusters and canonical equivalence and would give other scores.
struct PythonText: Equatable {
    private let scalars: ArraySlice<Unicode.Scalar>

    init(_ text: String) { scalars = Array(text.unicodeScalars)[...] }

    private init(_ scalars: ArraySlice<Unicode.Scalar>) { self.scalars = scalars }

    /// `len(text)`.
    var count: Int { scalars.count }

    /// The text as Swift sees it.
    var string: String { String(String.UnicodeScalarView(scalars)) }

    /// The code points.
    var codePoints: ArraySlice<Unicode.Scalar> { scalars }

    /// `text.strip()`.
    var stripped: PythonText {
        let tail = scalars.drop(while: \.isPythonSpace)
        let end = tail.lastIndex { !$0.isPythonSpace }.map { $0 + 1 } ?? tail.startIndex
        return PythonText(tail[..<end])
    }

    /// `text.isdigit()`.
    var isDigits: Bool { !scalars.isEmpty && scalars.allSatisfy(\.isPythonDigit) }

    /// `text.count(needle)`: occurrences that do not overlap.
    func count(_ needle: String) -> Int { ranges(of: needle).count }

    /// `needle in text`.
    func contains(_ needle: String) -> Bool { !ranges(of: needle).isEmpty }

    /// `text.split(needle)[0]`.
    func beforeFirst(_ needle: String) -> PythonText {
        ranges(of: needle).first.map { PythonText(scalars[..<$0.lowerBound]) } ?? self
    }

    /// `text.split(needle)[-1]`.
    func afterLast(_ needle: String) -> PythonText {
        ranges(of: needle).last.map { PythonText(scalars[$0.upperBound...]) } ?? self
    }

    /// `text.split("\n")`.
    var lines: [PythonText] {
        scalars.split(separator: "\n", omittingEmptySubsequences: false).map(PythonText.init)
    }

    /// Whether these code points stand at this index.
    func hasPrefix(_ needle: [Unicode.Scalar], at index: Int) -> Bool { scalars[index...].starts(with: needle) }

    /// Where the needle occurs, from left to right without overlap.
    func ranges(of needle: String) -> [Range<Int>] {
        let needle = Array(needle.unicodeScalars)
        precondition(!needle.isEmpty, "Python's split and count have other rules for an empty needle")
        var found: [Range<Int>] = []
        var index = scalars.startIndex
        while index + needle.count <= scalars.endIndex {
            if scalars[index] == needle[0], hasPrefix(needle, at: index) {
                found.append(index..<index + needle.count)
                index += needle.count
            } else {
                index += 1
            }
        }
        return found
    }
}

extension Unicode.Scalar {
    /// Whether `str.strip()` and `\s` in Python take this for white space: Unicode's White_Space and the four
    /// information separators U+001C to U+001F.
    var isPythonSpace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }

    /// Whether `str.isdigit()` takes this for a digit: Unicode's Numeric_Type Decimal or Digit, so "²" and "٣" are.
    var isPythonDigit: Bool { properties.numericType == .decimal || properties.numericType == .digit }
}
