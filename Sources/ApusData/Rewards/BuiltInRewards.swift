/// The reward functions that need no code, by name. All of them read `<reasoning>…</reasoning> <answer>…</answer>`.
///
/// **tutorial**: the five functions of the Unsloth GRPO tutorial for GSM8K under their Python names, with Python's
/// semantics to the last code point. Their patterns have no DOTALL, so the two format functions never reward reasoning
/// of more than one line, and the correct answer has to be spelt exactly like the reference. Their maxima add up to 4.5;
/// as the two formats exclude each other, one completion earns at most 4.
///
/// **corrected**: what those functions were meant to say: formats across lines, the white-space tolerant count with a
/// penalty for text after the answer, integers with a sign or thousands commas, equality of numbers.
///
/// **demo**: the functions with which the small arithmetic model is trained.
public enum BuiltInRewards {
    /// The names of the ready-made sets, each with its functions in order.
    public static let sets: [String: [String]] = [
        "tutorial": [
            "xmlcount_reward_func", "soft_format_reward_func", "strict_format_reward_func", "int_reward_func",
            "correctness_reward_func",
        ],
        "corrected": [
            "xml_count_trailing", "soft_format_dotall", "strict_format_dotall", "integer_answer", "numeric_answer",
        ],
        "demo": [
            "xml_count_trailing", "soft_format_start", "strict_format_dotall", "digits_or_untagged",
            "exact_or_untagged",
        ],
    ]

    /// The names of all functions.
    public static let names: [String] = functions.map(\.name)

    /// The function of this name; nil when there is none.
    public static func named(_ name: String) -> (any RewardFunction)? { functions.first { $0.name == name } }

    /// The functions that a list of names asks for, where a name may also be that of a set.
    ///
    /// - Throws: ``RewardError/unknownFunction(_:)``.
    public static func functions(named names: [String]) throws(RewardError) -> [any RewardFunction] {
        var found: [any RewardFunction] = []
        for name in names.flatMap({ sets[$0] ?? [$0] }) {
            guard let function = named(name) else { throw .unknownFunction(name) }
            found.append(function)
        }
        return found
    }

    private static let functions: [any RewardFunction] = tutorial + corrected + demo + trl

    /// A function of the completion's text alone.
    static func format(
        _ name: String, maximum: Double = 0.5, _ score: @escaping @Sendable (PythonText) -> Double
    ) -> Reward {
        Reward(name, aim: RewardAim(.form, maximum: maximum)) { completion, _ in score(PythonText(completion)) }
    }

    /// A function of the completion and the sample's reference answer that pays 2 for the right one.
    static func graded(
        _ name: String, _ score: @escaping @Sendable (_ completion: PythonText, _ answer: PythonText) -> Double?
    ) -> Reward {
        Reward(name, aim: RewardAim(.answer, maximum: 2)) { completion, columns in
            guard let answer = columns["answer"]?.answerText else {
                throw ColumnError(wanted: "answer", found: columns)
            }
            return score(PythonText(completion), PythonText(answer))
        }
    }
}
