import Apus
import ApusFormats
import Foundation

/// Reads messages, streams answers, obeys commands.
struct ChatSession {
    private var conversation: Conversation
    private let engine: GenerationEngine
    private let tokenizer: Tokenizer
    private let sampling: SamplingParameters
    private let isInteractive = isatty(STDIN_FILENO) == 1
    /// Answers so far: keys the random numbers, so that the same question asked twice need not get the same answer.
    private var answers = 0

    init(
        conversation: Conversation, engine: GenerationEngine, tokenizer: Tokenizer, sampling: SamplingParameters
    ) {
        self.conversation = conversation
        self.engine = engine
        self.tokenizer = tokenizer
        self.sampling = sampling
    }

    /// Runs until the input ends or the user leaves.
    ///
    /// - Throws: `CommandFailure` when sampling fails.
    mutating func run() throws {
        let prompt = isInteractive ? "> " : ""
        let interrupts = ChatInterrupts(
            onLate: {
                Terminal.stream("\n")
                Terminal.complain("the answer was complete; Ctrl-C again, Ctrl-D or /exit leaves")
                Terminal.stream(prompt)
            },
            onEnd: {
                Terminal.stream("\n")
                exit(ExitStatus.interrupted.rawValue)
            })
        if isInteractive { Terminal.complain("/help lists the commands") }
        while true {
            Terminal.stream(prompt)
            guard let line = readLine() else {
                if isInteractive { Terminal.stream("\n") }
                return
            }
            switch ChatInput(line) {
            case .blank: break
            case .exit: return
            case .help: Terminal.printLine(Self.help)
            case .mistake(let what): Terminal.complain(what)
            case .reset:
                conversation.reset()
                Terminal.complain("the conversation begins again")
            case .save(let path): save(to: path)
            case .message(let text): try answer(text, interrupts)
            }
        }
    }

    private mutating func answer(_ text: String, _ interrupts: ChatInterrupts) throws {
        let opening: Conversation.Opening
        do {
            opening = try conversation.ask(text)
        } catch {
            return Terminal.complain(String(describing: error))
        }
        if opening.dropped > 0 {
            Terminal.complain(
                "the conversation is too long for the model: its oldest \(opening.dropped) messages are left out")
        }
        let request = GenerationRequest(prompt: opening.tokens, completions: 1, firstSample: answers)
        answers += 1
        var decoder = StreamingDecoder(tokenizer: tokenizer)
        let clock = ContinuousClock()
        var firstToken: ContinuousClock.Instant?
        let (completions, wasStopped) = try interrupts.answering {
            try failing(as: .runFailed) {
                try engine.generate([request], sampling: sampling) { heard in
                    if firstToken == nil { firstToken = clock.now }
                    Terminal.stream(decoder.append(heard.token))
                    return !interrupts.isStopped
                }
            }
        }
        let seconds = firstToken.map { $0.duration(to: clock.now).seconds } ?? 0
        Terminal.stream(decoder.finish() + "\n")
        let completion = completions[0][0]
        conversation.answer(tokenizer.decode(completion.tokens))
        remark(completion, seconds: seconds, isStopped: wasStopped)
    }

    private func remark(_ completion: Completion, seconds: Double, isStopped: Bool) {
        guard Terminal.showsProgress else { return }
        let count = completion.tokens.count
        let rate = count > 1 && seconds > 0 ? ", \(fixed(Double(count - 1) / seconds, 0)) tok/s" : ""
        let end = isStopped ? ", stopped" : completion.isTruncated ? ", cut at --max-new-tokens or the context" : ""
        Terminal.remark("\(count) tokens\(rate)\(end)")
    }

    /// Writes the conversation as a list of messages; an existing file stays.
    private func save(to path: String) {
        do {
            let file = try LineFile(path: path)
            try file.append(JSONWriter(indent: 2).write(JSONValue.array(conversation.messages.map(\.json))))
            Terminal.complain("saved \(conversation.messages.count) messages to \(path)")
        } catch {
            Terminal.complain(String(describing: error))
        }
    }

    private static let help = """
        /reset      begin again
        /save FILE  write the conversation as JSON
        /exit       leave, as Ctrl-D does
        //text      a message that begins with a slash
        Ctrl-C      stop the answer; at the prompt, leave
        """
}
