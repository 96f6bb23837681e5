import ArgumentParser

/// The pieces of work that `apus bench` knows.
enum BenchKind: String, ExpressibleByArgument, CaseIterable {
    case kernels, prefill, decode, grpo, load, tokenize

    /// Runs when the user does not say; a GRPO step is long.
    var defaultRuns: Int { self == .grpo ? 3 : 5 }

    var needsModel: Bool { self != .kernels }
}
