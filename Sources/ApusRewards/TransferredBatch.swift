import ApusData
import ApusFormats
import ApusText
import Foundation

/// A batch in the form in which TRL passes it to a reward function, for a reader outside this process.
///
/// Prompts that are conversations are lists of messages, and their completions are lists of one message; plain prompts and
/// their completions are texts. The first prompt decides, as in TRL.
struct TransferredBatch {
    let context: RewardContext

    /// The batch as JSON, with other members beside it: integers of any size are whole, and the keys of what the data have stand
    /// in their order there.
    func json(_ others: [String: JSONValue] = [:]) -> Data {
        Data(JSONWriter.ordered.write(JSONValue.object(members.merging(others) { $1 })).utf8)
    }

    private var members: [String: JSONValue] {
        let isConversation = if case .messages? = context.prompts.first { true } else { false }
        return [
            "prompts": .array(context.prompts.map(isConversation ? Self.turns : Self.text)),
            "completions": .array(
                context.completions.map {
                    isConversation ? [Message(role: "assistant", content: $0).json] : .string($0)
                }),
            "completion_ids": .array(context.completionTokens.map { .array($0.map { .integer(Int($0)) }) }),
            "columns": .object(context.columns.mapValues(JSONValue.array)),
            "trainer_state": .object([
                "global_step": .integer(context.globalStep), "max_steps": .integer(context.maxSteps),
                "epoch": .number(context.epoch),
            ]),
        ]
    }

    private static func turns(_ prompt: Prompt) -> JSONValue {
        switch prompt {
        case .messages(let messages): .array(messages.map(\.json))
        case .text(let text): [Message(role: "user", content: text).json]
        }
    }

    private static func text(_ prompt: Prompt) -> JSONValue {
        switch prompt {
        case .text(let text): .string(text)
        case .messages(let messages): .string(messages.map(\.content).joined(separator: "\n"))
        }
    }
}
