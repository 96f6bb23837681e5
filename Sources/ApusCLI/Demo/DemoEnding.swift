import Apus
import Foundation

/// What the demo says at its end: an example, what was learnt and what not, and how to go on.
struct DemoEnding {
    let before: DemoMeasure
    let after: DemoMeasure
    let seconds: Double
    let steps: Int
    let outputDirectory: String
    /// How the program was called, so that the commands can be copied.
    var program = DemoEnding.programName

    /// What is printed, line by line.
    var lines: [StyledLine] {
        var summary = StyledLine(
            "Right answers: \(percentage(before.accuracy)) before, \(percentage(after.accuracy)) after \(steps) steps",
            .bold)
        summary.append(" (\(timeSpan(seconds)) in all).")
        var lines = [StyledLine(), summary, StyledLine()]
        lines += Self.lines(of: example)
        lines += Self.section("What it learnt", lesson + "\n")
        lines += Self.section("Ask it", ask + "\n")
        lines += Self.section("Your own model", next)
        return lines
    }

    private static func section(_ head: String, _ text: String) -> [StyledLine] {
        [StyledLine(head, .bold)] + lines(of: text)
    }

    private static func lines(of text: String) -> [StyledLine] {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { StyledLine(String($0)) }
    }

    private var example: String {
        guard let example = DemoMeasure.example(before: before, after: after) else { return "" }
        return """
            \(Self.wrapped("A problem it had not seen: " + example.question))

            \(Self.sideBySide(("before", example.before), ("after", example.after)))

            """
    }

    private var lesson: String {
        let could = percentage(before.accuracy(showingWorking: true))
        let head = percentage(before.accuracy(showingWorking: false))
        return Self.wrapped(
            "Not arithmetic: when it wrote its working before, \(could) of its answers were right, and \(head) when it did "
                + "not; but it wrote it in \(percentage(before.working)) of them. Now it does in \(percentage(after.working)), "
                + "of which \(percentage(after.accuracy(showingWorking: true))) are right. It learnt to work step by step, and "
                + "to slip less on the way. No answer was shown to it: it was only told which of its own answers were better."
        )
    }

    private var ask: String {
        let model = "\(outputDirectory)/model".shellQuoted
        let adapter = "\(outputDirectory)/checkpoint-\(steps)".shellQuoted
        return """
              \(program.shellQuoted) generate --precision bf16 \\
                --model \(model) --adapter \(adapter) \\
                --prompt "Tom has 62 eggs and gives 27 to Mia. How many eggs are left?"
            """
    }

    private var next: String {
        let inRepository = "Recipes/arithmetic.yaml"
        let isThere = FileManager.default.fileExists(atPath: inRepository)
        let recipe = (isThere ? inRepository : outputDirectory + "/arithmetic.yaml").shellQuoted
        let program = program.shellQuoted
        let fetch = isThere ? "\n\nScripts/get_model.sh qwen05 fetches one (469 MB) and prints its path." : ""
        return """
            MODEL is a GGUF file or a Hugging Face folder, of the llama or qwen2 kind:

              \(program) train \(recipe) --model MODEL \\
                --output_dir outputs/mine
              \(program) eval \(recipe) --model MODEL \\
                --adapter outputs/mine/checkpoint-40 --limit 64
              \(program) generate --model MODEL \\
                --adapter outputs/mine/checkpoint-40 --prompt "..."\(fetch)
            """
    }

    /// `apus` when the shell found it, else the path that it was started by, relative to this folder where it lies in it.
    private static var programName: String {
        let path = CommandLine.arguments.first ?? "apus"
        guard path.contains("/") else { return path }
        let short = ".build/release/apus"
        let here = FileManager.default.currentDirectoryPath
        let isBuilt = URL(filePath: path).resolvingSymlinksInPath() == URL(filePath: short).resolvingSymlinksInPath()
        if isBuilt { return short }
        return path.hasPrefix(here + "/") ? String(path.dropFirst(here.count + 1)) : path
    }

    /// Two texts in columns under their heads, 38 characters each.
    static func sideBySide(_ left: (head: String, text: String), _ right: (head: String, text: String)) -> String {
        let width = 36
        func column(_ item: (head: String, text: String)) -> [String] {
            [item.head, String(repeating: "-", count: item.head.count)]
                + item.text.split(separator: "\n").flatMap { wrapped(String($0), to: width).split(separator: "\n") }
                .map(String.init)
        }
        let columns = (column(left), column(right))
        return (0..<max(columns.0.count, columns.1.count)).map { row in
            let first = row < columns.0.count ? columns.0[row] : ""
            let second = row < columns.1.count ? columns.1[row] : ""
            let line = "  " + first + String(repeating: " ", count: max(0, width - first.count)) + "  " + second
            return second.isEmpty ? "  " + first : line
        }.joined(separator: "\n")
    }

    /// Text with line breaks between words, so that lines have at most `columns` characters if they can.
    static func wrapped(_ text: String, to columns: Int = 78) -> String {
        var lines: [String] = [""]
        for word in text.split(separator: " ") {
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if last.count + 1 + word.count <= columns {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines.joined(separator: "\n")
    }
}
