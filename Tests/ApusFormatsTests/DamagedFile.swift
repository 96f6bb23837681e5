import ApusFormats
import ApusTestSupport
import Foundation
import Testing

/// A file that is cut and damaged in place: writing it anew for each of some hundred thousand damages would take minutes.
final class DamagedFile {
    /// What became of all the damaged files.
    struct Outcome {
        var readCount = 0
        var refusedCount = 0
        var slowest = Duration.zero
    }

    let path: String
    private let folder: TemporaryFolder
    private let content: [UInt8]
    private let descriptor: Int32

    init(_ content: some Sequence<UInt8>, as name: String, in folder: TemporaryFolder) throws {
        self.content = Array(content)
        self.folder = folder
        path = try folder.write(Data(self.content), as: name)
        descriptor = Foundation.open(path, O_RDWR)
        try #require(descriptor >= 0)
    }

    deinit { close(descriptor) }

    /// Cuts the file at every byte, from the end.
    func cutAnywhere(_ read: (String) throws -> Void) throws -> Outcome {
        var outcome = Outcome()
        for length in content.indices.reversed() {
            try #require(ftruncate(descriptor, off_t(length)) == 0)
            attempt(read, &outcome)
        }
        return outcome
    }

    /// Changes one to four bytes, over and over, always the same ones.
    func flipBytes(times: Int, _ read: (String) throws -> Void) throws -> Outcome {
        var outcome = Outcome()
        var random: UInt64 = 88_172_645_463_325_252
        func next(below bound: Int) -> Int {
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            return Int(random >> 1) % bound
        }
        for _ in 0..<times {
            let positions = (0...next(below: 4)).map { _ in next(below: content.count) }
            for position in positions {
                // A byte of the file is more often what another place of it takes than any byte.
                let byte = next(below: 2) == 0 ? UInt8(next(below: 256)) : content[next(below: content.count)]
                try write(byte, at: position)
            }
            attempt(read, &outcome)
            for position in positions { try write(content[position], at: position) }
        }
        return outcome
    }

    private func write(_ byte: UInt8, at position: Int) throws {
        try #require(withUnsafeBytes(of: byte) { pwrite(descriptor, $0.baseAddress, 1, off_t(position)) } == 1)
    }

    private func attempt(_ read: (String) throws -> Void, _ outcome: inout Outcome) {
        let start = ContinuousClock.now
        do {
            try read(path)
            outcome.readCount += 1
        } catch let error as FormatError {
            if error.description.contains("\n") { Issue.record("several lines: \(error)") }
            outcome.refusedCount += 1
        } catch {
            Issue.record("\(error)")
        }
        outcome.slowest = max(outcome.slowest, ContinuousClock.now - start)
    }
}

extension TensorSource {
    /// Reads every tensor, and every weight that bitsandbytes packed.
    func readAll() throws {
        for (name, entry) in entries {
            let values = try readFloats(name)
            if values.count != entry.elementCount { Issue.record("\(values.count) values of \(entry)") }
            guard BitsAndBytesTensor.isQuantized(name, in: self) else { continue }
            do {
                let tensor = try BitsAndBytesTensor(name, in: self)
                let weights = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.shape.reduce(1, *))
                defer { weights.deallocate() }
                tensor.read(rows: 0..<tensor.shape[0], into: weights)
            } catch {
            }
        }
    }
}
