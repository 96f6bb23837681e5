import ApusFormats
import ApusNetwork
import Foundation

/// Takes files to a repository: finds out what it lacks, sends that, and makes a commit of it.
struct RepositoryUpload: Sendable {
    let connection: HubConnection
    let name: RepositoryName
    let options: PushOptions
    let meter: ProgressMeter

    private var subject: HubSubject { HubSubject(name: name) }

    /// What was done until now, over all tries.
    private struct Course {
        var head: PushTarget.State
        var sent: [String] = []
        var bytes = 0
        /// Whether a commit was asked for that may be there.
        var hasAsked = false
    }

    /// Takes everything there.
    ///
    /// - Throws: ``HubError``.
    func push(_ folder: PushFolder) async throws(HubError) -> HubPush {
        meter.begin(.asking)
        let target = PushTarget(connection: connection, name: name, isPrivate: options.isPrivate)
        let (head, isNew) = try await target.open()
        var planner = PushPlanner(connection: connection, name: name, meter: meter)
        var course = Course(head: head)
        // A commit may be there though no answer came, and somebody else's may come in between: then the repository is looked at
        // again, and only what it lacks is committed.
        let (commit, plan) = try await connection.retrying(about: subject) {
            () async throws(HubTrouble) -> (String?, PushPlan) in
            if course.hasAsked {
                do throws(HubError) { course.head = try await target.state() } catch { throw HubTrouble(error) }
            }
            return try await round(folder, &planner, &course)
        }
        guard let commit else {
            throw HubError(.badAnswer, "the hub names no commit of \(name.described); check HF_ENDPOINT")
        }
        meter.begin(.done)
        let branch = name.revision == "main" ? "" : "/tree/\(HubConnection.encoded(name.revision))"
        return HubPush(
            name: name, commit: commit, url: try connection.address("/\(name.id)\(branch)"), isNew: isNew,
            isChanged: !course.sent.isEmpty, sent: course.sent,
            unchanged: plan.unchanged.filter { !course.sent.contains($0) },
            ignored: plan.ignored, kept: plan.kept, bytes: course.bytes)
    }

    /// One look at the repository, and the commit of what it lacks.
    private func round(
        _ folder: PushFolder, _ planner: inout PushPlanner, _ course: inout Course
    ) async throws(HubTrouble) -> (String?, PushPlan) {
        let plan: PushPlan
        let body: CommitBody
        do throws(HubError) {
            plan = try await planner.plan(folder.files)
            if plan.isEmpty { return (course.head.commit, plan) }
            let upload = LargeFileUpload(connection: connection, name: name, meter: meter)
            course.bytes += try await upload.send(plan.large)
            body = try CommitBody(plan, message: options.message, parent: course.head.commit)
        } catch { throw HubTrouble(error) }
        meter.begin(.committing)
        course.hasAsked = true
        course.sent = Array(Set(course.sent + plan.changed)).sorted(by: JSONWriter.precedes)
        let commit = try await commit(body)
        let small = plan.small.reduce(0) { $0 + $1.file.size }
        course.bytes += small
        meter.change { progress in
            progress.bytes += small
            progress.files += plan.small.count
        }
        return (commit, plan)
    }

    private func commit(_ body: CommitBody) async throws(HubTrouble) -> String {
        let url: URL
        do throws(HubError) {
            url = try connection.address("/api/models/\(name.id)/commit/\(HubConnection.encoded(name.revision))")
        } catch { throw HubTrouble(error) }
        // The hub says nothing while it makes a commit of many files.
        let limit = connection.settings.requestTimeout * 5
        let answer = try await connection.posted(
            .file(descriptor: body.descriptor, offset: 0, count: body.count), to: url, type: "application/x-ndjson",
            within: limit, about: subject)
        guard let commit = (try? answer.json())?["commitOid"]?.string, CommitHash.isWhole(commit) else {
            throw HubTrouble(.badAnswer, "\(url.withoutSecrets) does not answer with a commit; check HF_ENDPOINT")
        }
        return commit
    }
}
