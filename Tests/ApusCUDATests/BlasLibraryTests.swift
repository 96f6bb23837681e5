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
        private func find(
            _ environment: [String: String], driverVersion: Int = 13000
        ) throws -> (library: BlasLibrary?, remark: String) {
            try BlasLibrary.find(.installed(environment: environment), driverVersion: driverVersion)
        }

        private func message(_ place: String) throws -> String {
            let error = try #require(throws: TensorError.self) { try find(["APUS_CUBLASLT": place]) }
            #expect(!error.description.contains("\n"))
            return error.description
        }

        @Test func foldersComeFirstAndNoLibraryIsNewerThanTheDriver() {
            let places = LibraryPlaces.of("libcublasLt", ["APUS_CUDA_LIB": "/a:/b"], driverVersion: 13010)
            #expect(
                places == [
                    "/a/libcublasLt.so.13", "/a/libcublasLt.so.12", "/b/libcublasLt.so.13", "/b/libcublasLt.so.12",
                    "libcublasLt.so.13", "libcublasLt.so.12", "/usr/local/cuda/lib64/libcublasLt.so.13",
                    "/usr/local/cuda/lib64/libcublasLt.so.12",
                ])
            #expect(
                LibraryPlaces.of("libcublasLt", ["APUS_CUDA_LIB": ""], driverVersion: 12080)
                    == ["libcublasLt.so.12", "/usr/local/cuda/lib64/libcublasLt.so.12"])
        }

        @Test func aPlaceWithoutIt() throws {
            #expect(
                try message("/nowhere/libcublasLt.so.13")
                    == "APUS_CUBLASLT=/nowhere/libcublasLt.so.13: wanted NVIDIA's cuBLASLt, found no library that can be "
                    + "opened; name another, or unset it")
        }

        @Test func anotherLibrary() throws {
            #expect(
                try message("libm.so.6")
                    == "CUDA: libm.so.6 has no cublasLtGetVersion; update cuBLAS to one for CUDA 12 or later, or set "
                    + "APUS_CUBLASLT to off")
        }

        /// What nobody named is passed over, and the reason is told.
        @Test func aFolderWithAnotherLibrary() throws {
            let folder = try TemporaryFolder()
            let path = folder.url.appending(path: "libcublasLt.so.12").path
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: Self.otherLibrary)
            let found = try find(["APUS_CUDA_LIB": folder.url.path], driverVersion: 12080)
            if found.library == nil { #expect(found.remark.hasPrefix("CUDA: \(path) has no cublasLtGetVersion")) }
        }

        private static let otherLibrary =
            ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6"]
            .first { FileManager.default.fileExists(atPath: $0) } ?? ""

        @Test func offMeansNone() throws {
            let found = try find(["APUS_CUBLASLT": "off"])
            #expect(found.library == nil && found.remark == "APUS_CUBLASLT is off")
        }

        @Test func theSurveyTells() throws {
            cuda_emulation_reset()
            let driver = CUDADriver(try #require(cuda_emulated_driver()).pointee)
            let none = try CUDASurvey(driver, ["APUS_CUBLASLT": "off"])
            #expect(!none.hasProducts && none.products == "APUS_CUBLASLT is off")
            let broken = try CUDASurvey(driver, ["APUS_CUBLASLT": "libm.so.6"])
            #expect(!broken.hasProducts && broken.products.hasPrefix("CUDA: libm.so.6 has no cublasLtGetVersion"))
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
                    == "CUDA: cuBLASLt, starting: not initialized (1); use a cuBLAS that is no newer than the driver, or "
                    + "do without: set APUS_CUBLASLT to off")
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
