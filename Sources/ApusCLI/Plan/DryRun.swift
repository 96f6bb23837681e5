/// The memory plan below the resolved configuration of `apus train --dry-run`: as comments, so that the whole output is a file
/// that can be fed back.
struct DryRun {
    let memory: String

    /// A model that is not there yet leaves the plan out and says why: the configuration is resolved all the same.
    init(_ configuration: RunConfiguration) {
        let text: String
        do {
            text = try PlanReport(RunPlan(configuration)).text
        } catch {
            text = "no memory plan: \(error)"
        }
        memory = text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "#\n" : "# \($0)\n" }.joined()
    }
}
