public import ApusTensor
internal import CCUDA

extension CUDABackend {
    /// See `Backend`.
    public func makeMatrix(rows: Int, columns: Int) throws -> Matrix {
        Matrix(storage: try CUDAStorage(count: rows * columns, in: memory), rows: rows, columns: columns)
    }

    /// See `Backend`.
    public func makeIndices(_ numbers: [Int32]) throws -> Indices {
        let storage = try CUDAStorage(count: numbers.count, in: memory)
        numbers.withUnsafeBytes { copy($0, to: storage.address) }
        return Indices(storage: storage)
    }

    /// See `Backend`.
    public func upload(_ values: [Float], to matrix: Matrix) {
        precondition(values.count == matrix.count, "wrong number of values")
        values.withUnsafeBytes { copy($0, to: matrix.address) }
    }

    /// See `Backend`.
    public func download(_ matrix: Matrix) throws -> [Float] {
        try downloaded(matrix.address, matrix.count, of: Float(0))
    }

    /// Reads numbers of any type.
    func downloaded<Number>(_ address: CUdeviceptr, _ count: Int, of zero: Number) throws(TensorError) -> [Number] {
        var numbers = [Number](repeating: zero, count: count)
        var failure: TensorError?
        numbers.withUnsafeMutableBytes { bytes in
            do throws(TensorError) { try read(address, into: bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        return numbers
    }

    /// Copies bytes of the card.
    func copy(_ source: CUdeviceptr, to destination: CUdeviceptr, bytes: Int) {
        guard bytes > 0 else { return }
        attempt { () throws(TensorError) in
            try driver.check(
                driver.functions.cuMemcpyDtoDAsync_v2(destination, source, bytes, stream), "copying on the card")
        }
    }

    /// Copies bytes of the host to the card; they are read during the call.
    func copy(_ bytes: UnsafeRawBufferPointer, to address: CUdeviceptr) {
        attempt { () throws(TensorError) in
            for start in stride(from: 0, to: bytes.count, by: staging.segmentBytes) {
                let room = try staging.take(min(staging.segmentBytes, bytes.count - start))
                room.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + room.count]))
                try send(room, to: address + CUdeviceptr(start))
            }
        }
    }

    /// Copies pinned bytes of the host to the card, when it gets to that.
    func send(_ bytes: UnsafeMutableRawBufferPointer, to address: CUdeviceptr) throws(TensorError) {
        guard let from = bytes.baseAddress, !bytes.isEmpty else { return }
        try driver.check(
            driver.functions.cuMemcpyHtoDAsync_v2(address, from, bytes.count, stream), "copying to the card")
    }

    /// Copies bytes of the card to the host, and waits for them.
    func read(_ address: CUdeviceptr, into bytes: UnsafeMutableRawBufferPointer) throws(TensorError) {
        for start in stride(from: 0, to: bytes.count, by: staging.segmentBytes) {
            let room = try staging.take(min(staging.segmentBytes, bytes.count - start))
            attempt { () throws(TensorError) in
                try driver.check(
                    driver.functions.cuMemcpyDtoHAsync_v2(
                        room.baseAddress, address + CUdeviceptr(start), room.count, stream),
                    "copying from the card")
            }
            try synchronize()
            UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + room.count])
                .copyMemory(from: UnsafeRawBufferPointer(room))
        }
        if bytes.isEmpty { try synchronize() }
    }
}
