/// What a monitor has to say, with the figures that made it speak: what is wrong, what is healthy, what to change.
enum TrainingWarning {
    case equalRewards(steps: Int)
    case truncation(steps: Int)
    case silentRewards([String], steps: Int)
    case entropy(steps: Int, first: Double?, now: Double?, limit: Double)
    case kl(steps: Int, now: Double?, limit: Double)
    case zeroGradient(steps: Int)
    case length(steps: Int, first: Double?, now: Double?, share: Double)
    case form(steps: Int, form: Double, answers: Double)
    case agreement(steps: Int, groups: Double, answers: Double)
    case accuracy(MetricsRecord, first: MetricsRecord)

    /// One line.
    var text: String {
        switch self {
        case .equalRewards(let steps):
            "for \(steps) steps the rewards in every group were equal (frac_reward_zero_std 1, healthy below 0.8): nothing "
                + "is learned; use prompts of another difficulty, raise temperature or num_generations, or grade more "
                + "finely; stop_after_equal_rewards ends such a run"
        case .truncation(let steps):
            "for \(steps) steps every completion was cut off at max_completion_length (completions/clipped_ratio 1, healthy "
                + "below 0.3): answers never end; raise max_completion_length, or check that the chat template and its "
                + "end token are the model's"
        case .silentRewards(let names, let steps):
            "\(Self.subject(names)) gave 0 to every completion for \(steps) steps: the model never earns it, so it teaches "
                + "nothing; look at the completions (log_completions: true), make it easier, or give partial credit"
        case .entropy(let steps, let first, let now, let limit):
            "entropy has been below \(limit) for \(steps) steps (began at \(short(first)), now \(short(now)), healthy 0.05 to "
                + "0.5): the model says one thing only, and groups of equal answers teach nothing; lower learning_rate, "
                + "raise temperature or epsilon_high, or set entropy_coef"
        case .kl(let steps, let now, let limit):
            "kl has been above \(limit) for \(steps) steps (now \(short(now)), healthy below 0.5): the policy has left the "
                + "model it began as; lower learning_rate or max_grad_norm, raise beta, or go back to an earlier checkpoint"
        case .zeroGradient(let steps):
            "for \(steps) steps the gradient was 0 although rewards differed (grad_norm 0, healthy 0.001 to 1): nothing is "
                + "learned; look for mask_truncated_completions with every completion cut off, reward_weights of 0, or an "
                + "off_policy_mask_threshold that drops all"
        case .length(let steps, let first, let now, let share):
            "for \(steps) steps completions have had less than \((100 * share).wholeNumber(in: 0...100)) % of their first length "
                + "(completions/mean_terminated_length began at \(short(first)), now \(short(now))): the model may be giving "
                + "up its working; look at the completions, lower learning_rate, let correctness pay more than form "
                + "(reward_weights), or pay for length"
        case .form(let steps, let form, let answers):
            "in the last \(steps) steps form earned \(percent(form)) of what it can and right answers \(percent(answers)): "
                + "the form is learnt and the answers are not; let correctness pay more than form (reward_weights), use "
                + "easier problems, or lower learning_rate so that answers keep their working"
        case .agreement(let steps, let groups, let answers):
            "in the last \(steps) steps \(percent(groups)) of the groups agreed with themselves (frac_reward_zero_std) while "
                + "right answers earned \(percent(answers)) of what they can: those groups teach nothing; set "
                + "dynamic_sampling: true, raise temperature or num_generations, or use problems that are sometimes solved"
        case .accuracy(let record, let first):
            "at step \(record.step) the reward is higher than in the first evaluation (eval_reward "
                + "\(short(first["eval_reward"])) to \(short(record["eval_reward"]))) and fewer answers are right "
                + "(eval_accuracy/lenient \(short(first["eval_accuracy/lenient"])) to "
                + "\(short(record["eval_accuracy/lenient"]))): the rewards pay for something else than right answers; let "
                + "correctness pay more than form (reward_weights), or lower learning_rate"
        }
    }

    private static func subject(_ names: [String]) -> String {
        guard let last = names.last, names.count > 1 else { return "reward function \(names.first ?? "")" }
        return "reward functions \(names.dropLast().joined(separator: ", ")) and \(last)"
    }

    private func short(_ value: Double?) -> String {
        guard let value else { return "unknown" }
        return "\((value * 10_000).rounded() / 10_000)"
    }

    private func percent(_ share: Double) -> String { "\((100 * share).rounded().wholeNumber(in: 0...100)) %" }
}
