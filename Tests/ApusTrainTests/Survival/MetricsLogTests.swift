import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// `metrics.jsonl` after a kill: the lines of the history, no more and no fewer.
struct MetricsLogTests {
    private static func record(_ step: Int) -> MetricsRecord {
        var record = MetricsRecord(step: step)
        record.append("reward", Double(step) / 8)
        record.append("loss", 0.1)
        return record
    }

    private static let history = [2, 4, 6].map(record)
    private static let lines = history.map { $0.json + "\n" }

    private func continued(from text: String?) throws -> String {
        let folder = try TemporaryFolder()
        if let text { _ = try folder.write(Data(text.utf8), as: MetricsLog.fileName) }
        let log = try MetricsLog(directory: folder.url, continuing: Self.history)
        try log.append(Self.record(8))
        try log.synchronize()
        #expect(folder.names == [MetricsLog.fileName])
        return try String(contentsOf: folder.url.appending(path: MetricsLog.fileName), encoding: .utf8)
    }

    @Test(
        "Bad input 35: a half-written, lost, later or repeated line is put right",
        arguments: [
            lines.joined(), lines.joined() + #"{"reward": 1, "st"#, lines.joined() + record(8).json + "\n", nil, "",
            lines[0], lines[0] + lines[1] + String(lines[2].dropLast(9)), lines[0] + lines[1].dropLast(),
            lines.joined() + lines[2], lines[0] + "\n\n" + lines[1] + lines[2], "garbage\n" + lines[1] + lines[2],
        ])
    func repaired(text: String?) throws {
        let values = try continued(from: text).split(separator: "\n").map {
            try JSONDecoder().decode(MetricsRecord.self, from: Data($0.utf8))
        }
        #expect(values.map(\.step) == [2, 4, 6, 8])
        #expect(values.map { $0["reward"] } == [0.25, 0.5, 0.75, 1])
    }

    @Test func linesThatAreThereKeepTheOrderOfTheirNames() throws {
        #expect(try continued(from: Self.lines.joined()) == Self.lines.joined() + Self.record(8).json + "\n")
    }

    @Test("Bad input 35: an evaluation's line does not stand in for a lost training line of the same step")
    func linesOfOneStep() throws {
        let folder = try TemporaryFolder()
        var evaluation = MetricsRecord(step: 4)
        evaluation.append("eval_loss", 0)
        let history = [Self.record(2), Self.record(4), evaluation]
        let written = Self.lines[0] + evaluation.json + "\n"
        _ = try folder.write(Data(written.utf8), as: MetricsLog.fileName)
        _ = try MetricsLog(directory: folder.url, continuing: history)
        let text = try String(contentsOf: folder.url.appending(path: MetricsLog.fileName), encoding: .utf8)
        #expect(text == history.map { $0.json + "\n" }.joined())
    }

    @Test func anotherRunsLinesAreKeptAside() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Data(Self.lines[0].utf8), as: MetricsLog.fileName)
        _ = try MetricsLog(directory: folder.url)
        #expect(folder.names == ["metrics.jsonl", "metrics.previous.jsonl"])
        for _ in 0..<2 { _ = try MetricsLog(directory: folder.url) }
        #expect(
            folder.names == [
                "metrics.jsonl", "metrics.previous-2.jsonl", "metrics.previous-3.jsonl", "metrics.previous.jsonl",
            ])
        let first = folder.url.appending(path: "metrics.previous.jsonl")
        #expect(try String(contentsOf: first, encoding: .utf8) == Self.lines[0])
    }
}
