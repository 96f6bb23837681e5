import ApusCUDA
import Foundation

/// What is printed.
struct CheckReport: Encodable {
    struct Card: Encodable {
        let name: String
        let architecture: Int
        let memoryMiB: Int

        init(_ device: CUDADevice) {
            (name, architecture, memoryMiB) = (device.name, device.architecture, device.memory >> 20)
        }

        enum CodingKeys: String, CodingKey {
            case name, architecture
            case memoryMiB = "memory_mib"
        }
    }

    var card: Card?
    /// The latest CUDA that the driver is for.
    var driver: String?
    var checks: [CheckOutcome] = []
    var timings: [KernelTiming]?
    var seconds = 0.0
    /// What ended the whole.
    var error: String?

    enum CodingKeys: String, CodingKey {
        case card, checks, timings, seconds, error
        case driver = "driver_cuda"
    }

    var hasFailed: Bool { error != nil || !checks.allSatisfy(\.hasPassed) }

    /// One object; what is no number is a string that says which.
    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            encoder.nonConformingFloatEncodingStrategy = .convertToString(
                positiveInfinity: "infinity", negativeInfinity: "-infinity", nan: "nan")
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}

/// One figure of a check, and what it may be.
struct CheckFigure {
    let subject: String
    let figure: Double
    let tolerance: Double
    let isRight: Bool

    /// How much of its tolerance the figure takes.
    var strain: Double { figure / max(tolerance, .leastNormalMagnitude) }
}

/// A check that was made: the figure that comes closest to its tolerance, or exceeds it most.
struct CheckOutcome: Encodable {
    let name: String
    let hasPassed: Bool
    /// How many figures there were.
    var count = 0
    var figure: Double?
    var tolerance: Double?
    /// What the figure is of.
    var subject: String?
    /// The subjects of all figures that are wrong.
    var wrong: [String]?
    var error: String?
    let seconds: Double

    enum CodingKeys: String, CodingKey {
        case name, count, figure, tolerance, subject, wrong, error, seconds
        case hasPassed = "passed"
    }

    init(_ name: String, _ figures: [CheckFigure], seconds: Double) {
        self.name = name
        self.seconds = seconds
        count = figures.count
        // A check of nothing proves nothing.
        hasPassed = !figures.isEmpty && figures.allSatisfy(\.isRight)
        let worst = figures.filter { $0.isRight == hasPassed }.max { $0.strain < $1.strain }
        (figure, tolerance, subject) = (worst?.figure, worst?.tolerance, worst?.subject)
        let found = figures.filter { !$0.isRight }.map { "\($0.subject): \($0.figure)" }
        wrong = found.isEmpty ? nil : found
    }

    init(_ name: String, error: any Error, seconds: Double) {
        self.name = name
        self.seconds = seconds
        self.error = "\(error)"
        hasPassed = false
    }
}
