import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

@Suite struct ConversationTests {
    private let tokenizer: Tokenizer

    init() throws { tokenizer = try Tokenizer(directory: Fixture.url("base96-slips")) }

    private func conversation(context: Int, answer: Int = 8) -> Conversation {
        Conversation(system: "Be brief.", tokenizer: tokenizer, contextLength: context, answerLength: answer)
    }

    @Test func turnsFollowEachOther() throws {
        var talk = conversation(context: 192)
        _ = try talk.ask("1+1")
        talk.answer("2")
        let opening = try talk.ask("2+2")
        #expect(talk.messages.map(\.role) == ["system", "user", "assistant", "user"])
        #expect(opening.tokens == (try tokenizer.encodeChat(talk.messages)) && opening.dropped == 0)
        talk.reset()
        #expect(talk.messages == [Message(role: "system", content: "Be brief.")])
    }

    @Test func theOldestTurnsGoFirst() throws {
        var talk = conversation(context: 40, answer: 8)
        var dropped = 0
        for number in 1...8 {
            let opening = try talk.ask("1234567+\(number)")
            #expect(opening.tokens.count + 8 <= 40)
            dropped += opening.dropped
            talk.answer("7654321")
        }
        #expect(dropped > 0 && dropped % 2 == 0)
        #expect(talk.messages.first?.role == "system" && talk.messages[1].role == "user")
        #expect(talk.messages.count == 1 + 16 - dropped)
        #expect(talk.messages[talk.messages.count - 2].content == "1234567+8")
    }

    @Test func aMessageThatNeverFitsLeavesTheConversationAsItWas() throws {
        var talk = conversation(context: 40)
        _ = try talk.ask("1+1")
        talk.answer("2")
        let before = talk.messages
        #expect { try talk.ask(String(repeating: "12+", count: 60)) } throws: {
            "\($0)".contains("context 40; shorten it")
        }
        #expect(talk.messages == before)
    }

    @Test(arguments: [
        ("  hello ", ChatInput.message("hello")), ("", .blank), ("   ", .blank), ("/reset", .reset), ("/exit", .exit),
        ("/quit", .exit), ("/help", .help), ("/save  a b.json ", .save("a b.json")), ("//etc", .message("/etc")),
    ])
    func linesAreUnderstood(line: String, input: ChatInput) { #expect(ChatInput(line) == input) }

    @Test(arguments: ["/save", "/sav x", "/exit now", "/"])
    func mistakesAreNotSentToTheModel(line: String) {
        guard case .mistake = ChatInput(line) else {
            Issue.record("\(ChatInput(line))")
            return
        }
    }
}

@Suite struct OrderedCompletionsTests {
    @Test func completionsComeOutInOrder() {
        var sink = OrderedCompletions(requests: 2, completions: 2)
        func hear(_ request: Int, _ sample: Int, _ token: Int32, _ reason: FinishReason? = nil) -> Bool {
            sink.append(GeneratedToken(request: request, sample: sample, token: token, finishReason: reason))
        }
        let ends = [hear(1, 0, 5, .length), hear(0, 1, 9, .stop)]
        let early = sink.takeReady()
        #expect(ends == [true, true] && early.isEmpty)
        let first = hear(0, 0, 4)
        let second = hear(0, 0, 9, .stop)
        #expect(!first && second)
        let ready = sink.takeReady()
        #expect(
            ready == [
                .init(request: 0, sample: 0, tokens: [4, 9], isTruncated: false),
                .init(request: 0, sample: 1, tokens: [9], isTruncated: false),
                .init(request: 1, sample: 0, tokens: [5], isTruncated: true),
            ])
        let last = Completion(tokens: [7], logProbs: [0], finishReason: .length)
        let rest = sink.rest(of: [[last, last], [last, last]])
        #expect(rest == [.init(request: 1, sample: 1, tokens: [7], isTruncated: true)])
    }

    @Test func afterAnInterruptWhatIsFinishedComesOutOnce() {
        var sink = OrderedCompletions(requests: 2, completions: 2)
        let heard: [GeneratedToken] = [
            .init(request: 0, sample: 0, token: 7, finishReason: nil),
            .init(request: 1, sample: 0, token: 7, finishReason: nil),
            .init(request: 1, sample: 1, token: 7, finishReason: nil),
            .init(request: 0, sample: 0, token: 0, finishReason: .stop),
            .init(request: 1, sample: 0, token: 7, finishReason: nil),
            .init(request: 1, sample: 0, token: 7, finishReason: .length),
        ]
        #expect(heard.map { sink.append($0) } == [false, false, false, true, false, true])
        let ready = sink.takeReady()
        #expect(ready.map(\.tokens) == [[7, 0]])
        // The second sample of the first prompt will never come.
        let rest = [sink.takeReady(), sink.takeFinished()]
        #expect(rest[0].isEmpty)
        #expect(
            rest[1] == [OrderedCompletions.Ready(request: 1, sample: 0, tokens: [7, 7, 7], isTruncated: true)])
        #expect(sink.written == 2)
    }
}
