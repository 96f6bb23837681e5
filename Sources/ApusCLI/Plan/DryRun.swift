/// The memory plan below the resolved configuration of `apus train --dry-run`: as comments, so that the whole output is a file
/// that can be fed back.
struct DryRun {
    let memory: String

    init(_ configuration: RunConfiguration) throws {
        let text = try PlanReport(RunPlan(configuration)).text
        memory = text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "#\n" : "# \($0)\n" }.joined()
    }
}
