import ApusCUDA
import ApusTensor
import ApusTestDevices
import ApusTestSupport
import ArgumentParser
import Foundation

/// Holds a card against what is known: every operation, models of every family, sampling and training.
@main
struct CheckDevice: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "CheckDevice",
        abstract: "Check that a card computes what it has to, and with --time how fast. Prints one JSON object.",
        discussion: """
            The exit status is 1 when a check fails. APUS_LIBCUDA names another driver, such as the emulated card that \
            Tests/CUDAEmulation/build_library.sh makes.
            """)

    @Option(help: "The folder of the tests' fixtures (default: where they were when this was built).")
    var fixtures: String?

    @Option(help: "The card: cuda, or cuda:N.", transform: DeviceOption.ordinal)
    var device = 0

    @Option(help: "Only the checks whose names begin so; may be repeated.")
    var only: [String] = []

    @Flag(help: "Time kernels too, on the shapes of Llama-3.1-8B.")
    var time = false

    @Flag(help: "Check nothing, for --time alone.")
    var noChecks = false

    @Flag(help: "With --time: shapes that an emulated card can do, to try the code.")
    var tiny = false

    func validate() throws {
        if noChecks, !time { throw ValidationError("--no-checks leaves nothing to do without --time") }
    }

    func run() async throws {
        // Before a fixture is asked for, and while there is one thread.
        if let fixtures { setenv(Fixture.variable, fixtures, 1) }
        let clock = ContinuousClock()
        let begin = clock.now
        var report = CheckReport()
        do {
            report.driver = try CUDASurvey().driverVersion
            let card = try CUDABackend(ordinal: device)
            report.card = CheckReport.Card(card.device)
            for check in try noChecks ? [] : chosen(Check.all(card)) { report.checks.append(await check.outcome()) }
            if time {
                report.timings = try KernelTimings(card: card, shapes: tiny ? .tiny : .llama8B).all()
            }
        } catch {
            report.error = "\(error)"
        }
        report.seconds = begin.duration(to: clock.now) / .seconds(1)
        print(try report.json)
        if report.hasFailed { throw ExitCode.failure }
    }

    /// - Throws: `TensorError` when there is none: a check of nothing proves nothing.
    private func chosen(_ checks: [Check]) throws(TensorError) -> [Check] {
        guard !only.isEmpty else { return checks }
        let chosen = checks.filter { check in only.contains { check.name.hasPrefix($0) } }
        guard !chosen.isEmpty else {
            let names = checks.map(\.name).joined(separator: ", ")
            throw TensorError("--only: wanted the beginning of a check's name, found \(only); there are \(names)")
        }
        return chosen
    }
}

/// The option `--device`, of which only cards are checked.
private enum DeviceOption {
    static func ordinal(_ text: String) throws -> Int {
        guard case .cuda(let ordinal) = DeviceChoice(text) else {
            throw ValidationError("--device: expected cuda, or cuda:N for card N, found \(text)")
        }
        return ordinal
    }
}
