internal import ApusCUDA

/// A device that models can be loaded to, and why it is this one.
public struct Device: Sendable {
    /// What computes.
    public let backend: any Backend
    /// The same where it is the processor; nil for a card.
    public let processor: CPUBackend?
    /// Why it was chosen, for people: what was asked for or, where that was left open, what was found.
    public let reason: String

    /// The device that a choice means on this machine.
    ///
    /// Where the choice is left open, the first card that can be used is taken: a driver that is there, a card of an
    /// architecture that the kernels run on. What stands in its way is part of the reason, and the processor computes.
    ///
    /// - Parameters:
    ///   - choice: which device.
    ///   - threads: of the processor; nil for one a core.
    ///   - report: takes a line for people before something that lasts, such as compiling kernels for a card that the images
    ///     of this program do not fit.
    /// - Throws: `TensorError` for a card that is not there or cannot be used, for threads or kernels that cannot be.
    public init(
        _ choice: DeviceChoice = .automatic, threads: Int? = nil, report: (String) -> Void = { _ in }
    ) throws(TensorError) {
        try self.init(choice, threads: threads) { (ordinal) throws(TensorError) in
            try CUDABackend(ordinal: ordinal, report: report)
        }
    }

    /// - Parameter openCard: opens a card by its number, nil for the first that can be used; for tests.
    init(
        _ choice: DeviceChoice, threads: Int?, openCard: (Int?) throws(TensorError) -> any Backend
    ) throws(TensorError) {
        switch choice {
        case .cpu:
            self.init(try CPUBackend(threads: threads), reason: "asked for")
        case .cuda(let ordinal):
            self.init(card: try openCard(ordinal), reason: "asked for")
        case .automatic:
            let obstacle: TensorError
            do throws(TensorError) {
                self.init(card: try openCard(nil), reason: "auto: a card that can be used")
                return
            } catch { obstacle = error }
            self.init(try CPUBackend(threads: threads), reason: "auto: \(obstacle.finding)")
        }
    }

    /// The device and why it is this one, in a line.
    public var summary: String { "\(backend.name) (\(reason))" }

    private init(_ processor: CPUBackend, reason: String) {
        (backend, self.processor, self.reason) = (processor, processor, reason)
    }

    private init(card: any Backend, reason: String) {
        (backend, processor, self.reason) = (card, nil, reason)
    }
}
