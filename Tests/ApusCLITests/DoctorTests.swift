import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

@Suite struct DoctorTests {
    /// The program with variables set: `env` starts it.
    private func doctor(_ arguments: [String] = [], variables: [String] = []) throws -> Program.Outcome {
        try Program.run(
            variables + [Program.executable.path, "doctor"] + arguments, executable: URL(filePath: "/usr/bin/env"))
    }

    @Test func everyFindingHasItsLine() throws {
        let outcome = try doctor()
        #expect(outcome.status == 0, "\(outcome.errors)")
        for name in ["apus", "processor", "kernels", "memory", "disk", "python", "models", "CUDA"] {
            #expect(outcome.output.contains("  \(name)  ") || outcome.output.contains("- \(name)  "), "\(name)")
        }
    }

    @Test func jsonHasTheSameFindings() throws {
        let outcome = try doctor(["--json"])
        let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(outcome.output.utf8))
        let findings = fields["findings"]?.array ?? []
        #expect(findings.count == Examination().findings.count)
        #expect(findings.allSatisfy { $0.object?["name"] != nil && $0.object?["status"] != nil })
    }

    @Test func theVariableDecidesWhichKernelsRun() throws {
        let forced = try doctor(variables: ["APUS_ISA=portable"])
        #expect(forced.output.contains("portable: APUS_ISA; of "))
        let wrong = try doctor(variables: ["APUS_ISA=abacus"])
        #expect(wrong.status == 0)
        #expect(wrong.output.contains("found 'abacus'"))
    }

    @Test func aMachineWithoutPythonIsToldWhatItIsFor() throws {
        let outcome = try doctor(variables: ["-u", "VIRTUAL_ENV", "PATH=/nowhere"])
        #expect(outcome.output.contains("no python3 found"))
        #expect(outcome.output.contains("apt install python3"))
    }

    @Test func modelsOfTheFolderAreListed() throws {
        let folder = try TemporaryFolder()
        let models = folder.url.appending(path: "models/tiny")
        try FileManager.default.createDirectory(at: models, withIntermediateDirectories: true)
        try Data().write(to: models.appending(path: "config.json"))
        try Data().write(to: folder.url.appending(path: "models/a.gguf"))
        try Data().write(to: folder.url.appending(path: "models/notes.txt"))
        let finding = try #require(Examination(folder: folder.url.path).findings.first { $0.name == "models" })
        #expect(finding.value == "models/a.gguf, models/tiny")
    }
}
