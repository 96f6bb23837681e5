public import Apus
public import ArgumentParser

extension DeviceChoice: ExpressibleByArgument {
    /// A choice as the option `--device` gives it; nil for anything else.
    public init?(argument: String) { self.init(argument) }
}

/// Where a command computes.
struct DeviceOptions: ParsableArguments {
    @Option(help: "Where to compute: auto (an NVIDIA card that can be used, else the processor), cpu, cuda or cuda:N.")
    var device: DeviceChoice?

    @Option(
        parsing: .unconditional,
        help: "Threads of the processor to compute with (default: one a core). The numbers do not depend on it.",
        transform: NumericOption.integer(like: "threads"))
    var threads: Int?

    /// The device.
    ///
    /// - Parameter standard: which one where no option says.
    /// - Throws: `CommandFailure` with status 2.
    func open(_ standard: DeviceChoice = .automatic) throws -> Device {
        try failing(as: .badInput) { try Device(device ?? standard, threads: threads, report: Terminal.complain) }
    }
}

extension RunSettings {
    /// The device that they name.
    ///
    /// - Throws: `CommandFailure` with status 2.
    func openDevice() throws -> Device {
        try failing(as: .badInput) { try Device(device, threads: threads, report: Terminal.complain) }
    }
}
