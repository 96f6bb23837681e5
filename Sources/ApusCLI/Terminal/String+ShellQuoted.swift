import Apus

extension String {
    /// The text as one word of a command that a user may copy into a shell: in single quotes where it holds a space, a quote,
    /// `$` or anything else that a shell reads otherwise.
    var shellQuoted: String { ServingRules.quoted(self) }
}
