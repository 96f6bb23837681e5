internal import ApusTensor

/// Whole numbers in main memory.
final class CPUIndices: Storage, @unchecked Sendable {
    let numbers: [Int32]

    init(numbers: [Int32]) {
        self.numbers = numbers
        super.init(count: numbers.count)
    }
}

extension Indices {
    /// The numbers where they lie.
    var numbers: ArraySlice<Int32> {
        ownHandle(storage, as: CPUIndices.self).numbers[range]
    }
}
