internal import ApusTensor
internal import CCUDA

/// The kernels as a card runs them.
enum KernelImage {
    /// Loads kernels.
    ///
    /// - Parameter image: nil for the embedded ones: code for the card's architecture, or for the latest one before it of the
    ///   same generation; else PTX.
    /// - Throws: `TensorError` when none fits.
    static func load(
        _ image: UnsafeRawPointer?, _ driver: CUDADriver, for device: CUDADevice
    ) throws(TensorError) -> CUmodule {
        if let image { return try module(image, driver, for: device) }
        guard let embedded = EmbeddedImage.all.first(where: { $0.fits(device.architecture) }) else {
            throw TensorError(
                "CUDA: this build has no kernels for \(device.name) (sm_\(device.architecture)); use the device cpu")
        }
        return try module(try embedded.unpacked(), driver, for: device)
    }

    private static func module(
        _ image: UnsafeRawPointer, _ driver: CUDADriver, for device: CUDADevice
    ) throws(TensorError) -> CUmodule {
        var module: CUmodule?
        try driver.check(driver.functions.cuModuleLoadData(&module, image), "loading kernels for \(device.name)")
        guard let module else { preconditionFailure("loaded without an error") }
        return module
    }
}
