import ApusCPU
import ApusTensor
import Testing

struct StorageTests {
    /// Storages that will be filled are pieces of one mapping: zero, apart from each other, and kept by whoever has one.
    @Test func filledStoragesAreApart() throws {
        var kept: [CPUStorage] = []
        for round in 0..<4 {
            // From one value to more than a stretch of large pages holds.
            for count in [1, 15, 1_023, 250_000, 3 << 20, 9 << 20] {
                let storage = try CPUStorage(count: count, isFilled: true)
                #expect(Int(bitPattern: storage.base) % 64 == 0)
                #expect([0, count / 2, count - 1].allSatisfy { storage.base[$0] == 0 }, "\(count) values")
                for index in [0, count / 2, count - 1] { storage.base[index] = Float(count + round) }
                kept.append(storage)
            }
            // Every second one goes, and with it what it holds alone.
            kept = kept.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
            for storage in kept {
                let values = [0, storage.count / 2, storage.count - 1].map { storage.base[$0] }
                #expect(values.allSatisfy { $0 == values[0] && $0 >= Float(storage.count) }, "\(storage.count) values")
            }
        }
    }

    @Test func concurrentPiecesAreApart() async throws {
        let storages = try await withThrowingTaskGroup(of: [CPUStorage].self) { group in
            for task in 0..<8 {
                group.addTask {
                    try (0..<50).map { number in
                        let storage = try CPUStorage(count: 1_000, isFilled: true)
                        storage.base.update(repeating: Float(50 * task + number), count: 1_000)
                        return storage
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let seen = storages.map { storage in Set((0..<1_000).map { storage.base[$0] }) }
        #expect(seen.allSatisfy { $0.count == 1 } && Set(seen.flatMap(\.self)).count == 400)
    }

    private final class Bytes: SharedBytes {
        let values: [UInt8]
        init(_ values: [UInt8]) { self.values = values }

        func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
            try values.withUnsafeBytes(body)
        }
    }

    @Test func aCopyIsCheckedAndIsApart() throws {
        let bytes = Bytes((0..<100).map { $0 })
        let copy = try CPUStorage(copying: SharedPart(of: bytes, range: 4..<84), count: 20)
        #expect(copy.withBytes { Array($0) } == Array(4..<84))
        for range in [4..<83, -4..<76, 40..<120, 0..<0] {
            #expect(throws: TensorError.self) {
                try CPUStorage(copying: SharedPart(of: bytes, range: range), count: 20)
            }
        }
    }
}
