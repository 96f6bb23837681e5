/// Another place that a run's metrics go to beside its folder, such as the package of an experiment tracker.
///
/// It takes what it is given without keeping the run waiting, and says itself what goes wrong.
public protocol RunTracker: AnyObject, Sendable {
    /// Takes a log line, or that of an evaluation.
    func log(_ record: MetricsRecord)
    /// Takes the completions behind a log line, where `log_completions` asks for them.
    func log(_ completions: CompletionRows)
}
