internal import ApusTensor
internal import CCUDA

extension CUDABackend {
    /// Seconds that the card takes for what `body` calls, by the card's own clock.
    ///
    /// - Throws: What `body` throws, and `TensorError` when the card has failed.
    package func seconds(_ body: () throws -> Void) throws -> Double {
        try synchronize()
        let functions = driver.functions
        var (start, end): (CUevent?, CUevent?)
        defer { for event in [start, end] where event != nil { _ = functions.cuEventDestroy_v2(event) } }
        try driver.check(functions.cuEventCreate(&start, 0), "making an event")
        try driver.check(functions.cuEventCreate(&end, 0), "making an event")
        try driver.check(functions.cuEventRecord(start, stream), "recording an event")
        try body()
        try driver.check(functions.cuEventRecord(end, stream), "recording an event")
        try synchronize()
        var milliseconds: Float = 0
        try driver.check(functions.cuEventElapsedTime(&milliseconds, start, end), "reading the card's clock")
        return Double(milliseconds) / 1e3
    }
}
