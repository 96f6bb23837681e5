import Apus
import Foundation

/// A prompt and where it came from, for error messages.
struct SourcedPrompt {
    var sample: Sample
    var place: String
    var prompt: Prompt { sample.prompt }

    init(_ sample: Sample, place: String) {
        self.sample = sample
        self.place = place
    }

    init(text: String?, place: String) { self.init(Sample(prompt: .text(text ?? "")), place: place) }
}

/// The prompts of a file.
struct PromptFile {
    let prompts: [SourcedPrompt]

    /// Reads .txt (one prompt a line, blank lines skipped), .jsonl or .json (one prompt a row).
    ///
    /// - Throws: `CommandFailure` with status 2 that names the file and the line.
    init(path: String, column: String, format: PromptFormat) throws {
        if URL(filePath: path).pathExtension.lowercased() == "txt" {
            prompts = try Self.lines(of: path)
        } else {
            var mapping = ColumnMapping(
                prompt: column, systemPrompt: format.system, templateArguments: format.template.chatTemplateKwargs)
            mapping.allowsPartialAnswers = true
            let dataset = try failing(as: .badInput) { try Dataset(path: path, mapping: mapping) }
            prompts = dataset.samples.enumerated().map { index, sample in
                SourcedPrompt(sample, place: "\(path), row \(index + 1)")
            }
        }
    }

    private static func lines(of path: String) throws -> [SourcedPrompt] {
        let text = try InputFile.text(path, of: "prompts")
        // A line ends with LF or CRLF and nothing else, as for Python: U+2028 and its like are part of a prompt.
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        let prompts = lines.compactMap { index, line -> SourcedPrompt? in
            let text = String(line.last == "\r" ? line.dropLast() : line)
            return text.allSatisfy(\.isWhitespace) ? nil : SourcedPrompt(text: text, place: "\(path):\(index + 1)")
        }
        guard !prompts.isEmpty else { throw CommandFailure(.badInput, "\(path): wanted a prompt a line, found none") }
        return prompts
    }
}

/// A file that a user names on the command line.
enum InputFile {
    /// - Parameter contents: what it should be a file of.
    /// - Throws: `CommandFailure` with status 2.
    static func bytes(_ path: String, of contents: String) throws(CommandFailure) -> Data {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure(
                .badInput, "\(path): wanted a file of \(contents), found none that can be read; check the path")
        }
        return data
    }

    /// - Throws: `CommandFailure` with status 2, also where it is no UTF-8.
    static func text(_ path: String, of contents: String) throws(CommandFailure) -> String {
        guard let text = String(data: try bytes(path, of: contents), encoding: .utf8) else {
            throw CommandFailure(.badInput, "\(path): wanted UTF-8, found other bytes; save the file as UTF-8")
        }
        return text
    }
}

extension PromptFormat {
    /// Says what there is to warn of in prompts, each thing once.
    func warn(of prompts: [SourcedPrompt], _ tokenizer: Tokenizer) {
        var remarks = PromptRemarks()
        for prompt in prompts {
            if case .text = prompt.prompt, !raw { continue }
            for remark in remarks.new(among: tokenizer.remarks(on: prompt.sample, named: prompt.place)) {
                Terminal.complain("\(remark)")
            }
        }
    }

    /// The tokens of a prompt from a file, at least one.
    ///
    /// - Throws: `CommandFailure` with status 2 that names the prompt's place.
    func tokens(of source: SourcedPrompt, for tokenizer: Tokenizer) throws -> [Int32] {
        do {
            switch source.prompt {
            case .text(let text): return try tokens(of: text, for: tokenizer)
            case .messages(let messages):
                guard raw else {
                    let variables = source.sample.templateVariables
                    return try tokens(of: messages, variables: variables, for: tokenizer)
                }
                guard messages.count == 1 else {
                    throw CommandFailure(.badInput, "--raw wants text, found a conversation; leave out --raw")
                }
                return try tokens(of: messages[0].content, for: tokenizer)
            }
        } catch let failure as CommandFailure {
            throw CommandFailure(failure.status, "\(source.place): \(failure.description)")
        }
    }
}

extension Prompt {
    /// The prompt as `--json` shows it: text, or the last message of a conversation.
    var shownText: String {
        switch self {
        case .text(let text): text
        case .messages(let messages): messages.last?.content ?? ""
        }
    }
}
