internal import ApusTensor
internal import CCUDA
internal import Foundation

/// Finds NVRTC on this machine: nothing of it is needed where an embedded image fits the card.
enum CompilerLibrary {
    /// Finds a compiler.
    ///
    /// - Parameter driverVersion: the version of CUDA that the driver is for, such as 12040: it takes no later generation's images.
    /// - Returns: the compiler, or what was tried.
    static func find(
        _ environment: [String: String], driverVersion: Int
    ) -> (compiler: KernelCompiler?, tried: [String]) {
        var tried: [String] = []
        for place in LibraryPlaces.of("libnvrtc", environment, driverVersion: driverVersion) {
            do throws(TensorError) {
                if let compiler = try open(place) { return (compiler, tried) }
                tried.append(place)
            } catch {
                tried.append("\(place) (\(error.description))")
            }
        }
        return (nil, tried)
    }

    /// - Returns: nil where no library is.
    /// - Throws: `TensorError` when it lacks a function.
    private static func open(_ place: String) throws(TensorError) -> KernelCompiler? {
        openBuiltins(beside: place)
        guard let library = dlopen(place, RTLD_NOW | RTLD_LOCAL) else { return nil }
        var functions = nvrtc()
        if let missing = nvrtc_load(&functions, library) {
            throw TensorError("has no \(String(cString: missing))")
        }
        return try KernelCompiler(functions)
    }

    /// NVRTC opens its builtins by their bare name, when it compiles: that of 13.0 does not look beside itself for them.
    private static func openBuiltins(beside place: String) {
        guard place.contains("/") else { return }
        let folder = (place as NSString).deletingLastPathComponent
        let generation = (place as NSString).pathExtension
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names where name.hasPrefix("libnvrtc-builtins.so.\(generation).") {
            _ = dlopen("\(folder)/\(name)", RTLD_NOW | RTLD_LOCAL)
        }
    }
}
