import ApusTensor
import ApusTestSupport
import CCUDA
import CUDAEmulation
import Foundation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// How kernels are found: what is embedded, what is kept, what is compiled.
    @Suite struct KernelImageTests {
        private let folder: TemporaryFolder
        private let driver: CUDADriver

        init() throws {
            folder = try TemporaryFolder()
            cuda_emulation_reset()
            driver = CUDADriver(try #require(cuda_emulated_driver()).pointee)
        }

        private var cache: KernelCache { KernelCache(directory: folder.url.path + "/kernels") }

        /// Loads on the emulated card, which is 8.9 and takes everything.
        private func load(
            _ embedded: [EmbeddedImage] = [], on other: CUDADriver? = nil, cache: KernelCache?,
            compiler: KernelCompiler?
        ) throws -> (kernels: LoadedKernels, reports: [String]) {
            let driver = other ?? driver
            let device = try #require(try CUDADevice.all(driver).first)
            var reports: [String] = []
            let image = KernelImage(
                context: try CUDAContext(driver, device), embedded: embedded, cache: cache,
                findCompiler: { _ in (compiler, ["here", "there"]) })
            return (try image.load { reports.append($0) }, reports)
        }

        private func message(_ body: () throws -> Void) throws -> String {
            let error = try #require(throws: TensorError.self) { try body() }
            #expect(!error.description.contains("\n"))
            return error.description
        }

        private func files() -> [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: cache.directory).sorted()) ?? []
        }

        @Test func compilesOnce() throws {
            let compiler = try KernelCompiler(FakeCompiler.functions())
            let first = try load(cache: cache, compiler: compiler)
            #expect(first.kernels.compiler == "nvrtc12.8")
            #expect(first.reports.count == 1 && first.reports[0].hasPrefix("NVRTC 12.8 compiles the kernels for "))
            let second = try load(cache: cache, compiler: compiler)
            #expect(second.kernels.compiler == "nvrtc12.8" && second.reports.isEmpty)
            #expect(FakeCompiler.state.compiled == 1 && files().count == 1)
            let permissions = try FileManager.default.attributesOfItem(atPath: cache.directory)[.posixPermissions]
            #expect(permissions as? Int == 0o700)
        }

        @Test func withoutACacheItCompilesEveryTime() throws {
            let compiler = try KernelCompiler(FakeCompiler.functions())
            // A file stands where the folder would be.
            try Data().write(to: URL(filePath: cache.directory))
            for cache in [nil, cache] { #expect(try load(cache: cache, compiler: compiler).reports.count == 1) }
            #expect(FakeCompiler.state.compiled == 2)
        }

        /// What an image is embedded for, no compiler is asked for; the driver's own is announced.
        @Test(.enabled(if: !EmbeddedImage.all.isEmpty)) func takesWhatIsEmbedded() throws {
            let compiler = try KernelCompiler(FakeCompiler.functions())
            let own = try load(EmbeddedImage.all, cache: cache, compiler: compiler)
            #expect(own.kernels.compiler == nil && own.reports.isEmpty)
            cuda_emulation_set_compute_capability(12, 0)
            let later = try load(EmbeddedImage.all, cache: cache, compiler: compiler)
            #expect(later.kernels.compiler == "ptx" && later.reports.count == 1)
            #expect(FakeCompiler.state.compiled == 0 && files().isEmpty)
        }

        /// A driver that takes neither code nor PTX as it is embedded.
        @Test(.enabled(if: !EmbeddedImage.all.isEmpty)) func goesOnWhereAnImageDoesNotFit() throws {
            var functions = driver.functions
            functions.cuModuleLoadData = { module, image in
                guard let image else { return 1 }
                switch image.loadUnaligned(as: UInt32.self).littleEndian {
                case 0x464C_457F: return CUresult(CUDA_ERROR_NO_BINARY_FOR_GPU)
                case 0x2F0A_2F2F: return CUresult(CUDA_ERROR_UNSUPPORTED_PTX_VERSION)
                default: return cuda_emulated_driver()?.pointee.cuModuleLoadData(module, image) ?? 1
                }
            }
            let compiler = try KernelCompiler(FakeCompiler.functions())
            let found = try load(EmbeddedImage.all, on: CUDADriver(functions), cache: cache, compiler: compiler)
            #expect(found.kernels.compiler == "nvrtc12.8")
        }

        /// What no other image would mend is an error at once.
        @Test(.enabled(if: !EmbeddedImage.all.isEmpty)) func stopsWhereTheCardIsFull() throws {
            let compiler = try KernelCompiler(FakeCompiler.functions())
            cuda_emulation_fail_call("cuModuleLoadData", 1, 2)
            let found = try message { _ = try load(EmbeddedImage.all, cache: cache, compiler: compiler) }
            #expect(found.contains("CUDA_ERROR_OUT_OF_MEMORY (2); use a smaller batch"), "\(found)")
            #expect(FakeCompiler.state.compiled == 0)
        }

        @Test func saysWhatWasTried() throws {
            let found = try message { _ = try load(cache: cache, compiler: nil) }
            #expect(
                found.hasPrefix(
                    "CUDA: wanted kernels for emulated device (sm_89), found none: this build has no images, NVRTC is in none "
                        + "of here, there; update the driver, name the folder"), "\(found)")
            let compiler = try KernelCompiler(FakeCompiler.functions())
            cuda_emulation_fail_call("cuModuleLoadData", 1, 200)
            let refused = try message { _ = try load(cache: cache, compiler: compiler) }
            #expect(refused.contains("NVRTC 12.8: CUDA_ERROR_INVALID_IMAGE (200)"), "\(refused)")
            #expect(files().isEmpty, "what the driver refuses is not kept")
        }

        // MARK: What lies in the cache

        private func key() throws -> KernelCache.Key {
            let compiler = try KernelCompiler(FakeCompiler.functions())
            return KernelCache.Key(.embedded, try compiler.target(for: 89), compiler: compiler.version)
        }

        /// A file that is not, in every byte, what was written: it is not loaded, and written anew.
        @Test(arguments: ["cut", "empty", "longer", "flipped header", "flipped image", "other key", "link", "folder"])
        func damageIsCompiledAgain(kind: String) throws {
            let compiler = try KernelCompiler(FakeCompiler.functions())
            _ = try load(cache: cache, compiler: compiler)
            let path = cache.path(try key())
            let whole = try Data(contentsOf: URL(filePath: path))
            var bytes = whole
            switch kind {
            case "cut": bytes.removeLast()
            case "empty": bytes = Data()
            case "longer": bytes.append(0)
            case "flipped header": bytes[20] ^= 1
            case "flipped image": bytes[whole.count - 1] ^= 1
            default: break
            }
            try FileManager.default.removeItem(atPath: path)
            if kind == "link" {
                try whole.write(to: folder.url.appending(path: "elsewhere"))
                symlink(folder.url.path + "/elsewhere", path)
            } else if kind == "folder" {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            } else if kind == "other key" {
                let other = KernelCache.Key(.embedded, .init(architecture: 80, isCode: true), compiler: "12.8")
                cache.write(Array("image".utf8), other)
                try FileManager.default.moveItem(atPath: cache.path(other), toPath: path)
            } else {
                try bytes.write(to: URL(filePath: path))
            }
            #expect(cache.read(try key()) == nil)
            let again = try KernelCompiler(FakeCompiler.functions())
            #expect(try load(cache: cache, compiler: again).reports.count == 1)
            #expect(FakeCompiler.state.compiled == 1)
            if kind != "folder" { #expect(try Data(contentsOf: URL(filePath: path)) == whole) }
        }

        /// An image that is whole, but that the driver does not take any more.
        @Test func whatTheDriverRefusesIsCompiledAgain() throws {
            _ = try load(cache: cache, compiler: try KernelCompiler(FakeCompiler.functions()))
            cuda_emulation_fail_call("cuModuleLoadData", 1, 200)
            #expect(try load(cache: cache, compiler: try KernelCompiler(FakeCompiler.functions())).reports.count == 1)
        }

        @Test func keepsAFew() throws {
            for architecture in 80..<92 {
                let key = KernelCache.Key(.embedded, .init(architecture: architecture, isCode: true), compiler: "12.8")
                cache.write(Array("image \(architecture)".utf8), key)
                let written = Date(timeIntervalSince1970: Double(1_000_000 + architecture))
                try FileManager.default.setAttributes([.modificationDate: written], ofItemAtPath: cache.path(key))
            }
            #expect(files().count == 8)
            let last = KernelCache.Key(.embedded, .init(architecture: 91, isCode: true), compiler: "12.8")
            #expect(cache.read(last) == Array("image 91".utf8))
        }

        @Test func theEnvironmentSaysWhereItIs() {
            #expect(KernelCache.standard(["HOME": "/home/a", "XDG_CACHE_HOME": "/c"])?.directory == "/c/apus/kernels")
            #expect(KernelCache.standard(["HOME": "/home/a", "APUS_KERNEL_CACHE": "w"])?.directory == "w")
            #expect(KernelCache.standard(["HOME": "/home/a", "APUS_KERNEL_CACHE": "off"]) == nil)
        }
    }
}
