internal import ApusModel
internal import ApusTensor

/// How sequences enter and leave.
extension Scheduler {
    /// Gives pages to the prompts that must be prefilled before the next sequences can enter: some, within `rows` rows
    /// where one alone is, and none while the running sequences need all pages.
    ///
    /// - Throws: `MemoryShortage` when nothing runs and the next sequence cannot enter.
    mutating func claimPrompts(rows: Int) throws(MemoryShortage) -> [Int] {
        var claimed: [Int] = []
        var lanes = laneLimit - running.count
        var rowCount = 0
        // Every running sequence may need a page within a page's steps: entering must not make it leave again.
        var reserved = running.count
        for index in waiting.reversed() where sequences[index].finishReason == nil {
            guard lanes > 0 else { break }
            lanes -= 1
            let request = sequences[index].request
            let count = promptTables[request].isEmpty ? promptCount(index) : 0
            if rowCount > 0, rowCount + count > rows { break }
            let promptPages = PageStore.pages(for: count)
            reserved += ownPages(index)
            let isNext = lanes == laneLimit - running.count - 1
            let wanted = reserved + promptPages
            guard isNext ? makeAvailable(wanted, toRequest: request) : makeAvailable(wanted) else {
                if isNext, running.isEmpty { throw shortage(index) }
                break
            }
            if count > 0 {
                promptTables[request] = pages.take(promptPages)
                claimed.append(request)
                rowCount += count
            }
        }
        return claimed
    }

    /// Lets sequences enter whose prompts are prefilled, as many as lanes and pages allow.
    ///
    /// - Returns: those that entered, and of them those that have rows to compute again.
    /// - Throws: `MemoryShortage` when nothing runs and the next sequence cannot enter; `TensorError` without memory.
    mutating func enter() throws -> (sequences: [Int], resumed: [Int]) {
        var entered: [Int] = []
        while running.count < laneLimit, let index = nextWaiting() {
            let request = sequences[index].request
            guard !promptTables[request].isEmpty else { break }
            guard makeAvailable(ownPages(index) + running.count, toRequest: request) else {
                if running.isEmpty { throw shortage(index) }
                break
            }
            waiting.removeLast()
            try open(index)
            running.append(index)
            entered.append(index)
            leaveQueue(request)
        }
        return (entered, entered.filter { sequences[$0].tokens.count > 1 })
    }

    /// The sequence that enters next; those that ended with their first token are taken out.
    private mutating func nextWaiting() -> Int? {
        while let index = waiting.last {
            if sequences[index].finishReason == nil { return index }
            waiting.removeLast()
        }
        return nil
    }

    /// Gives a sequence its pages up to its next row: those that its prompt fills are shared, the half-filled one is copied.
    private mutating func open(_ index: Int) throws {
        let prompt = promptTables[sequences[index].request]
        let shared = prompt[..<(promptCount(index) / KeyValueCache.pageTokens)]
        let own = pages.take(ownPages(index))
        if let tail = prompt.dropFirst(shared.count).first { try pages.copyKeysAndValues(from: tail, to: own[0]) }
        pages.retain(Array(shared))
        sequences[index].table = shared + own
        sequences[index].lane = freeLanes.removeLast()
        for (i, page) in sequences[index].table.enumerated() { tables[sequences[index].lane * tableLength + i] = page }
    }

    /// Pages of a sequence's own, up to that of its next row.
    private func ownPages(_ index: Int) -> Int {
        PageStore.pages(for: promptCount(index) + max(sequences[index].tokens.count, 1))
            - promptCount(index) / KeyValueCache.pageTokens
    }

    /// Counts a sequence of a request as no longer waiting; a prompt that nobody waits for gives its pages back.
    private mutating func leaveQueue(_ request: Int) {
        waitingCounts[request] -= 1
        if waitingCounts[request] == 0 { releasePrompt(request) }
    }

    // MARK: Leaving

    /// Ends what has finished among sequences that just drew their first tokens.
    mutating func retireUnopened(_ drawn: [Int]) {
        for index in drawn where sequences[index].finishReason != nil {
            keep(index)
            leaveQueue(sequences[index].request)
        }
    }

    /// Ends what has finished among the running sequences.
    mutating func retire() {
        guard running.contains(where: { sequences[$0].finishReason != nil }) else { return }
        for index in running where sequences[index].finishReason != nil {
            keep(index)
            close(index)
        }
        running.removeAll { sequences[$0].finishReason != nil }
    }

    /// Keeps the rows of prompts that were just prefilled.
    func keepPrompts(_ claimed: [Int]) {
        for request in claimed { pages.keep(prompt: requests[request].prompt, table: promptTables[request]) }
    }

    private func keep(_ index: Int) {
        guard pages.isKeeping else { return }
        let sequence = sequences[index]
        pages.keep(
            completion: sequence.tokens, of: requests[sequence.request].prompt, table: sequence.table,
            scores: sequence.scores)
    }
}
