import ApusModel
import ApusTensor
import ApusTestModels
import CCUDA
import CUDAEmulation
import Foundation
import Testing

@testable import ApusCUDA

extension EmulatedCard {
    /// What a card, or a driver, does wrong: a sentence that says what to do, and nothing that is not there.
    @Suite struct FailureTests {
        private func message(_ body: () throws -> Void) throws -> String {
            let error = try #require(throws: TensorError.self) { try body() }
            #expect(!error.description.contains("\n"))
            return error.description
        }

        @Test func withoutADriver() throws {
            let found = try message { _ = try CUDADriver.open(["APUS_LIBCUDA": "/nowhere/libcuda.so"]) }
            #expect(
                found
                    == "CUDA: wanted NVIDIA's driver (/nowhere/libcuda.so), found none; install it, or use the device cpu"
            )
        }

        /// A library that is no driver.
        @Test func withAnotherLibrary() throws {
            let found = try message { _ = try CUDADriver.open(["APUS_LIBCUDA": "libm.so.6"]) }
            #expect(found.hasPrefix("CUDA: the driver has no cuInit; update it"))
        }

        @Test func withoutACard() throws {
            cuda_emulation_reset()
            cuda_emulation_set_device_count(0)
            defer { cuda_emulation_reset() }
            #expect(try message { _ = try TestDevice.emulatedCard() }.contains("or use the device cpu"))
        }

        @Test func withACardThatIsTooOld() throws {
            cuda_emulation_reset()
            cuda_emulation_set_compute_capability(7, 5)
            defer { cuda_emulation_reset() }
            #expect(
                try message { _ = try TestDevice.emulatedCard() }.contains(
                    "compute capability 7.5, wanted 8.0 or later"))
        }

        @Test func withTooLittleMemory() throws {
            cuda_emulation_reset()
            cuda_emulation_set_total_memory(100 << 20)
            defer { cuda_emulation_reset() }
            let backend = try TestDevice.emulatedCard()
            let error = try #require(throws: TensorError.self) {
                _ = try backend.makeMatrix(rows: 1 << 10, columns: 1 << 16)
            }
            let parts = "weights 0, keys, values and kept rows 0, adapter, optimizer and activations 0"
            let finding = "memory: wanted 256 MiB of the card, found 90 MiB left of 90 MiB (\(parts))"
            #expect(error.description == "\(finding); use a smaller batch or model, or the device cpu")
            // What tells the user which settings to change.
            #expect(MemoryShortage(error)?.finding == finding)
            #expect(MemoryShortage(TensorError("\(finding)")) == nil)
            // What fits still does, and what was given back can be had again.
            for _ in 0..<20 { _ = try backend.makeMatrix(rows: 1 << 10, columns: 1 << 14) }
        }

        @Test func aShortageNamesWhatTheMemoryIsUsedFor() throws {
            cuda_emulation_reset()
            cuda_emulation_set_total_memory(100 << 20)
            defer { cuda_emulation_reset() }
            let backend = try TestDevice.emulatedCard()
            let weight = try backend.makeWeight(.f32, outputs: 1 << 10, inputs: 1 << 11) { _, values in
                values.initialize(repeating: 0)
            }
            let matrix = try backend.makeMatrix(rows: 1 << 10, columns: 1 << 10)
            let shape = KeptRows.Shape(streams: 1, columns: 1 << 14, isExact: true)
            let kept = try backend.makeKeptRows(shape, pages: 64)
            var batch = PackedBatch()
            let table = batch.append(table: [0, 1, 2, 3])
            batch.append([0], firstPosition: 63, tableOffset: table, parentFirstRow: nil)
            let cache = KeyValueCache.Shape(layers: 1, heads: 1, keyValueHeads: 1, headSize: 16, format: .f32)
            let pass = try backend.prepare(batch, for: PassNeeds(cache: cache, width: 16, pages: [kept]))
            let error = try #require(throws: TensorError.self) {
                _ = try backend.makeMatrix(rows: 1 << 10, columns: 1 << 16)
            }
            let uses = try #require(error.shortage).uses
            #expect(uses[.weights] == 8 << 20)
            #expect(uses[.work].map { $0 >= 4 << 20 } == true)
            #expect(uses[.pages] == 2 << 20)
            withExtendedLifetime((weight, matrix, kept, pass)) {}
        }

        /// A card that fails in the middle: operations do nothing from then on, and every read says so.
        @Test(arguments: ["cuLaunchKernel", "cuStreamSynchronize", "cuMemcpyDtoHAsync_v2"])
        func aCardThatIsLost(call: String) throws {
            cuda_emulation_reset()
            defer { cuda_emulation_reset() }
            let backend = try TestDevice.emulatedCard()
            let x = try backend.makeMatrix([1, 2, 3], rows: 1, columns: 3)
            backend.scale(x, by: 2)
            #expect(try backend.download(x) == [2, 4, 6])
            cuda_emulation_fail_call(call, 1, 719)
            backend.scale(x, by: 2)
            for _ in 0..<2 {
                let found = try message { _ = try backend.download(x) }
                #expect(
                    found.hasSuffix(
                        "(719); the card has failed: continue from the last checkpoint, and check it with nvidia-smi"))
            }
            backend.scale(x, by: 2)
            #expect(throws: TensorError.self) { try backend.sumOfSquares(x) }
            #expect(throws: TensorError.self) { try backend.likeliest(x) }
        }
    }
}
