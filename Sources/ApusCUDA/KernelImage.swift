internal import ApusTensor
internal import CCUDA
internal import Foundation

/// The kernels on a card.
struct LoadedKernels {
    let module: CUmodule
    /// What else than the architecture their bits may depend on: who has compiled them, where that is not whoever made this
    /// program.
    let compiler: String?
}

/// Gets kernels for a card: an embedded image that fits it; else the sources, compiled by NVRTC and kept for the next time.
struct KernelImage {
    let context: CUDAContext
    /// Where the images come from; others for tests.
    var embedded = EmbeddedImage.all
    var cache = KernelCache.standard(ProcessInfo.processInfo.environment)
    var findCompiler: (_ driverVersion: Int) -> (compiler: KernelCompiler?, tried: [String]) = {
        CompilerLibrary.find(ProcessInfo.processInfo.environment, driverVersion: $0)
    }

    private var driver: CUDADriver { context.driver }
    private var device: CUDADevice { context.device }

    /// Loads kernels.
    ///
    /// - Parameters:
    ///   - given: an image, instead of what is looked for.
    ///   - report: takes a line for people before something that lasts.
    /// - Throws: `TensorError` when there are none that the card takes, with what was tried.
    func load(
        _ given: UnsafeRawPointer? = nil, report: (String) -> Void
    ) throws(TensorError) -> LoadedKernels {
        var tried: [String] = []
        if let given, let module = try module(given, "the image that was given", &tried) {
            return LoadedKernels(module: module, compiler: nil)
        }
        for image in embedded where image.fits(device.architecture) {
            if image.isPTX {
                report("the driver prepares the kernels for \(device.name): some seconds the first time")
            }
            if let module = try module(try image.unpacked(), image.name, &tried) {
                return LoadedKernels(module: module, compiler: image.isPTX ? "ptx" : nil)
            }
        }
        if embedded.isEmpty { tried.append("this build has no images") }
        if let kernels = try compiled(&tried, report) { return kernels }
        throw TensorError(
            "CUDA: wanted kernels for \(device.name) (sm_\(device.architecture)), found none: "
                + tried.joined(separator: ", ") + "; update the driver, name the folder of NVIDIA's NVRTC in "
                + "\(LibraryPlaces.foldersVariable) (Python's package nvidia-cuda-nvrtc has it), or use the device cpu"
        )
    }

    /// Kernels from the sources.
    private func compiled(
        _ tried: inout [String], _ report: (String) -> Void
    ) throws(TensorError) -> LoadedKernels? {
        let found = findCompiler(try driver.version())
        guard let compiler = found.compiler else {
            tried.append("NVRTC is in none of \(found.tried.joined(separator: ", "))")
            return nil
        }
        let sources = KernelSources.embedded
        let target = try compiler.target(for: device.architecture)
        let key = KernelCache.Key(sources, target, compiler: compiler.version)
        let origin = "nvrtc\(compiler.version)"
        if let kept = cache?.read(key), let module = try module(kept, "the kept image", &tried) {
            return LoadedKernels(module: module, compiler: origin)
        }
        report("NVRTC \(compiler.version) compiles the kernels for \(device.name): some seconds the first time")
        let image = try compiler.compile(sources, for: target)
        guard let module = try module(image, "NVRTC \(compiler.version)", &tried) else { return nil }
        cache?.write(image, key)
        return LoadedKernels(module: module, compiler: origin)
    }

    private func module(_ image: [UInt8], _ name: String, _ tried: inout [String]) throws(TensorError) -> CUmodule? {
        // The driver copies it during the call.
        try image.withUnsafeBufferPointer { (bytes) throws(TensorError) in
            guard let base = bytes.baseAddress else { preconditionFailure("an image is not empty") }
            return try module(base, name, &tried)
        }
    }

    /// Loads an image.
    ///
    /// - Returns: nil when it is not for this card or driver; `tried` then says so.
    /// - Throws: `TensorError` when something else is wrong.
    private func module(
        _ image: UnsafeRawPointer, _ name: String, _ tried: inout [String]
    ) throws(TensorError) -> CUmodule? {
        var module: CUmodule?
        try context.enter()
        let code = driver.functions.cuModuleLoadData(&module, image)
        if Self.misfits.contains(Int(code)) {
            tried.append("\(name): \(driver.words(for: code))")
            return nil
        }
        try driver.check(code, "loading kernels for \(device.name)")
        guard let module else { preconditionFailure("loaded without an error") }
        return module
    }

    /// Codes that say that another image may do.
    private static let misfits = [
        CUDA_ERROR_INVALID_IMAGE, CUDA_ERROR_NO_BINARY_FOR_GPU, CUDA_ERROR_INVALID_PTX,
        CUDA_ERROR_JIT_COMPILER_NOT_FOUND, CUDA_ERROR_UNSUPPORTED_PTX_VERSION, CUDA_ERROR_JIT_COMPILATION_DISABLED,
    ]
}
