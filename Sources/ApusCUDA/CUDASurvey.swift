public import ApusTensor

/// What there is of CUDA on this machine, for people.
public struct CUDASurvey: Sendable {
    /// Of the driver: the latest CUDA that it is for, such as "12.4".
    public let driverVersion: String
    /// All cards.
    public let devices: [CUDADevice]

    /// Looks.
    ///
    /// - Throws: `TensorError` without a driver that can be used, or without a card.
    public init() throws(TensorError) { try self.init(CUDADriver.open()) }

    init(_ driver: CUDADriver) throws(TensorError) {
        devices = try CUDADevice.all(driver)
        let version = try driver.version()
        driverVersion = "\(version / 1000).\(version % 1000 / 10)"
    }
}
