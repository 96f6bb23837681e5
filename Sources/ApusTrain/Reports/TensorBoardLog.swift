import ApusFormats
import Foundation

/// The event file that a run writes for TensorBoard.
///
/// Every start of a run writes a file of its own. A continuation's lies beside those before it and begins with a session
/// start at its first step, so that TensorBoard shows each step once even when the run was stopped after its last checkpoint.
final class TensorBoardLog {
    /// The folder of the event files.
    let directory: URL
    private let handle: FileHandle

    /// Creates the folder and the file.
    /// - Parameters:
    ///   - loggingDir: where event files go; nil for a folder in `output_dir/runs`, a new one for a new run and the newest for
    ///     a continuation.
    ///   - lastStep: the last step that the run has done; 0 for a new run.
    /// - Throws: ``TrainingError`` with code `outputFolder`.
    init(outputDir: String, loggingDir: String?, lastStep: Int, now: Date = Date()) throws(TrainingError) {
        directory =
            loggingDir.map { URL(filePath: $0, directoryHint: .isDirectory) }
            ?? Self.folder(in: URL(filePath: outputDir).appending(path: "runs"), isNew: lastStep == 0, now)
        do {
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            let file = Self.unusedFile(in: directory, now)
            try Data().write(to: file, options: .withoutOverwriting)
            handle = try FileHandle(forWritingTo: file)
            try write(0, now, .fileVersion)
            try write(lastStep + 1, now, .sessionStart)
        } catch {
            let key = loggingDir == nil ? "output_dir" : "logging_dir"
            throw TrainingError(
                .outputFolder,
                "\(key): cannot write TensorBoard files to \(directory.path): \(fileErrorReason(error)); choose another "
                    + "folder or leave report_to out")
        }
    }

    /// Adds a log line; readers that follow the file see it at once.
    func append(_ record: MetricsRecord) throws {
        try write(record.step, Date(), .scalars(record.tensorBoardScalars))
    }

    private func write(_ step: Int, _ time: Date, _ content: TensorBoardEvent.Content) throws {
        let event = TensorBoardEvent(wallTime: time.timeIntervalSince1970, step: step, content: content)
        try handle.write(contentsOf: Data(event.record))
    }

    /// Named as Transformers names them: `Nov22_19-30-05_host`.
    private static func folder(in runs: URL, isNew: Bool, _ now: Date) -> URL {
        if !isNew, let newest = newestFolder(in: runs) { return newest }
        return runs.appending(path: "\(stamp(now))_\(hostName)", directoryHint: .isDirectory)
    }

    private static func newestFolder(in runs: URL) -> URL? {
        let keys: Set<URLResourceKey> = [.isDirectoryKey, .contentModificationDateKey]
        let contents = try? FileManager.default.contentsOfDirectory(at: runs, includingPropertiesForKeys: Array(keys))
        let folders = (contents ?? []).compactMap { url -> (url: URL, date: Date)? in
            guard let values = try? url.resourceValues(forKeys: keys), values.isDirectory == true else { return nil }
            return (url, values.contentModificationDate ?? .distantPast)
        }
        return folders.max { $0.date < $1.date }?.url
    }

    private static func stamp(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970.wholeNumber(in: 0...1 << 36))
        var parts = tm()
        localtime_r(&seconds, &parts)
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func twoDigits(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map(twoDigits).joined(separator: "-")
        return "\(months[Int(parts.tm_mon)])\(twoDigits(parts.tm_mday))_\(clock)"
    }

    /// TensorBoard reads a folder's files in the order of their names, so a later file must have a later one.
    private static func unusedFile(in directory: URL, _ now: Date) -> URL {
        let prefix = "events.out.tfevents."
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        let latest = names.filter { $0.hasPrefix(prefix) }.compactMap { name in
            Int(name.dropFirst(prefix.count).prefix { $0.isNumber })
        }.max()
        let second = max(now.timeIntervalSince1970.wholeNumber(in: 0...1 << 36), min(latest ?? 0, .max - 1) + 1)
        let digits = String(second)
        let padding = String(repeating: "0", count: max(0, 10 - digits.count))
        return directory.appending(path: "\(prefix)\(padding)\(digits).\(hostName).\(getpid()).0")
    }

    private static var hostName: String {
        let name = ProcessInfo.processInfo.hostName.prefix { $0 != "." }
        let safe = name.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
        return safe.isEmpty ? "localhost" : String(safe)
    }
}
