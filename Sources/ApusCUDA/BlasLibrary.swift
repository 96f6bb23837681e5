internal import ApusTensor
internal import CCUDA
internal import Foundation

/// cuBLASLt, NVIDIA's library of products, found where a backend is made: nothing of it is needed to build, to start or to
/// train.
///
/// `@unchecked Sendable`: a table of functions and a handle that one backend uses, as `CUDABackend` is used by one thread at a
/// time.
final class BlasLibrary: @unchecked Sendable {
    let functions: cublas_lt
    let handle: cublasLtHandle_t
    /// Such as 130100 for 13.1.0.
    let version: Int

    /// Where a backend has the library from.
    enum Source {
        /// What is installed, if anything.
        case installed(environment: [String: String])
        /// A table of functions, for tests.
        case functions(cublas_lt)
        /// Nowhere: our own kernels compute everything.
        case none
    }

    /// The name of the environment variable with the library's place, or with `off`.
    static let placeVariable = "APUS_CUBLASLT"

    /// Starts the library on the current context.
    ///
    /// - Throws: `TensorError` when it lacks a function or does not start.
    init(_ functions: cublas_lt) throws(TensorError) {
        self.functions = functions
        version = functions.cublasLtGetVersion()
        var handle: cublasLtHandle_t?
        try Self.check(functions.cublasLtCreate(&handle), functions, "starting")
        guard let handle else { preconditionFailure("started without an error") }
        self.handle = handle
    }

    deinit { _ = functions.cublasLtDestroy(handle) }

    /// For people, such as "cuBLASLt 13.1.0".
    var name: String { Self.name(version: version) }

    static func name(version: Int) -> String {
        "cuBLASLt \(version / 10_000).\(version / 100 % 100).\(version % 100)"
    }

    // MARK: Finding

    /// Finds the library and starts it.
    ///
    /// - Parameter driverVersion: the version of CUDA that the driver is for, such as 12040.
    /// - Returns: the library, or why there is none.
    /// - Throws: `TensorError` when the one that the environment names does not start.
    static func find(
        _ source: Source, driverVersion: Int
    ) throws(TensorError) -> (library: BlasLibrary?, remark: String) {
        switch source {
        case .none: return (nil, "none was wanted")
        case .functions(let functions): return (try BlasLibrary(functions), "")
        case .installed(let environment):
            let (library, remark) = try find(environment, driverVersion: driverVersion) {
                functions throws(TensorError) in try BlasLibrary(functions)
            }
            return (library, remark)
        }
    }

    /// Finds what `use` makes of the library. What a user names has to work; of what is merely there, the first that does is
    /// taken.
    static func find<Found>(
        _ environment: [String: String], driverVersion: Int, _ use: (cublas_lt) throws(TensorError) -> Found
    ) throws(TensorError) -> (found: Found?, remark: String) {
        switch environment[placeVariable] {
        case "off"?: return (nil, "\(placeVariable) is off")
        case let place?:
            guard let functions = try open(place) else {
                throw TensorError(
                    "\(placeVariable)=\(place): wanted NVIDIA's cuBLASLt, found no library that can be opened; name another, "
                        + "or unset it")
            }
            return (try use(functions), "")
        case nil:
            var failure: TensorError?
            for place in LibraryPlaces.of("libcublasLt", environment, driverVersion: driverVersion) {
                do throws(TensorError) {
                    if let functions = try open(place) { return (try use(functions), "") }
                } catch {
                    failure = failure ?? error
                }
            }
            return (
                nil,
                failure?.description
                    ?? "not found; install NVIDIA's cuBLAS, or name its folder in \(LibraryPlaces.foldersVariable)"
            )
        }
    }

    /// - Returns: nil where no library is.
    /// - Throws: `TensorError` when it lacks a function.
    private static func open(_ place: String) throws(TensorError) -> cublas_lt? {
        // It stays open: what it has on the card may outlive a backend.
        guard let library = dlopen(place, RTLD_NOW | RTLD_LOCAL) else { return nil }
        var functions = cublas_lt()
        if let missing = cublas_lt_load(&functions, library) {
            throw TensorError(
                "CUDA: \(place) has no \(String(cString: missing)); update cuBLAS to one for CUDA 12 or later, or set "
                    + "\(placeVariable) to off")
        }
        return functions
    }

    // MARK: Codes

    /// Turns a code into an error.
    func check(_ code: cublasStatus_t, _ call: @autoclosure () -> String) throws(TensorError) {
        try Self.check(code, functions, call())
    }

    private static func check(
        _ code: cublasStatus_t, _ functions: cublas_lt, _ call: @autoclosure () -> String
    ) throws(TensorError) {
        guard code != CUBLAS_STATUS_SUCCESS else { return }
        let found = functions.cublasLtGetStatusString(code).map { String(cString: $0) } ?? "unknown error"
        throw TensorError("CUDA: cuBLASLt, \(call()): \(found) (\(code)); \(advice(code))")
    }

    private static func advice(_ code: cublasStatus_t) -> String {
        switch Int(code) {
        case CUBLAS_STATUS_EXECUTION_FAILED: CUDADriver.lostCardAdvice
        default:
            "use a cuBLAS that is no newer than the driver, or do without: set \(placeVariable) to off"
        }
    }
}

/// Something that the library made, given back with its owner.
///
/// `@unchecked Sendable`: as `BlasLibrary`, which it keeps.
final class BlasObject<Handle>: @unchecked Sendable {
    let handle: Handle
    private let library: BlasLibrary
    private let destroy: (Handle) -> cublasStatus_t

    init(
        _ library: BlasLibrary, _ purpose: String, make: (inout Handle?) -> cublasStatus_t,
        destroy: @escaping (Handle) -> cublasStatus_t
    ) throws(TensorError) {
        var made: Handle?
        try library.check(make(&made), purpose)
        guard let made else { preconditionFailure("made without an error") }
        handle = made
        self.library = library
        self.destroy = destroy
    }

    deinit { _ = destroy(handle) }
}
