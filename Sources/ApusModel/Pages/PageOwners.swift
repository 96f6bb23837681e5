/// Who owns which page: a page has as many owners as tables that name it, and is free when the last one lets it go.
struct PageOwners {
    /// Pages that there are.
    let count: Int
    private var owners: [Int32] = []
    private var free: [Int32] = []

    init(count: Int) { self.count = count }

    /// Pages that nobody owns.
    var available: Int { free.count + count - owners.count }

    /// Takes pages that are available. Used ones come first: their memory is there.
    mutating func take(_ wanted: Int) -> [Int32] {
        precondition(wanted <= available, "more pages than are available")
        return (0..<wanted).map { _ in
            guard let page = free.popLast() else {
                owners.append(1)
                return Int32(owners.count - 1)
            }
            owners[Int(page)] = 1
            return page
        }
    }

    /// Adds an owner to each page of a table.
    mutating func retain(_ table: [Int32]) {
        for page in table { owners[Int(page)] += 1 }
    }

    /// Takes an owner from each page of a table; returns the pages that have none any more.
    mutating func release(_ table: [Int32]) -> [Int32] {
        let freed = table.filter { page in
            owners[Int(page)] -= 1
            precondition(owners[Int(page)] >= 0, "a page released too often")
            return owners[Int(page)] == 0
        }
        free += freed
        return freed
    }
}
