import ApusData
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// Bytes that the tensorboard package wrote are what this encoder writes.
struct TensorBoardTests {
    private struct Golden: Decodable {
        struct Checksum: Decodable {
            var text: String
            var crc32c: UInt32
            var masked: UInt32
        }
        var fileVersion: String
        var sessionStart: String
        var scalars: String
        var checksums: [Checksum]

        init() throws {
            let data = try Data(contentsOf: Fixture.url("tensorboard_golden.json"))
            self = try JSONDecoder().decode(Golden.self, from: data)
        }
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test func checksumsAreCRC32C() throws {
        for golden in try Golden().checksums {
            #expect(CRC32C.checksum(golden.text.utf8) == golden.crc32c)
            #expect(CRC32C.masked(golden.text.utf8) == golden.masked)
        }
    }

    @Test func eventsAreTensorBoardsToTheByte() throws {
        let golden = try Golden()
        let version = TensorBoardEvent(wallTime: 1_763_840_000.25, step: 0, content: .fileVersion)
        #expect(hex(version.record) == golden.fileVersion)
        let start = TensorBoardEvent(wallTime: 1_763_840_000.25, step: 8, content: .sessionStart)
        #expect(hex(start.record) == golden.sessionStart)
        let values = [("train/reward", 1.179), ("train/kl", 0), ("train/grad_norm", -2.5)]
        let scalars = TensorBoardEvent(wallTime: 1_763_840_001.5, step: 300, content: .scalars(values))
        #expect(hex(scalars.record) == golden.scalars)
    }

    @Test func tagsAreThoseOfTransformers() {
        var record = MetricsRecord(step: 1)
        for name in ["reward", "rewards/exact/mean", "eval_reward", "evaluations"] { record.append(name, 1) }
        record.append("kl", nil)
        #expect(
            record.tensorBoardScalars.map(\.tag)
                == ["train/reward", "train/rewards/exact/mean", "eval/reward", "train/evaluations"])
    }

    private func record(_ step: Int) -> MetricsRecord {
        var record = MetricsRecord(step: step)
        record.append("reward", Double(step))
        return record
    }

    @Test func aContinuationWritesALaterFileBesideTheFirst() throws {
        let folder = try TemporaryFolder()
        let now = Date()
        let first = try TensorBoardLog(outputDir: folder.url.path, loggingDir: nil, lastStep: 0, now: now)
        try first.append(record(1))
        let second = try TensorBoardLog(outputDir: folder.url.path, loggingDir: nil, lastStep: 1, now: now)
        #expect(second.directory.path == first.directory.path)
        let names = try FileManager.default.contentsOfDirectory(atPath: first.directory.path).sorted()
        #expect(names.count == 2)
        #expect(names.allSatisfy { $0.hasPrefix("events.out.tfevents.") })
        // A new run a second later has a folder of its own.
        let other = try TensorBoardLog(
            outputDir: folder.url.path, loggingDir: nil, lastStep: 0, now: now.addingTimeInterval(1))
        #expect(other.directory.path != first.directory.path)
    }

    @Test func aFolderThatCannotBeIsBadInput() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(Data(), as: "file")
        let error = #expect(throws: TrainingError.self) {
            try TensorBoardLog(outputDir: folder.url.path, loggingDir: file + "/logs", lastStep: 0)
        }
        #expect(error?.isBadInput == true)
        #expect(error?.description.hasPrefix("logging_dir: cannot write TensorBoard files to ") == true)
    }

    @Test(arguments: [
        (JSONValue.string("none"), []), (.string("all"), [ReportTarget.tensorboard]),
        (.array(["tensorboard", "none", "tensorboard"]), [.tensorboard]), (.array([]), []),
        (.array(["comet_ml", "wandb"]), [.wandb, .comet]),
    ]) func reportToIsReadAsTRLReadsIt(value: JSONValue, targets: [ReportTarget]) throws {
        #expect(try GRPOConfiguration(settings: ["report_to": value]).reportTo == targets)
    }

    @Test func otherProgramsAreRefusedWithAWayToGo() {
        let other = #expect(throws: ConfigurationError.self) {
            try GRPOConfiguration(settings: ["report_to": .array(["tensorboard", "dvclive"])])
        }
        let choice = "report_to: 'dvclive' is not supported: choose tensorboard, wandb"
        #expect(other?.description.hasPrefix(choice) == true)
        let number = #expect(throws: ConfigurationError.self) { try GRPOConfiguration(settings: ["report_to": 3.0]) }
        let names = "tensorboard, wandb, trackio, mlflow, swanlab, comet_ml"
        #expect(number?.description == "report_to: 3 must be one of \(names), none, all, or a list of these")
    }
}
