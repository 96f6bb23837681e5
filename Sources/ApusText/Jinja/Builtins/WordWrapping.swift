/// Breaks text into lines as Python's `textwrap` does, as far as `wordwrap` uses it.
struct WordWrapping {
    let width: Int
    let breaksLongWords: Bool
    let breaksOnHyphens: Bool

    /// The lines of a text that has no line breaks of its own.
    func lines(of text: String) -> [String] {
        var chunks = Array(chunks(of: Array(text.unicodeScalars)).reversed())
        var lines: [String] = []
        while !chunks.isEmpty {
            // Space at the beginning of a line goes, but for the first line's.
            if let last = chunks.last, last.isSpace, !lines.isEmpty { chunks.removeLast() }
            var line: [[Unicode.Scalar]] = []
            var length = 0
            while let chunk = chunks.last, length + chunk.count <= width {
                line.append(chunks.removeLast())
                length += chunk.count
            }
            if let chunk = chunks.last, chunk.count > width {
                breakLongWord(&chunks, into: &line, room: width - length)
            }
            // One chunk at most: of a word of which nothing fitted there is an empty one, and space before it stays.
            if let last = line.last, last.isSpace { line.removeLast() }
            if !line.isEmpty { lines.append(joined(Array(line.joined()))) }
        }
        return lines
    }

    private func joined(_ scalars: [Unicode.Scalar]) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    private func breakLongWord(_ chunks: inout [[Unicode.Scalar]], into line: inout [[Unicode.Scalar]], room: Int) {
        guard breaksLongWords else {
            if line.isEmpty { line.append(chunks.removeLast()) }
            return
        }
        let chunk = chunks.removeLast()
        var end = room
        if breaksOnHyphens, let hyphen = chunk.prefix(room).lastIndex(of: "-"),
            chunk[..<hyphen].contains(where: { $0 != "-" })
        {
            end = hyphen + 1
        }
        line.append(Array(chunk.prefix(end)))
        chunks.append(Array(chunk[end...]))
    }

    /// Words and the space between them; a word with hyphens is cut behind them.
    private func chunks(of scalars: [Unicode.Scalar]) -> [[Unicode.Scalar]] {
        var chunks: [[Unicode.Scalar]] = []
        for part in scalars.split(whileSame: { $0.isPythonSpace }) {
            guard breaksOnHyphens, let first = part.first, !first.isPythonSpace else {
                chunks.append(part)
                continue
            }
            chunks += cutBehindHyphens(part)
        }
        return chunks
    }

    private func cutBehindHyphens(_ word: [Unicode.Scalar]) -> [[Unicode.Scalar]] {
        var parts: [[Unicode.Scalar]] = []
        var start = 0
        for index in word.indices where word[index] == "-" {
            let before = word[start..<index]
            let isBehindLetters = before.suffix(2).count == 2 && before.suffix(2).allSatisfy(\.isLetter)
            let isBeforeLetters =
                word[(index + 1)...].prefix(2).count == 2
                && word[index + 1].isLetter && (word[index + 2].isLetter || word[index + 2] == "-")
            if isBehindLetters, isBeforeLetters {
                parts.append(Array(word[start...index]))
                start = index + 1
            }
        }
        parts.append(Array(word[start...]))
        return parts
    }
}

extension Unicode.Scalar {
    fileprivate var isLetter: Bool { isWordCharacter && properties.numericType != .decimal }
}

extension [Unicode.Scalar] {
    fileprivate var isSpace: Bool { allSatisfy(\.isPythonSpace) }
}

extension Array {
    /// Runs of elements of which a question is answered alike.
    fileprivate func split(whileSame question: (Element) -> Bool) -> [[Element]] {
        var runs: [[Element]] = []
        for element in self {
            if let last = runs.last?.last, question(last) == question(element) {
                runs[runs.count - 1].append(element)
            } else {
                runs.append([element])
            }
        }
        return runs
    }
}
