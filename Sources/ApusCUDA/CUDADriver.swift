internal import ApusTensor
internal import CCUDA
internal import Foundation

/// NVIDIA's driver, found when it is asked for: nothing of CUDA is needed to build or to start.
///
/// `@unchecked Sendable`: a table of functions that may be called from any thread.
final class CUDADriver: @unchecked Sendable {
    let functions: cuda_driver

    /// A driver by its functions.
    init(_ functions: cuda_driver) { self.functions = functions }

    /// Where the driver lies, the first place that has it.
    private static let places = ["libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1", "libcuda.so"]
    /// The name of the environment variable with another place.
    private static let placeVariable = "APUS_LIBCUDA"

    /// Opens the driver of this machine.
    ///
    /// - Throws: `TensorError` when there is none, or one that lacks a function.
    static func open(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws(TensorError)
        -> CUDADriver
    {
        let places = environment[placeVariable].map { [$0] } ?? places
        guard let library = places.lazy.compactMap({ dlopen($0, RTLD_NOW | RTLD_LOCAL) }).first else {
            throw TensorError(
                "CUDA: wanted NVIDIA's driver (\(places[0])), found none; install it, or use the device cpu")
        }
        var functions = cuda_driver()
        if let missing = cuda_driver_load(&functions, library) {
            throw TensorError(
                "CUDA: the driver has no \(String(cString: missing)); update it to one for CUDA 12 or later, or use "
                    + "the device cpu")
        }
        return CUDADriver(functions)
    }

    /// The version of CUDA that it is for, times 1000, with ten times the second number: 12040 for 12.4.
    func version() throws(TensorError) -> Int {
        var version: Int32 = 0
        try check(functions.cuDriverGetVersion(&version), "version of the driver")
        return Int(version)
    }

    /// Turns a code into an error.
    func check(_ code: CUresult, _ call: @autoclosure () -> String) throws(TensorError) {
        guard code != CUDA_SUCCESS else { return }
        throw TensorError("CUDA: \(call()): \(words(for: code))\(Self.advice(code))")
    }

    /// What a code means, and the code.
    func words(for code: CUresult) -> String {
        var text: UnsafePointer<CChar>?
        _ = functions.cuGetErrorString(code, &text)
        return "\(text.map { String(cString: $0) } ?? "unknown error") (\(code))"
    }

    /// What to do when the card has failed.
    static let lostCardAdvice = "the card has failed: continue from the last checkpoint, and check it with nvidia-smi"

    private static func advice(_ code: CUresult) -> String {
        switch Int(code) {
        case CUDA_ERROR_OUT_OF_MEMORY: "; use a smaller batch or model, or the device cpu"
        case CUDA_ERROR_NO_DEVICE: "; check the card with nvidia-smi, or use the device cpu"
        case 700..<800: "; \(lostCardAdvice)"
        default: ""
        }
    }
}
