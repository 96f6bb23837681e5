public import ApusTensor
internal import CCUDA
internal import Foundation

/// What there is of CUDA on this machine, for people.
public struct CUDASurvey: Sendable {
    /// Of the driver: the latest CUDA that it is for, such as "12.4".
    public let driverVersion: String
    /// All cards.
    public let devices: [CUDADevice]
    /// What computes the products of gradients, such as "cuBLASLt 13.1.0", or why nothing but our own kernels does.
    public let products: String
    /// Whether that is NVIDIA's library.
    public let hasProducts: Bool

    /// Looks.
    ///
    /// - Throws: `TensorError` without a driver that can be used, or without a card.
    public init() throws(TensorError) {
        let environment = ProcessInfo.processInfo.environment
        try self.init(CUDADriver.open(environment), environment)
    }

    init(_ driver: CUDADriver, _ environment: [String: String]) throws(TensorError) {
        devices = try CUDADevice.all(driver)
        let version = try driver.version()
        driverVersion = "\(version / 1000).\(version % 1000 / 10)"
        var library: (found: String?, remark: String)
        do throws(TensorError) {
            library = try BlasLibrary.find(environment, driverVersion: version) { functions in
                BlasLibrary.name(version: functions.cublasLtGetVersion())
            }
        } catch {
            library = (nil, error.description)
        }
        hasProducts = library.found != nil
        products = library.found ?? library.remark
    }
}
