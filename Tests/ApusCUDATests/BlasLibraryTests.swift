import ApusTensor
import ApusTestModels
import ApusTestSupport
import CCUDA
import CUDAEmulation
import Foundation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// Where NVIDIA's library of products is found, and what is said where it is not.
    @Suite struct BlasLibraryTests {
        private func find(_ environment: [String: String]) throws -> (library: BlasLibrary?, remark: String) {
            try BlasLibrary.find(.installed(environment: environment))
        }

        private func message(in folder: String) throws -> String {
            let error = try #require(throws: TensorError.self) { try find(["APUS_CUDA_LIB": folder]) }
            #expect(!error.description.contains("\n"))
            return error.description
        }

        @Test func aFolderWithoutIt() throws {
            #expect(
                try message(in: "/nowhere")
                    == "APUS_CUDA_LIB=/nowhere: wanted libcublasLt.so.13 or libcublasLt.so.12 there, found neither; name "
                    + "the folder of NVIDIA's cuBLAS, or unset it")
        }

        /// Another library under its name.
        @Test func aLibraryWithoutItsFunctions() throws {
            let folder = try TemporaryFolder()
            let path = folder.url.appending(path: "libcublasLt.so.12").path
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: Self.otherLibrary)
            let found = try message(in: folder.url.path)
            #expect(found.hasPrefix("CUDA: \(path) has no cublasLtGetVersion; update cuBLAS to one for CUDA 12"))
        }

        private static let otherLibrary =
            ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6"]
            .first { FileManager.default.fileExists(atPath: $0) } ?? ""

        @Test func nothingNamedMeansNone() throws {
            let found = try find(["APUS_CUDA_LIB": ""])
            #expect(found.library == nil && found.remark == "APUS_CUDA_LIB is set to nothing")
        }

        @Test func whatComputesGradientsIsSaid() throws {
            cuda_emulation_reset()
            let (with, without) = (try TestDevice.emulatedCard(), try TestDevice.emulatedCard(hasBlas: false))
            #expect(with.products == "cuBLASLt 13.1.0")
            #expect(without.products == "Apus' own kernels, without cuBLASLt: none was wanted")
            #expect(with.arithmetic == "cuda-sm89-2-cublaslt130100")
            #expect(without.arithmetic == "cuda-sm89")
        }

        /// A driver that is older than the library.
        @Test func aLibraryThatDoesNotStart() throws {
            cuda_emulation_reset()
            defer { cuda_emulation_reset() }
            cuda_emulation_fail_call("cublasLtCreate", 1, CUresult(CUBLAS_STATUS_NOT_INITIALIZED))
            let error = try #require(throws: TensorError.self) { try TestDevice.emulatedCard() }
            #expect(
                error.description
                    == "CUDA: cuBLASLt, starting: not initialized (1); use a cuBLAS that is no newer than the driver, or set "
                    + "APUS_CUDA_LIB to nothing to do without")
        }

        @Test(arguments: [
            "cublasLtMatmulDescCreate", "cublasLtMatmulDescSetAttribute", "cublasLtMatmulPreferenceCreate",
            "cublasLtMatmulPreferenceSetAttribute",
        ]) func aLibraryThatRefuses(call: String) throws {
            cuda_emulation_reset()
            defer { cuda_emulation_reset() }
            cuda_emulation_fail_call(call, 1, CUresult(CUBLAS_STATUS_INVALID_VALUE))
            let error = try #require(throws: TensorError.self) { try TestDevice.emulatedCard() }
            #expect(error.description.contains("invalid value (7); use a cuBLAS"))
        }
    }
}
