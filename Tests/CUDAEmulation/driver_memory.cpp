// The functions of libcuda that are about memory, for tests; see cuda_emulation.h.
#include "driver.h"

namespace emulation {

static void *host(CUdeviceptr pointer) { return (void *)(uintptr_t)pointer; }

EXPORT CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
    ENTER(Needs::context);
    *total = device.settings.totalMemory;
    *free = device.freeBytes(currentDevice());
    return CUDA_SUCCESS;
}

/// Memory that is not of this kind is not emulated.
static const char *refusal(const Device &device, const CUmemAllocationProp *properties) {
    if (!properties || properties->type != CU_MEM_ALLOCATION_TYPE_PINNED) return "not a kind of memory";
    if (properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE) return "not memory of a device";
    if (properties->location.id < 0 || properties->location.id >= device.settings.deviceCount) return "no such device";
    return properties->requestedHandleTypes ? "memory to be shared" : nullptr;
}

EXPORT CUresult cuMemGetAllocationGranularity(size_t *bytes, const CUmemAllocationProp *properties,
                                              CUmemAllocationGranularity_flags option) {
    ENTER(Needs::initialization);
    if (const char *reason = refusal(device, properties)) return call.refuse(CUDA_ERROR_INVALID_VALUE, reason);
    if (option != CU_MEM_ALLOC_GRANULARITY_MINIMUM) return CUDA_ERROR_INVALID_VALUE;
    *bytes = device.memory.granularity;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemAddressReserve(CUdeviceptr *pointer, size_t bytes, size_t alignment, CUdeviceptr wanted,
                                    unsigned long long flags) {
    ENTER(Needs::noCapture);
    if (flags || alignment) return call.refuse(CUDA_ERROR_INVALID_VALUE, "not emulated");
    CUresult result = device.memory.reserve(pointer, bytes, wanted);
    return result ? call.refuse(result, "not a size in granules, or a place that was asked for") : CUDA_SUCCESS;
}

EXPORT CUresult cuMemAddressFree(CUdeviceptr pointer, size_t bytes) {
    ENTER(Needs::noCapture);
    CUresult result = device.memory.releaseReservation(pointer, bytes);
    return result ? call.refuse(result, "not a reservation, or something is mapped there") : CUDA_SUCCESS;
}

EXPORT CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, size_t bytes, const CUmemAllocationProp *properties,
                            unsigned long long flags) {
    ENTER(Needs::noCapture);
    if (const char *reason = refusal(device, properties)) return call.refuse(CUDA_ERROR_INVALID_VALUE, reason);
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    const int ordinal = properties->location.id;
    if (bytes > device.freeBytes(ordinal)) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult result = device.memory.create(handle, bytes, ordinal);
    return result ? call.refuse(result, "not a size in granules") : CUDA_SUCCESS;
}

EXPORT CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
    ENTER(Needs::noCapture);
    CUresult result = device.memory.release(handle);
    return result ? call.refuse(result, "not memory, or no longer") : CUDA_SUCCESS;
}

EXPORT CUresult cuMemMap(CUdeviceptr pointer, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                         unsigned long long flags) {
    ENTER(Needs::noCapture);
    if (offset || flags) return call.refuse(CUDA_ERROR_INVALID_VALUE, "not emulated");
    CUresult result = device.memory.map(pointer, bytes, handle);
    return result ? call.refuse(result, "no such memory, or no room for it there") : CUDA_SUCCESS;
}

EXPORT CUresult cuMemUnmap(CUdeviceptr pointer, size_t bytes) {
    ENTER(Needs::noCapture);
    CUresult result = device.memory.unmap(pointer, bytes);
    return result ? call.refuse(result, "not a range of mappings") : CUDA_SUCCESS;
}

EXPORT CUresult cuMemSetAccess(CUdeviceptr pointer, size_t bytes, const CUmemAccessDesc *descriptions, size_t count) {
    ENTER(Needs::noCapture);
    if (!descriptions || count != 1 || descriptions->flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE ||
        descriptions->location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
        return call.refuse(CUDA_ERROR_INVALID_VALUE, "not emulated");
    }
    CUresult result = device.memory.open(pointer, bytes, descriptions->location.id);
    return result ? call.refuse(result, "not a range of the device's mappings") : CUDA_SUCCESS;
}

EXPORT CUresult cuMemHostAlloc(void **pointer, size_t bytes, unsigned) {
    ENTER(Needs::noCapture);
    return device.pinned.allocate(pointer, bytes);
}

EXPORT CUresult cuMemFreeHost(void *pointer) {
    ENTER(Needs::noCapture);
    device.drainAll();
    CUresult result = device.pinned.release(pointer);
    return result ? call.refuse(result, "not an address that was allocated") : CUDA_SUCCESS;
}

EXPORT CUresult cuMemHostRegister_v2(void *pointer, size_t bytes, unsigned flags) {
    ENTER(Needs::noCapture);
    if (flags & ~(unsigned)(CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP)) return CUDA_ERROR_INVALID_VALUE;
    CUresult result = device.pinned.add(pointer, bytes);
    return result ? call.refuse(result, "nothing, or pinned already") : CUDA_SUCCESS;
}

EXPORT CUresult cuMemHostUnregister(void *pointer) {
    ENTER(Needs::noCapture);
    CUresult result = device.pinned.remove(pointer);
    return result ? call.refuse(result, "not an address that was registered") : CUDA_SUCCESS;
}

static const char *const outside = "a range outside what was allocated";

EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream streamHandle) {
    ENTER(Needs::context);
    FIND(Stream, stream, streams, streamHandle);
    if (!bytes) return CUDA_SUCCESS;
    if (!from || !device.contains(to, bytes)) return call.refuse(CUDA_ERROR_INVALID_VALUE, outside);
    if (device.pinned.contains(from, bytes) || stream->capture) {
        device.push(*stream, {"copy to device", [=] { memcpy(host(to), from, bytes); }});
        return CUDA_SUCCESS;
    }
    auto staged = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
    device.push(*stream, {"copy to device", [=] { memcpy(host(to), staged->data(), bytes); }});
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream streamHandle) {
    ENTER(Needs::context);
    FIND(Stream, stream, streams, streamHandle);
    if (!bytes) return CUDA_SUCCESS;
    if (!to || !device.contains(from, bytes)) return call.refuse(CUDA_ERROR_INVALID_VALUE, outside);
    device.push(*stream, {"copy to host", [=] { memcpy(to, host(from), bytes); }, [=] { memset(to, 0xFF, bytes); }});
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream streamHandle) {
    ENTER(Needs::context);
    FIND(Stream, stream, streams, streamHandle);
    if (!bytes) return CUDA_SUCCESS;
    if (!device.contains(to, bytes) || !device.contains(from, bytes)) {
        return call.refuse(CUDA_ERROR_INVALID_VALUE, outside);
    }
    if (to < from + bytes && from < to + bytes) return call.refuse(CUDA_ERROR_INVALID_VALUE, "ranges that overlap");
    device.push(*stream, {"copy", [=] { memcpy(host(to), host(from), bytes); }});
    return CUDA_SUCCESS;
}

template <class Value>
static CUresult fill(Call &call, CUdeviceptr to, Value value, size_t count, CUstream streamHandle) {
    Device &device = call.device;
    FIND(Stream, stream, streams, streamHandle);
    if (!count) return CUDA_SUCCESS;
    if (!device.contains(to, count * sizeof(Value))) return call.refuse(CUDA_ERROR_INVALID_VALUE, outside);
    if (to % sizeof(Value)) return call.refuse(CUDA_ERROR_INVALID_VALUE, "an address that is not aligned");
    device.push(*stream, {"fill", [=] { std::fill_n((Value *)host(to), count, value); }});
    return CUDA_SUCCESS;
}

EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
    ENTER(Needs::context);
    return fill(call, to, value, count, stream);
}

EXPORT CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
    ENTER(Needs::context);
    return fill(call, to, value, count, stream);
}

}  // namespace emulation
