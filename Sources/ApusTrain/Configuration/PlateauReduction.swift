/// How far a plateau of evaluations has brought the learning rate down: PyTorch's `ReduceLROnPlateau`, which Transformers steps
/// after each evaluation.
///
/// A function of the values of all evaluations so far, so that a continued run needs nothing but its log.
struct PlateauReduction: Sendable {
    let arguments: ScheduleArguments
    let peak: Double
    /// Whether more is better where the arguments do not say.
    let greaterIsBetter: Bool

    /// The rate after these evaluations, in order.
    func rate(after values: [Double]) -> Double {
        var rate = peak
        var best: Double?
        var badCount = 0
        var cooldown = 0
        for value in values {
            if isBetter(value, than: best) {
                best = value
                badCount = 0
            } else {
                badCount += 1
            }
            if cooldown > 0 {
                cooldown -= 1
                badCount = 0
            }
            guard badCount > arguments.patience ?? 10 else { continue }
            cooldown = arguments.cooldown ?? 0
            badCount = 0
            let reduced = max(rate * (arguments.factor ?? 0.1), arguments.minLR ?? 0)
            if rate - reduced > arguments.eps ?? 1e-8 { rate = reduced }
        }
        return rate
    }

    private func isBetter(_ value: Double, than best: Double?) -> Bool {
        guard value.isFinite else { return false }
        guard let best else { return true }
        let threshold = arguments.threshold ?? 1e-4
        let wantsMore = arguments.mode.map { $0 == .max } ?? greaterIsBetter
        switch (arguments.thresholdMode ?? .relative, wantsMore) {
        case (.relative, false): return value < best * (1 - threshold)
        case (.relative, true): return value > best * (1 + threshold)
        case (.absolute, false): return value < best - threshold
        case (.absolute, true): return value > best + threshold
        }
    }
}
