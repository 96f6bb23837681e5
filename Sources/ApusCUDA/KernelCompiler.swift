internal import ApusTensor
internal import CCUDA

/// NVRTC, NVIDIA's compiler of kernels.
struct KernelCompiler {
    private let functions: nvrtc
    /// Such as "12.8".
    let version: String

    /// What kernels are compiled for.
    struct Target: Equatable {
        let architecture: Int
        /// Whether it is code of the architecture, or PTX, which the driver compiles for a later one.
        let isCode: Bool

        var option: String { "--gpu-architecture=\(isCode ? "sm" : "compute")_\(architecture)" }
    }

    /// More than any image of these kernels; a library that says so is not believed.
    private static let mostBytes = 256 << 20

    /// - Throws: `TensorError` when it does not say its version.
    init(_ functions: nvrtc) throws(TensorError) {
        self.functions = functions
        var (major, minor): (Int32, Int32) = (0, 0)
        try Self.check(functions.nvrtcVersion(&major, &minor), functions, "asking for its version")
        version = "\(major).\(minor)"
    }

    /// The target for cards of an architecture: code for it, or PTX for the latest one before it that is known.
    ///
    /// - Throws: `TensorError` when the compiler is for later cards alone.
    func target(for architecture: Int) throws(TensorError) -> Target {
        var count: Int32 = 0
        try check(functions.nvrtcGetNumSupportedArchs(&count), "asking for architectures")
        guard 0...1000 ~= count else { throw TensorError("CUDA: NVRTC \(version) knows \(count) architectures") }
        var known = [Int32](repeating: 0, count: Int(count))
        try check(functions.nvrtcGetSupportedArchs(&known), "asking for architectures")
        guard let best = known.map(Int.init).filter({ $0 <= architecture }).max() else {
            throw TensorError("CUDA: NVRTC \(version) does not compile for sm_\(architecture); install another version")
        }
        return Target(architecture: best, isCode: best == architecture)
    }

    /// Compiles kernels; it takes some seconds.
    ///
    /// - Returns: an image as the driver takes it.
    /// - Throws: `TensorError` with the compiler's first complaint.
    func compile(_ sources: KernelSources, for target: Target) throws(TensorError) -> [UInt8] {
        guard let main = sources.files.first else { preconditionFailure("sources without a file") }
        let headers = sources.files.dropFirst()
        var program: nvrtcProgram?
        let code = withCStrings(headers.map(\.text)) { texts in
            withCStrings(headers.map(\.name)) { names in
                functions.nvrtcCreateProgram(&program, main.text, main.name, Int32(headers.count), texts, names)
            }
        }
        try check(code, "making a program")
        defer { _ = functions.nvrtcDestroyProgram(&program) }
        let options = sources.options + [target.option]
        let outcome = withCStrings(options) { functions.nvrtcCompileProgram(program, Int32(options.count), $0) }
        if outcome != 0 {
            let log = try? read("its log", functions.nvrtcGetProgramLogSize, functions.nvrtcGetProgramLog, program)
            try check(outcome, "compiling kernels" + Self.complaint(log ?? []))
        }
        return target.isCode
            ? try read("an image", functions.nvrtcGetCUBINSize, functions.nvrtcGetCUBIN, program)
            : try read("PTX", functions.nvrtcGetPTXSize, functions.nvrtcGetPTX, program)
    }

    /// Something of a program: its size is asked for first.
    private func read(
        _ name: String, _ size: (nvrtcProgram?, UnsafeMutablePointer<Int>?) -> nvrtcResult,
        _ bytes: (nvrtcProgram?, UnsafeMutablePointer<CChar>?) -> nvrtcResult, _ program: nvrtcProgram?
    ) throws(TensorError) -> [UInt8] {
        var count = 0
        try check(size(program, &count), "asking for \(name)")
        guard 1...Self.mostBytes ~= count else {
            throw TensorError("CUDA: NVRTC \(version) made \(name) of \(count) bytes; install another version")
        }
        var result = [CChar](repeating: 0, count: count)
        try check(bytes(program, &result), "asking for \(name)")
        return result.map { UInt8(bitPattern: $0) }
    }

    /// The first line of a log that is an error, shortened.
    private static func complaint(_ log: [UInt8]) -> String {
        let lines = String(decoding: log.prefix { $0 != 0 }, as: UTF8.self).split(separator: "\n")
        guard let line = lines.first(where: { $0.contains("error") }) ?? lines.first else { return "" }
        return " (\(line.prefix(200)))"
    }

    private func check(_ code: nvrtcResult, _ call: @autoclosure () -> String) throws(TensorError) {
        try Self.check(code, functions, call())
    }

    private static func check(
        _ code: nvrtcResult, _ functions: nvrtc, _ call: @autoclosure () -> String
    ) throws(TensorError) {
        guard code != 0 else { return }
        let found = functions.nvrtcGetErrorString(code).map { String(cString: $0) } ?? "unknown error"
        throw TensorError("CUDA: NVRTC, \(call()): \(found) (\(code)); install another version of it")
    }
}

/// Lends texts as C has them, which are there during the call.
private func withCStrings<R>(_ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> R) -> R {
    let bytes = texts.flatMap { Array($0.utf8CString) }
    return bytes.withUnsafeBufferPointer { bytes in
        var end = 0
        let addresses = texts.map { text in
            defer { end += text.utf8CString.count }
            return bytes.baseAddress.map { $0 + end }
        }
        return addresses.withUnsafeBufferPointer { body($0.baseAddress) }
    }
}
