internal import ApusTensor

/// What tells a device from another one, also when it is gone.
final class PlainMark: Sendable {}

/// What the plain device made. It belongs to one of them: another one's queue knows nothing of it.
protocol PlainHandle: AnyObject {
    var device: PlainMark { get }
}

extension PlainBackend {
    /// A handle as this device made it.
    func own<Handle: PlainHandle>(_ handle: AnyObject, as type: Handle.Type = Handle.self) -> Handle {
        guard let own = handle as? Handle, own.device === mark else {
            preconditionFailure("\(handle) is of another device")
        }
        return own
    }

    /// A matrix where it lies.
    func own(_ matrix: Matrix) -> PlainMatrix { PlainMatrix(matrix, in: own(matrix.storage)) }

    /// Numbers, all of which name one of `limit` things.
    func own(_ indices: Indices, below limit: Int) -> [Int] {
        let numbers = own(indices.storage, as: PlainIndices.self).numbers[indices.range].map(Int.init)
        precondition(numbers.allSatisfy { 0..<limit ~= $0 }, "an index is not in 0 ..< \(limit)")
        return numbers
    }

    /// A weight of this device.
    func own(_ weight: Weight) -> PlainWeight { own(weight, as: PlainWeight.self) }
}

/// Values that no other module can reach; NaN until they are written.
final class PlainStorage: Storage, PlainHandle, @unchecked Sendable {
    let device: PlainMark
    fileprivate let base: UnsafeMutablePointer<Float>

    init(count: Int, of device: PlainBackend) {
        self.device = device.mark
        base = .allocate(capacity: max(count, 1))
        base.initialize(repeating: .nan, count: max(count, 1))
        super.init(count: count)
    }

    deinit { base.deallocate() }
}

/// Numbers, which never change.
final class PlainIndices: Storage, PlainHandle, @unchecked Sendable {
    let device: PlainMark
    let numbers: [Int32]

    init(_ numbers: [Int32], of device: PlainBackend) {
        self.device = device.mark
        self.numbers = numbers
        super.init(count: numbers.count)
    }
}

/// A matrix that an operation waits for, with its memory.
struct PlainMatrix {
    let rows: Int
    let columns: Int
    private let storage: PlainStorage
    private let offset: Int

    fileprivate init(_ matrix: Matrix, in storage: PlainStorage) {
        (rows, columns, offset) = (matrix.rows, matrix.columns, matrix.offset)
        self.storage = storage
    }

    var count: Int { rows * columns }
    var base: UnsafeMutablePointer<Float> { storage.base + offset }

    func row(_ index: Int) -> UnsafeMutablePointer<Float> { base + index * columns }

    func requireShape(_ rows: Int, _ columns: Int, file: StaticString = #fileID, line: UInt = #line) {
        precondition(
            self.rows == rows && self.columns == columns,
            "wanted \(rows) x \(columns), found \(self.rows) x \(self.columns)", file: file, line: line)
    }

    func requireShape(of other: PlainMatrix, file: StaticString = #fileID, line: UInt = #line) {
        requireShape(other.rows, other.columns, file: file, line: line)
    }

    func requireCount(_ count: Int, file: StaticString = #fileID, line: UInt = #line) {
        precondition(self.count == count, "wanted \(count) values, found \(self.count)", file: file, line: line)
    }

    /// Whether it is the very same values.
    func isSame(as other: PlainMatrix) -> Bool { base == other.base && count == other.count }

    /// Nothing that is written here is read there.
    func requireApart(_ others: PlainMatrix?..., file: StaticString = #fileID, line: UInt = #line) {
        for case .some(let other) in others where count > 0 && other.count > 0 {
            precondition(
                base + count <= other.base || other.base + other.count <= base,
                "a result lies where an operand does", file: file, line: line)
        }
    }
}

/// A matrix of fp32 values, whatever they were rounded to.
final class PlainWeight: Weight, PlainHandle, @unchecked Sendable {
    let device: PlainMark
    let base: UnsafeMutablePointer<Float>

    init(_ format: WeightFormat, outputs: Int, inputs: Int, of device: PlainBackend) {
        self.device = device.mark
        base = .allocate(capacity: max(outputs * inputs, 1))
        base.initialize(repeating: .nan, count: max(outputs * inputs, 1))
        super.init(format, outputs: outputs, inputs: inputs, byteCount: PlainBackend.bytes(outputs * inputs))
    }

    deinit { base.deallocate() }

    func row(_ output: Int) -> UnsafeMutablePointer<Float> { base + output * inputs }
}
