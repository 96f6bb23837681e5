import ApusTensor
import ApusTestSupport
import CCUDA
import CUDAEmulation
import Foundation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    @Suite struct KernelCompilerTests {
        private let sources = KernelSources(
            files: [
                .init(name: "apus.cu", text: "kernels"), .init(name: "a.h", text: "é"), .init(name: "b.h", text: ""),
            ],
            options: ["--std=c++17", "-default-device"])

        private func message(_ body: () throws -> Void) throws -> String {
            let error = try #require(throws: TensorError.self) { try body() }
            #expect(!error.description.contains("\n"))
            return error.description
        }

        @Test func isToldEverything() throws {
            let compiler = try KernelCompiler(FakeCompiler.functions())
            #expect(compiler.version == "12.8")
            let image = try compiler.compile(sources, for: .init(architecture: 89, isCode: true))
            #expect(String(decoding: image, as: UTF8.self) == "image of kernels by --gpu-architecture=sm_89")
            #expect(FakeCompiler.state.headers == ["a.h": "é", "b.h": ""])
            #expect(FakeCompiler.state.options == sources.options + ["--gpu-architecture=sm_89"])
            #expect(FakeCompiler.state.living == 0)
        }

        @Test func compilesForTheCardOrSomethingThatItsDriverTakes() throws {
            let compiler = try KernelCompiler(FakeCompiler.functions { $0.architectures = [75, 80, 90, 100] })
            #expect(try compiler.target(for: 90) == .init(architecture: 90, isCode: true))
            #expect(try compiler.target(for: 89) == .init(architecture: 80, isCode: false))
            #expect(try compiler.target(for: 103) == .init(architecture: 100, isCode: false))
            #expect(try compiler.target(for: 103).option == "--gpu-architecture=compute_100")
            FakeCompiler.state.architectures = [100, 120]
            #expect(try message { _ = try compiler.target(for: 89) }.contains("does not compile for sm_89"))
        }

        @Test func complaintsAreOneLine() throws {
            let compiler = try KernelCompiler(
                FakeCompiler.functions {
                    $0.outcome = 6
                    $0.log = "warning: w\napus.cu(3): error: no\nmore\n"
                })
            let found = try message { _ = try compiler.compile(sources, for: .init(architecture: 80, isCode: true)) }
            #expect(
                found
                    == "CUDA: NVRTC, compiling kernels (apus.cu(3): error: no): NVRTC_ERROR_COMPILATION (6); install another version of it"
            )
            #expect(FakeCompiler.state.living == 0)
        }

        @Test(arguments: [0, -1, 1 << 40]) func sizesAreBounded(size: Int) throws {
            let compiler = try KernelCompiler(FakeCompiler.functions { $0.statedSize = size })
            let found = try message { _ = try compiler.compile(sources, for: .init(architecture: 80, isCode: true)) }
            #expect(found.contains("\(size) bytes"))
        }

        @Test func keysDifferWhereAnythingDiffers() {
            func digest(
                _ files: [(String, String)] = [("a", "bc")], options: [String] = ["o"], architecture: Int = 89,
                isCode: Bool = true, version: String = "12.8"
            ) -> String {
                let sources = KernelSources(files: files.map { .init(name: $0.0, text: $0.1) }, options: options)
                return KernelCache.Key(sources, .init(architecture: architecture, isCode: isCode), compiler: version)
                    .digest
            }
            let digests = [
                digest(), digest([("ab", "c")]), digest([("a", "bd")]), digest([("a", "bc"), ("", "")]),
                digest(options: ["o", ""]), digest(options: ["p"]), digest(architecture: 90), digest(isCode: false),
                digest(version: "12.9"),
            ]
            #expect(Set(digests).count == digests.count)
            #expect(digest() == digests[0])
        }

        // MARK: The library

        private static let otherLibrary = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64", "/usr/lib"]
            .map { $0 + "/libm.so.6" }.first(where: FileManager.default.fileExists)

        /// A library of another kind under the name is passed over, with the reason; a driver of CUDA 12 gets no NVRTC 13.
        @Test(.enabled(if: otherLibrary != nil)) func findsWhatTheFoldersHave()
            throws
        {
            let folder = try TemporaryFolder()
            try FileManager.default.createSymbolicLink(
                atPath: folder.url.path + "/libnvrtc.so.12",
                withDestinationPath: try #require(Self.otherLibrary))
            let environment = [LibraryPlaces.foldersVariable: "/nowhere:\(folder.url.path)"]
            let tried = CompilerLibrary.find(environment, driverVersion: 12040).tried
            let other = "\(folder.url.path)/libnvrtc.so.12 (has no nvrtcVersion)"
            #expect(tried.prefix(2) == ["/nowhere/libnvrtc.so.12", other])
            #expect(!tried.contains { $0.contains("so.13") })
            let later = CompilerLibrary.find(environment, driverVersion: 13000).tried
            #expect(later.first == "/nowhere/libnvrtc.so.13" && later.contains(other))
        }

        // MARK: Sources

        /// What is included is there, under its name; what the emulator includes is not needed.
        @Test func sourcesAreComplete() throws {
            let sources = KernelSources.embedded
            #expect(sources.files.first?.name == "apus.cu")
            #expect(sources.options.contains("--std=c++17"))
            let names = Set(sources.files.map(\.name))
            for file in sources.files {
                for match in file.text.matches(of: /#include "([^"]+)"/) where !match.1.hasPrefix("emulat") {
                    #expect(names.contains(String(match.1)), "\(file.name) includes \(match.1)")
                }
            }
        }

        private static let folders = ProcessInfo.processInfo.environment[LibraryPlaces.foldersVariable] ?? ""

        /// The compiler itself, where the environment names it: it needs no card.
        @Test(.enabled(if: !folders.isEmpty), arguments: [89, 100]) func compilesOurKernels(architecture: Int) throws {
            let environment = [LibraryPlaces.foldersVariable: Self.folders]
            let found = CompilerLibrary.find(environment, driverVersion: 13000)
            let compiler = try #require(found.compiler, "\(found.tried)")
            let image = try compiler.compile(.embedded, for: try compiler.target(for: architecture))
            #expect(image.starts(with: [0x7F] + Array("ELF".utf8)))
            guard compiler.version == "12.8",
                let own = EmbeddedImage.all.first(where: { $0.architecture == architecture })
            else { return }
            #expect(try image == own.unpacked(), "what is embedded is what the compiler makes")
        }
    }
}
