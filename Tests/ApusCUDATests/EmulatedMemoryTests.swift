import ApusCUDA
import ApusTensor
import ApusTestModels
import CCUDA
import CUDAEmulation
import Testing

extension EmulatedCard {
    /// What the emulated driver refuses of mapped and of pinned memory: as a card's would, or more.
    @Suite struct EmulatedMemoryTests {
        private static let granule = 2 << 20

        /// The driver with a context of this thread.
        private static func driver() throws -> cuda_driver {
            cuda_emulation_reset()
            let driver = try #require(cuda_emulated_driver()).pointee
            var context: CUcontext?
            #expect(driver.cuInit(0) == 0 && driver.cuDevicePrimaryCtxRetain(&context, 0) == 0)
            #expect(driver.cuCtxSetCurrent(context) == 0)
            return driver
        }

        private static var properties: CUmemAllocationProp {
            var properties = CUmemAllocationProp()
            properties.type = UInt32(CU_MEM_ALLOCATION_TYPE_PINNED)
            properties.location.type = UInt32(CU_MEM_LOCATION_TYPE_DEVICE)
            return properties
        }

        private static func create(_ driver: cuda_driver, _ bytes: Int) -> CUmemGenericAllocationHandle? {
            var (memory, properties) = (CUmemGenericAllocationHandle(), properties)
            return driver.cuMemCreate(&memory, bytes, &properties, 0) == 0 ? memory : nil
        }

        private static func open(_ driver: cuda_driver, _ address: CUdeviceptr, _ bytes: Int) -> CUresult {
            var access = CUmemAccessDesc(
                location: properties.location, flags: UInt32(CU_MEM_ACCESS_FLAGS_PROT_READWRITE))
            return driver.cuMemSetAccess(address, bytes, &access, 1)
        }

        @Test func memoryIsMappedOnceAndOpened() throws {
            let driver = try Self.driver()
            let granule = Self.granule
            var base: CUdeviceptr = 0
            #expect(driver.cuMemAddressReserve(&base, granule + 1, 0, 0, 0) != 0)
            #expect(driver.cuMemAddressReserve(&base, 4 * granule, 0, 0, 0) == 0)
            #expect(Self.create(driver, granule / 2) == nil)
            let first = try #require(Self.create(driver, granule))
            let second = try #require(Self.create(driver, granule))
            #expect(cuda_emulation_used_memory() == 2 * granule)
            #expect(driver.cuMemMap(base, granule, 0, first, 0) == 0)
            #expect(driver.cuMemMap(base, granule, 0, second, 0) != 0, "something is mapped there")
            #expect(driver.cuMemMap(base + UInt64(granule), granule, 0, first, 0) != 0, "it is mapped already")
            #expect(driver.cuMemMap(base + 4 * UInt64(granule), granule, 0, second, 0) != 0, "not reserved")
            #expect(driver.cuMemMap(base + UInt64(granule), granule, 0, second, 0) == 0)
            let fill = { driver.cuMemsetD8Async(base, 7, 2 * granule, nil) }
            #expect(fill() != 0, "not opened")
            #expect(Self.open(driver, base, 3 * granule) != 0, "not mapped")
            #expect(Self.open(driver, base, granule) == 0)
            #expect(fill() != 0, "half of it is not opened")
            #expect(Self.open(driver, base + UInt64(granule), granule) == 0)
            #expect(fill() == 0 && driver.cuCtxSynchronize() == 0)
            #expect(driver.cuMemUnmap(base, granule / 2) != 0)
            #expect(driver.cuMemAddressFree(base, 4 * granule) != 0, "something is mapped there")
            #expect(driver.cuMemUnmap(base, 2 * granule) == 0)
            #expect(driver.cuMemUnmap(base, granule) != 0)
            #expect(fill() != 0, "not mapped any more")
            #expect(driver.cuMemRelease(first) == 0 && driver.cuMemRelease(first) != 0)
            #expect(driver.cuMemRelease(second) == 0)
            #expect(cuda_emulation_used_memory() == 0)
            #expect(driver.cuMemAddressFree(base, granule) != 0 && driver.cuMemAddressFree(base, 4 * granule) == 0)
        }

        /// A kernel that writes where nothing is mapped ends the process.
        @Test func unmappedMemoryIsNotTouched() async throws {
            let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let backend = try TestDevice.emulatedCard()
                let shape = KeptRows.Shape(streams: 1, columns: 8, isExact: true)
                let kept = try backend.makeKeptRows(shape, pages: 1000)
                var batch = PackedBatch()
                batch.append([0], firstPosition: 0, tableOffset: batch.append(table: [1]), parentFirstRow: nil)
                let cache = KeyValueCache.Shape(layers: 1, heads: 1, keyValueHeads: 1, headSize: 16, format: .f32)
                // Nobody has named the rows' pages.
                let pass = try backend.prepare(batch, for: PassNeeds(cache: cache, width: 8))
                let x = try backend.makeMatrix([Float](repeating: 1, count: 8), rows: 1, columns: 8)
                backend.keep(x, pass, firstRow: 0, in: kept, stream: 0)
                _ = try backend.download(x)
            }
            let found = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
            #expect(found.contains("not to be touched") && found.contains("in kernel apus_keep_exact"))
        }

        /// Of two streams, the second reads before or after the first writes; with a wait always after.
        @Test(arguments: [0, 1] as [Int32], [false, true])
        func streamsAreApart(runAhead: Int32, waits: Bool) throws {
            let driver = try Self.driver()
            cuda_emulation_set_streams_run_ahead(runAhead)
            var streams = [CUstream?](repeating: nil, count: 2)
            for index in streams.indices { #expect(driver.cuStreamCreate(&streams[index], 1) == 0) }
            var event: CUevent?
            #expect(driver.cuEventCreate(&event, 2) == 0)
            var base: CUdeviceptr = 0
            #expect(driver.cuMemAddressReserve(&base, Self.granule, 0, 0, 0) == 0)
            let memory = try #require(Self.create(driver, Self.granule))
            #expect(driver.cuMemMap(base, Self.granule, 0, memory, 0) == 0)
            #expect(Self.open(driver, base, Self.granule) == 0)
            // An event that is recorded twice happens when its second place is reached.
            #expect(driver.cuEventRecord(event, streams[0]) == 0)
            #expect(driver.cuMemsetD8Async(base, 1, 4, streams[0]) == 0)
            #expect(driver.cuEventRecord(event, streams[0]) == 0)
            if waits { #expect(driver.cuStreamWaitEvent(streams[1], event, 0) == 0) }
            var read = [UInt8](repeating: 0, count: 4)
            #expect(driver.cuMemcpyDtoHAsync_v2(&read, base, 4, streams[1]) == 0)
            #expect(driver.cuStreamSynchronize(streams[1]) == 0)
            let sees = waits || runAhead == 1
            #expect(read == [UInt8](repeating: sees ? 1 : 0xFF, count: 4))
            // The other way round: what is written later is seen early where nothing waits.
            #expect(driver.cuMemcpyDtoDAsync_v2(base + 8, base, 4, streams[0]) == 0)
            #expect(driver.cuEventRecord(event, streams[0]) == 0)
            if waits { #expect(driver.cuStreamWaitEvent(streams[1], event, 0) == 0) }
            #expect(driver.cuMemsetD8Async(base, 2, 4, streams[1]) == 0)
            #expect(driver.cuMemcpyDtoHAsync_v2(&read, base + 8, 4, streams[0]) == 0)
            #expect(driver.cuStreamSynchronize(streams[0]) == 0)
            #expect(read == [UInt8](repeating: !waits && runAhead == 1 ? 2 : 1, count: 4))
        }
    }
}
