import CCUDA
import Foundation

@testable import ApusCUDA

/// A table of NVRTC's functions that compile nothing: an image is a line that says what was asked for.
///
/// Unsafe because functions of C have no context: one test at a time uses it, see `EmulatedCard`.
enum FakeCompiler {
    nonisolated(unsafe) static var state = State()

    struct State {
        var version: (Int32, Int32) = (12, 8)
        var architectures: [Int32] = [80, 89, 90]
        /// How many programs were compiled.
        var compiled = 0
        var source = ""
        var headers: [String: String] = [:]
        var options: [String] = []
        /// What compiling, and asking for the image, come to.
        var outcome: nvrtcResult = 0
        var log = ""
        /// What the image's size is said to be; nil for what it is.
        var statedSize: Int?
        var living = 0

        var image: [UInt8] { Array("image of \(source) by \(options.last ?? "nobody")".utf8) }
    }

    /// The table, after a reset.
    static func functions(_ change: (inout State) -> Void = { _ in }) -> nvrtc {
        state = State()
        change(&state)
        return nvrtc(
            nvrtcVersion: { major, minor in
                major?.pointee = FakeCompiler.state.version.0
                minor?.pointee = FakeCompiler.state.version.1
                return 0
            },
            nvrtcGetNumSupportedArchs: { count in
                count?.pointee = Int32(FakeCompiler.state.architectures.count)
                return 0
            },
            nvrtcGetSupportedArchs: { architectures in
                for (place, number) in FakeCompiler.state.architectures.enumerated() { architectures?[place] = number }
                return 0
            },
            nvrtcGetErrorString: { code in UnsafePointer(strdup(code == 6 ? "NVRTC_ERROR_COMPILATION" : "other")) },
            nvrtcCreateProgram: { program, source, name, count, headers, names in
                guard let source, let name, String(cString: name) == "apus.cu" else { return 3 }
                FakeCompiler.state.source = String(cString: source)
                for i in 0..<Int(count) {
                    guard let header = headers?[i], let name = names?[i] else { return 3 }
                    FakeCompiler.state.headers[String(cString: name)] = String(cString: header)
                }
                program?.pointee = OpaquePointer(bitPattern: 1)
                FakeCompiler.state.living += 1
                return 0
            },
            nvrtcDestroyProgram: { program in
                guard program?.pointee != nil else { return 4 }
                program?.pointee = nil
                FakeCompiler.state.living -= 1
                return 0
            },
            nvrtcCompileProgram: { _, count, options in
                FakeCompiler.state.options = (0..<Int(count)).compactMap { options?[$0].map { String(cString: $0) } }
                FakeCompiler.state.compiled += 1
                return FakeCompiler.state.outcome
            },
            nvrtcGetPTXSize: FakeCompiler.size, nvrtcGetPTX: FakeCompiler.image,
            nvrtcGetCUBINSize: FakeCompiler.size, nvrtcGetCUBIN: FakeCompiler.image,
            nvrtcGetProgramLogSize: { _, size in
                size?.pointee = FakeCompiler.state.log.utf8.count + 1
                return 0
            },
            nvrtcGetProgramLog: { _, text in
                for (place, byte) in (Array(FakeCompiler.state.log.utf8) + [0]).enumerated() {
                    text?[place] = CChar(bitPattern: byte)
                }
                return 0
            })
    }

    private static let size: @convention(c) (nvrtcProgram?, UnsafeMutablePointer<Int>?) -> nvrtcResult = { _, size in
        size?.pointee = FakeCompiler.state.statedSize ?? FakeCompiler.state.image.count
        return 0
    }

    private static let image: @convention(c) (nvrtcProgram?, UnsafeMutablePointer<CChar>?) -> nvrtcResult = { _, to in
        for (place, byte) in FakeCompiler.state.image.enumerated() { to?[place] = CChar(bitPattern: byte) }
        return 0
    }
}
