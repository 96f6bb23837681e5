import ApusData
import ApusText

/// A batch in the form in which TRL passes it to a reward function, for a reader outside this process.
///
/// Prompts that are conversations are lists of messages, and their completions are lists of one message; plain prompts and
/// their completions are texts. The first prompt decides, as in TRL.
struct TransferredBatch: Encodable {
    let context: RewardContext

    private enum CodingKeys: String, CodingKey {
        case prompts
        case completions
        case completionTokens = "completion_ids"
        case columns
        case trainerState = "trainer_state"
    }

    private struct Turn: Encodable {
        var role: String
        var content: String
    }

    private struct State: Encodable {
        var globalStep: Int
        var maxSteps: Int
        var epoch: Double

        private enum CodingKeys: String, CodingKey {
            case globalStep = "global_step"
            case maxSteps = "max_steps"
            case epoch
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        if case .messages? = context.prompts.first {
            try container.encode(context.prompts.map(Self.turns), forKey: .prompts)
            let replies = context.completions.map { [Turn(role: "assistant", content: $0)] }
            try container.encode(replies, forKey: .completions)
        } else {
            try container.encode(context.prompts.map(Self.text), forKey: .prompts)
            try container.encode(context.completions, forKey: .completions)
        }
        try container.encode(context.completionTokens, forKey: .completionTokens)
        try container.encode(context.columns, forKey: .columns)
        try container.encode(
            State(globalStep: context.globalStep, maxSteps: context.maxSteps, epoch: context.epoch),
            forKey: .trainerState)
    }

    private static func turns(_ prompt: Prompt) -> [Turn] {
        switch prompt {
        case .messages(let messages): messages.map { Turn(role: $0.role, content: $0.content) }
        case .text(let text): [Turn(role: "user", content: text)]
        }
    }

    private static func text(_ prompt: Prompt) -> String {
        switch prompt {
        case .text(let text): text
        case .messages(let messages): messages.map(\.content).joined(separator: "\n")
        }
    }
}
