import ArgumentParser

/// `apus doctor`: what this machine has, and what is missing.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what this machine has, which kernels will run, and what is missing.")

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let findings = Examination().findings
        if json {
            Terminal.printLine(try JSONLine.encode(["findings": findings]))
            return
        }
        let width = findings.map(\.name.count).max() ?? 0
        for finding in findings {
            let name = finding.name + String(repeating: " ", count: width - finding.name.count)
            let mark = finding.status == .missing ? "- " : "  "
            Terminal.printLine("\(mark)\(name)  \(finding.value)")
            if let advice = finding.advice {
                Terminal.printLine(String(repeating: " ", count: width + 4) + advice)
            }
        }
    }
}
