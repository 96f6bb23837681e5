internal import ApusTensor
internal import CCUDA

/// The kernels as a card runs them.
enum KernelImage {
    /// Loads kernels.
    ///
    /// - Parameter image: nil for the embedded ones of the card's architecture, or of the latest one before it of the same
    ///   generation.
    /// - Throws: `TensorError` when none fits.
    static func load(
        _ image: UnsafeRawPointer?, _ driver: CUDADriver, for device: CUDADevice
    ) throws(TensorError) -> CUmodule {
        guard let image = image ?? ccuda_image(Int32(device.architecture)) else {
            throw TensorError(
                "CUDA: this build has no kernels for \(device.name) (sm_\(device.architecture)); use the device cpu")
        }
        var module: CUmodule?
        try driver.check(driver.functions.cuModuleLoadData(&module, image), "loading kernels for \(device.name)")
        guard let module else { preconditionFailure("loaded without an error") }
        return module
    }
}
