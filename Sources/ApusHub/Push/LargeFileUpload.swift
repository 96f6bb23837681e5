import ApusFormats
import ApusNetwork
import Foundation
import Synchronization

/// Sends large files to the hub's storage, as Git LFS does.
struct LargeFileUpload: Sendable {
    let connection: HubConnection
    let name: RepositoryName
    let meter: ProgressMeter

    /// Files of one question.
    private static let groupSize = 256

    /// Sends all that the hub has under no name.
    ///
    /// - Returns: Bytes that were sent and arrived.
    /// - Throws: The first ``HubError``; the others are stopped.
    func send(_ items: [PushPlan.Item]) async throws(HubError) -> Int {
        // Two files may have one content.
        var (seen, distinct, repeated): (Set<String>, [PushPlan.Item], [PushPlan.Item]) = ([], [], [])
        for item in items {
            if seen.insert(item.checksum).inserted { distinct.append(item) } else { repeated.append(item) }
        }
        let sent = Mutex(0)
        var rest = distinct[...]
        while !rest.isEmpty {
            let group = Array(rest.prefix(Self.groupSize))
            rest = rest.dropFirst(group.count)
            let actions = try await actions(for: group)
            var missing: [(PushPlan.Item, LargeFileAction)] = []
            for item in group {
                if let action = actions[item.checksum] { missing.append((item, action)) } else { finish(item, 0) }
            }
            try await connection.sideBySide(missing) { (entry) async throws(HubError) in
                try await send(entry.0, entry.1)
                sent.withLock { $0 += entry.0.file.size }
                finish(entry.0, entry.0.file.size)
            }
        }
        for item in repeated { finish(item, 0) }
        return sent.withLock { $0 }
    }

    /// - Parameter counted: bytes of it that the meter knows of.
    private func finish(_ item: PushPlan.Item, _ counted: Int) {
        meter.change { progress in
            progress.files += 1
            progress.bytes += item.file.size - counted
            progress.bytesBefore += item.file.size - counted
        }
    }

    /// How each file is to be sent, by its checksum; the hub has those that are left out.
    private func actions(for items: [PushPlan.Item]) async throws(HubError) -> [String: LargeFileAction] {
        let objects = items.map { item in
            JSONValue.object(
                [.init(key: "oid", value: .string(item.checksum)), .init(key: "size", value: .integer(item.file.size))])
        }
        let reference: JSONValue = .object([.init(key: "name", value: .string(name.revision))])
        let body: JSONValue = .object(
            [
                .init(key: "operation", value: "upload"), .init(key: "transfers", value: ["basic", "multipart"]),
                .init(key: "objects", value: .array(objects)), .init(key: "hash_algo", value: "sha256"),
                .init(key: "ref", value: reference),
            ])
        let type = "application/vnd.git-lfs+json"
        let url = try connection.address("/\(name.id).git/info/lfs/objects/batch")
        let answer = try await connection.post(
            body, to: url, type: type, headers: ["Accept": type], about: HubSubject(name: name)
        ).json()
        guard let described = answer["objects"]?.array else {
            throw HubError(.badAnswer, "\(url.withoutSecrets) does not answer as the hub does; check HF_ENDPOINT")
        }
        let byChecksum = Dictionary(
            described.compactMap { object in object["oid"]?.string.map { ($0, object) } }, uniquingKeysWith: { $1 })
        var actions: [String: LargeFileAction] = [:]
        for item in items {
            guard let object = byChecksum[item.checksum] else {
                throw HubError(.badAnswer, "the hub does not say where '\(item.file.path)' goes; check HF_ENDPOINT")
            }
            if let error = object["error"], error.members != nil {
                let reason = error["message"]?.string.map { ": \($0.prefix(200))" } ?? ""
                throw HubError(.unauthorized, "the hub does not take '\(item.file.path)'\(reason)")
            }
            do throws(HubTrouble) {
                actions[item.checksum] = try LargeFileAction(
                    object, size: item.file.size, endpoint: connection.settings.endpoint)
            } catch { throw error.error }
        }
        return actions
    }

    /// Sends one file. Addresses that are good no longer are asked for anew.
    private func send(_ item: PushPlan.Item, _ first: LargeFileAction) async throws(HubError) {
        let reader = try PushReader(item.file)
        var action = first
        for round in 1... {
            meter.begin(.sending(item.file.path))
            let transfer = LargeFileTransfer(
                connection: connection, name: name, meter: meter, item: item, reader: reader, action: action)
            do throws(HubError) {
                try await transfer.run()
                return try reader.checkUnchanged()
            } catch {
                // What a failed try has sent is lost with its addresses.
                transfer.takeBack()
                try reader.checkUnchanged()
                guard transfer.isExpired, round < connection.attempts else { throw error }
                try await connection.pause(after: round, asked: nil)
            }
            guard let next = try await actions(for: [item])[item.checksum] else {
                meter.add(bytes: item.file.size)
                return
            }
            action = next
        }
    }
}
