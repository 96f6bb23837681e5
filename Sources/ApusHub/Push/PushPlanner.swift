import ApusFormats
import ApusNetwork
import Foundation

/// What a repository lacks of some files.
struct PushPlan: Sendable {
    /// A file with the checksum by which the hub knows it.
    struct Item: Sendable {
        let file: PushFolder.File
        let checksum: String
    }

    /// What goes into the commit itself.
    var small: [Item] = []
    /// What goes to the storage for large files.
    var large: [Item] = []
    var unchanged: [String] = []
    var ignored: [String] = []
    var kept: [String] = []

    var isEmpty: Bool { small.isEmpty && large.isEmpty }
    /// Paths of what is new.
    var changed: [String] { (small + large).map(\.file.path) }
}

/// Asks the hub which files it has, and where the others go.
struct PushPlanner {
    let connection: HubConnection
    let name: RepositoryName
    let meter: ProgressMeter
    /// By path; a file is read once.
    private var checksums: [String: (isLarge: Bool, checksum: String)] = [:]

    /// Files of one question, and bytes of each by which the hub judges whether it is text.
    private static let limits = (files: 256, sample: 512)

    init(connection: HubConnection, name: RepositoryName, meter: ProgressMeter) {
        self.connection = connection
        self.name = name
        self.meter = meter
    }

    /// Compares files with those of the branch.
    ///
    /// - Throws: ``HubError``.
    mutating func plan(_ files: [PushFolder.File]) async throws(HubError) -> PushPlan {
        var plan = PushPlan()
        var rest = files[...]
        while !rest.isEmpty {
            let group = Array(rest.prefix(Self.limits.files))
            rest = rest.dropFirst(group.count)
            let answers = try await ask(about: group)
            for file in group {
                guard let answer = answers[Array(file.path.utf8)] else {
                    throw HubError(.badAnswer, "the hub does not say how to send '\(file.path)'; check HF_ENDPOINT")
                }
                try await add(file, answer, to: &plan)
            }
        }
        let present = files.reduce(0) { $0 + $1.size } - (plan.small + plan.large).reduce(0) { $0 + $1.file.size }
        meter.change { progress in
            progress.totalFiles = files.count
            progress.totalBytes = files.reduce(0) { $0 + $1.size }
            progress.files = files.count - plan.small.count - plan.large.count
            progress.bytes = present
            progress.bytesBefore = present
        }
        return plan
    }

    private mutating func add(
        _ file: PushFolder.File, _ answer: JSONValue, to plan: inout PushPlan
    ) async throws(HubError) {
        let present = answer["oid"]?.string
        if answer["shouldIgnore"]?.bool == true { return plan.ignored.append(file.path) }
        if file.isSuggestion, present != nil { return plan.kept.append(file.path) }
        // The storage takes no empty files.
        let isLarge = answer["uploadMode"]?.string == "lfs" && file.size > 0
        guard isLarge || answer["uploadMode"]?.string == "regular" || file.size == 0 else {
            throw HubError(
                .unsupported, "the hub wants '\(file.path)' in a way that is not known here; update this program")
        }
        let checksum = try await checksum(of: file, isLarge: isLarge, isNeeded: isLarge || present != nil)
        if checksum == present { return plan.unchanged.append(file.path) }
        let item = PushPlan.Item(file: file, checksum: checksum)
        if isLarge { plan.large.append(item) } else { plan.small.append(item) }
    }

    private mutating func checksum(
        of file: PushFolder.File, isLarge: Bool, isNeeded: Bool
    ) async throws(HubError) -> String {
        guard isNeeded else { return "" }
        if let known = checksums[file.path], known.isLarge == isLarge { return known.checksum }
        if isLarge { meter.begin(.checking(file.path)) }
        let checksum = try await PushReader(file).checksum(isLarge: isLarge)
        checksums[file.path] = (isLarge, checksum)
        return checksum
    }

    /// The hub's answers by the bytes of the path.
    private func ask(about files: [PushFolder.File]) async throws(HubError) -> [[UInt8]: JSONValue] {
        var entries: [JSONValue] = []
        for file in files {
            let sample = try PushReader(file).beginning(Self.limits.sample)
            entries.append(
                .object(
                    [
                        .init(key: "path", value: .string(file.path)), .init(key: "size", value: .integer(file.size)),
                        .init(key: "sample", value: .string(sample.base64EncodedString())),
                    ]))
        }
        let branch = HubConnection.encoded(name.revision)
        let url = try connection.address("/api/models/\(name.id)/preupload/\(branch)")
        let body: JSONValue = .object([.init(key: "files", value: .array(entries))])
        let answer = try await connection.post(body, to: url, about: HubSubject(name: name)).json()
        guard let described = answer["files"]?.array else {
            throw HubError(.badAnswer, "\(url.withoutSecrets) does not answer as the hub does; check HF_ENDPOINT")
        }
        let pairs = described.compactMap { entry in entry["path"]?.string.map { (Array($0.utf8), entry) } }
        return Dictionary(pairs) { first, _ in first }
    }
}
