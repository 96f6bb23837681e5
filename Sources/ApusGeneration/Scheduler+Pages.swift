internal import ApusModel
internal import ApusTensor

/// Who gets pages, and who loses them when they run out.
///
/// First kept rollouts go: training then runs a forward pass. Then the pages of prompts that completions wait for: they
/// are prefilled again. Then the youngest running sequence: its tokens stay and its rows are computed again later, to the
/// same bits.
extension Scheduler {
    /// Gives every running sequence the page of its next row; those that get none leave and wait.
    ///
    /// - Throws: `MemoryShortage` when a sequence that runs alone gets none.
    mutating func growTables() throws(MemoryShortage) {
        var place = 0
        while place < running.count {
            let index = running[place]
            if nextPosition(index) / KeyValueCache.pageTokens >= sequences[index].table.count {
                guard try makeRoom(for: index) else { break }
                let page = pages.take(1)[0]
                tables[sequences[index].lane * tableLength + sequences[index].table.count] = page
                sequences[index].table.append(page)
            }
            place += 1
        }
    }

    /// Makes a page available to a running sequence; false when it was the youngest and had to leave itself.
    private mutating func makeRoom(for index: Int) throws(MemoryShortage) -> Bool {
        if makeAvailable(1) { return true }
        for request in promptTables.indices { releasePrompt(request) }
        while pages.available < 1 {
            guard running.count > 1, let youngest = running.popLast() else { throw shortage(index) }
            statistics.preemptions += 1
            close(youngest)
            waiting.append(youngest)
            waitingCounts[sequences[youngest].request] += 1
            if youngest == index { return false }
        }
        return true
    }

    /// Whether so many pages are available, if need be without kept rollouts.
    mutating func makeAvailable(_ count: Int) -> Bool {
        if pages.available < count, pages.isKeeping {
            pages.dropKept()
            statistics.dropsOfKeptRollouts += 1
        }
        return pages.available >= count
    }

    /// The same for the next sequence to enter while nothing runs: the prompts of other requests go too.
    mutating func makeAvailable(_ count: Int, toRequest request: Int) -> Bool {
        if makeAvailable(count) { return true }
        guard running.isEmpty else { return false }
        for other in promptTables.indices where other != request { releasePrompt(other) }
        return pages.available >= count
    }

    /// Gives a prompt's pages back.
    mutating func releasePrompt(_ request: Int) {
        pages.release(promptTables[request])
        promptTables[request] = []
    }

    /// Takes lane and pages from a running sequence.
    mutating func close(_ index: Int) {
        pages.release(sequences[index].table)
        sequences[index].table = []
        freeLanes.append(sequences[index].lane)
    }

    /// Gives all pages back.
    mutating func releaseAll() {
        for index in running { close(index) }
        running = []
        for request in promptTables.indices { releasePrompt(request) }
    }

    /// The error of a sequence that has the pages to itself and cannot go on.
    func shortage(_ index: Int) -> MemoryShortage {
        let tokens = promptCount(index) + sequences[index].limit
        return pages.shortage(of: PageStore.pages(for: tokens) + 1, for: .sequence(tokens: tokens))
    }
}
