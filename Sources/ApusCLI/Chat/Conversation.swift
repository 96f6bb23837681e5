import Apus

/// The turns of a conversation, cut to what fits the model's context.
struct Conversation {
    /// Why a message cannot be sent.
    struct TooLong: Error, CustomStringConvertible {
        var tokens: Int
        var contextLength: Int
        var description: String {
            "the message has \(tokens) tokens with its surroundings, the model's context \(contextLength); shorten it"
        }
    }

    /// A prompt that fits.
    struct Opening: Equatable {
        var tokens: [Int32]
        /// Messages that had to go for it.
        var dropped: Int
    }

    /// The turns so far, the system message first if there is one.
    private(set) var messages: [Message]
    private let system: [Message]
    private let tokenizer: Tokenizer
    private let templateArguments: [String: JSONValue]
    private let contextLength: Int
    private let answerLength: Int

    /// - Parameter answerLength: room that an answer should have, in tokens; at most half of the context is kept free.
    init(
        system: String?, templateArguments: [String: JSONValue] = [:], tokenizer: Tokenizer, contextLength: Int,
        answerLength: Int
    ) {
        self.templateArguments = templateArguments
        self.system = system.map { [Message(role: "system", content: $0)] } ?? []
        self.tokenizer = tokenizer
        self.contextLength = contextLength
        self.answerLength = min(answerLength, contextLength / 2)
        messages = self.system
    }

    /// Adds the user's message and gives the tokens that the model answers to. The oldest turns go until prompt and answer
    /// fit; the newest message stays, even where the answer gets less room for it.
    ///
    /// - Throws: `TooLong` when the message alone does not fit, `TextError` when the template refuses it; the conversation is
    ///   as it was then.
    mutating func ask(_ text: String) throws -> Opening {
        var turns = messages.dropFirst(system.count) + [Message(role: "user", content: text)]
        var dropped = 0
        while true {
            let tokens = try tokenizer.encodePrompt(system + turns, variables: templateArguments)
            if tokens.count + answerLength <= contextLength || turns.count == 1 {
                guard tokens.count < contextLength else {
                    throw TooLong(tokens: tokens.count, contextLength: contextLength)
                }
                messages = system + turns
                return Opening(tokens: tokens, dropped: dropped)
            }
            // A question goes with its answer: templates want turns to alternate.
            let pair = turns.dropFirst().first?.role == "assistant" ? 2 : 1
            turns.removeFirst(min(pair, turns.count - 1))
            dropped += pair
        }
    }

    /// Adds the model's answer.
    mutating func answer(_ text: String) {
        messages.append(Message(role: "assistant", content: text))
    }

    /// Forgets everything but the system message.
    mutating func reset() { messages = system }
}
