/// The answer inside a completion.
enum TaggedAnswer {
    /// What a completion without `<answer>` counts as.
    enum Untagged {
        /// No answer: the empty text, as in the Unsloth GRPO tutorial.
        case empty
        /// The whole text, which is what `split` gives when nothing guards it.
        case wholeText
    }

    /// The text after the last `<answer>` up to the next `</answer>`, stripped of white space. A closing tag is not
    /// required.
    static func extract(from completion: PythonText, untagged: Untagged) -> PythonText {
        guard untagged == .wholeText || completion.contains("<answer>") else { return PythonText("") }
        return completion.afterLast("<answer>").beforeFirst("</answer>").stripped
    }
}
