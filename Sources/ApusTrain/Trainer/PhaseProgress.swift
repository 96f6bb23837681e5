/// Counts the work of one part of a step and tells of it at a rate that a display can follow.
struct PhaseProgress {
    private static let interval = Duration.milliseconds(200)

    private let phase: TrainingPhase
    private let step: Int
    private let total: Int
    private let tell: ((TrainingEvent) -> Void)?
    private let clock = ContinuousClock()
    private var done = 0
    private var toldAt: ContinuousClock.Instant

    init(_ phase: TrainingPhase, step: Int, of total: Int, _ tell: ((TrainingEvent) -> Void)?) {
        self.phase = phase
        self.step = step
        self.total = total
        self.tell = tell
        toldAt = clock.now
    }

    mutating func advance(by count: Int) {
        done += count
        guard let tell else { return }
        let now = clock.now
        guard toldAt.duration(to: now) >= Self.interval else { return }
        toldAt = now
        tell(.progress(phase, step: step, done: done, of: total))
    }
}
