#include "memory.h"

#include <algorithm>

namespace emulation {

// MARK: Ranges

static size_t size(size_t bytes) { return bytes; }
static size_t size(const DeviceMemory::Mapping &mapping) { return mapping.bytes; }

/// Whether a range meets any of those that are given by their starts and sizes.
template <class Ranges, class Start> static bool meets(const Ranges &ranges, Start start, size_t bytes) {
    auto next = ranges.lower_bound(start + bytes);
    if (next == ranges.begin()) return false;
    next = std::prev(next);
    return next->first + size(next->second) > start;
}

// MARK: Memory of devices

// Addresses are asked for in ascending order and never again, as long as the system plays along.
static void *nextPlace(size_t bytes) {
    constexpr size_t distance = (size_t)2 << 20;
    static uintptr_t next = (uintptr_t)0x100000000000;
    uintptr_t place = next;
    next += roundUp(bytes + pageBytes, distance) + distance;
    return (void *)place;
}

// More than this is not poisoned, for it would take real memory.
static constexpr size_t poisonLimit = (size_t)256 << 20;

/// All its bits set.
static void poison(char *memory, size_t bytes) { memset(memory, 0xFF, std::min(bytes, poisonLimit)); }

DeviceMemory::~DeviceMemory() {
    while (!mappings.empty()) close(mappings.begin()->first);
    for (auto &[pointer, bytes] : reservations) munmap((void *)pointer, bytes);
}

CUresult DeviceMemory::reserve(CUdeviceptr *pointer, size_t bytes, size_t place) {
    if (!pointer || !bytes || !isMultiple(bytes) || place) return CUDA_ERROR_INVALID_VALUE;
    void *wanted = nextPlace(bytes);
    void *found = mmap(wanted, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (found == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    if (!isMultiple((uintptr_t)found)) fail("the system reserves addresses elsewhere");
    *pointer = (CUdeviceptr)(uintptr_t)found;
    reservations[*pointer] = bytes;
    return CUDA_SUCCESS;
}

CUresult DeviceMemory::releaseReservation(CUdeviceptr pointer, size_t bytes) {
    auto found = reservations.find(pointer);
    if (found == reservations.end() || found->second != bytes) return CUDA_ERROR_INVALID_VALUE;
    if (meets(mappings, pointer, bytes)) return CUDA_ERROR_INVALID_VALUE;
    munmap((void *)pointer, bytes);
    reservations.erase(found);
    return CUDA_SUCCESS;
}

CUresult DeviceMemory::create(CUmemGenericAllocationHandle *handle, size_t bytes, int device) {
    static CUmemGenericAllocationHandle last = 0x7000;
    if (!handle || !bytes || !isMultiple(bytes)) return CUDA_ERROR_INVALID_VALUE;
    *handle = ++last;
    memories[*handle] = {bytes, device};
    return CUDA_SUCCESS;
}

CUresult DeviceMemory::release(CUmemGenericAllocationHandle handle) {
    auto found = memories.find(handle);
    if (found == memories.end() || found->second.isReleased) return CUDA_ERROR_INVALID_VALUE;
    found->second.isReleased = true;
    if (!found->second.isMapped) memories.erase(found);
    return CUDA_SUCCESS;
}

CUresult DeviceMemory::map(CUdeviceptr pointer, size_t bytes, CUmemGenericAllocationHandle handle) {
    auto memory = memories.find(handle);
    if (memory == memories.end() || memory->second.isReleased || memory->second.isMapped) {
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (bytes != memory->second.bytes || !isMultiple(pointer)) return CUDA_ERROR_INVALID_VALUE;
    auto inside = reservations.upper_bound(pointer);
    if (inside == reservations.begin()) return CUDA_ERROR_INVALID_VALUE;
    inside = std::prev(inside);
    if (pointer + bytes > inside->first + inside->second) return CUDA_ERROR_INVALID_VALUE;
    if (meets(mappings, pointer, bytes)) return CUDA_ERROR_INVALID_VALUE;
    memory->second.isMapped = true;
    mappings[pointer] = {bytes, handle};
    return CUDA_SUCCESS;
}

std::vector<CUdeviceptr> DeviceMemory::filling(CUdeviceptr pointer, size_t bytes) const {
    std::vector<CUdeviceptr> found;
    const CUdeviceptr end = pointer + bytes;
    for (auto next = mappings.find(pointer); next != mappings.end() && next->first == pointer && pointer < end; ++next) {
        found.push_back(pointer);
        pointer += next->second.bytes;
    }
    return pointer == end ? found : std::vector<CUdeviceptr>();
}

CUresult DeviceMemory::unmap(CUdeviceptr pointer, size_t bytes) {
    const std::vector<CUdeviceptr> found = filling(pointer, bytes);
    for (CUdeviceptr start : found) close(start);
    return found.empty() ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

void DeviceMemory::close(CUdeviceptr pointer) {
    auto found = mappings.find(pointer);
    const Mapping mapping = found->second;
    mappings.erase(found);
    if (mapping.isOpen) unwatch((void *)pointer);
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    if (mmap((void *)pointer, mapping.bytes, PROT_NONE, flags, -1, 0) == MAP_FAILED) fail("no way to unmap memory");
    auto memory = memories.find(mapping.memory);
    memory->second.isMapped = false;
    if (memory->second.isReleased) memories.erase(memory);
}

CUresult DeviceMemory::open(CUdeviceptr pointer, size_t bytes, int device) {
    const std::vector<CUdeviceptr> found = filling(pointer, bytes);
    for (CUdeviceptr start : found) {
        if (memories[mappings[start].memory].device != device) return CUDA_ERROR_INVALID_VALUE;
    }
    for (CUdeviceptr start : found) {
        Mapping &mapping = mappings[start];
        if (mapping.isOpen) continue;
        mapping.isOpen = true;
        if (mprotect((void *)start, mapping.bytes, PROT_READ | PROT_WRITE)) return CUDA_ERROR_OUT_OF_MEMORY;
        poison((char *)start, mapping.bytes);
        watch((void *)start, mapping.bytes, false);
    }
    return found.empty() ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

size_t DeviceMemory::usedBytes(int device) const {
    size_t bytes = 0;
    for (const auto &[handle, memory] : memories) {
        if (memory.device == device || device < 0) bytes += memory.bytes;
    }
    return bytes;
}

bool DeviceMemory::contains(CUdeviceptr pointer, size_t bytes) const {
    auto next = mappings.upper_bound(pointer);
    if (next == mappings.begin()) return false;
    const CUdeviceptr end = pointer + bytes;
    for (next = std::prev(next); next != mappings.end() && next->second.isOpen && next->first <= pointer; ++next) {
        pointer = std::max(pointer, next->first + next->second.bytes);
        if (pointer >= end) return true;
    }
    return false;
}

void DeviceMemory::drop(int device) {
    std::vector<CUdeviceptr> found;
    for (auto &[pointer, mapping] : mappings) {
        if (memories[mapping.memory].device == device) found.push_back(pointer);
    }
    for (CUdeviceptr pointer : found) close(pointer);
    std::erase_if(memories, [device](const auto &memory) { return memory.second.device == device; });
}

// MARK: Memory of the host

// Bytes before an allocation that are looked at too.
static constexpr size_t edgeBytes = 256;

static bool isUntouched(const char *from, const char *to) {
    return std::all_of(from, to, [](char byte) { return byte == (char)0xFF; });
}

HostMemory::~HostMemory() {
    while (!allocations.empty()) release((void *)allocations.begin()->first);
    while (!registered.empty()) remove((void *)registered.begin()->first);
}

CUresult HostMemory::allocate(void **pointer, size_t bytes) {
    if (!pointer || !bytes) return CUDA_ERROR_INVALID_VALUE;
    char *memory = allocateGuarded(bytes + edgeBytes, nextPlace(bytes + edgeBytes));
    if (!memory) return CUDA_ERROR_OUT_OF_MEMORY;
    poison(memory, edgeBytes + bytes);
    memset(memory + edgeBytes + bytes, 0xFF, roundUp(edgeBytes + bytes, alignment) - (edgeBytes + bytes));
    *pointer = memory + edgeBytes;
    watch(*pointer, bytes, false);
    allocations[(uintptr_t)*pointer] = bytes;
    return CUDA_SUCCESS;
}

CUresult HostMemory::release(void *pointer) {
    auto found = allocations.find((uintptr_t)pointer);
    if (found == allocations.end()) return CUDA_ERROR_INVALID_VALUE;
    unwatch(pointer);
    releaseGuarded((char *)pointer - edgeBytes, found->second + edgeBytes);
    allocations.erase(found);
    return CUDA_SUCCESS;
}

CUresult HostMemory::add(void *pointer, size_t bytes) {
    if (!pointer || !bytes) return CUDA_ERROR_INVALID_VALUE;
    const auto start = (uintptr_t)pointer;
    if (meets(allocations, start, bytes) || meets(registered, start, bytes)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    registered[start] = bytes;
    watch(pointer, bytes, false);
    return CUDA_SUCCESS;
}

CUresult HostMemory::remove(void *pointer) {
    if (!registered.erase((uintptr_t)pointer)) return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    unwatch(pointer);
    return CUDA_SUCCESS;
}

size_t HostMemory::usedBytes() const {
    size_t bytes = 0;
    for (const auto *ranges : {&allocations, &registered}) {
        for (const auto &[start, size] : *ranges) bytes += size;
    }
    return bytes;
}

/// A copy may not go from one registered range to the next.
static bool lies(const std::map<uintptr_t, size_t> &ranges, uintptr_t start, size_t bytes) {
    auto next = ranges.upper_bound(start);
    return next != ranges.begin() && start + bytes <= std::prev(next)->first + std::prev(next)->second;
}

bool HostMemory::contains(const void *pointer, size_t bytes) const {
    return lies(allocations, (uintptr_t)pointer, bytes) || lies(registered, (uintptr_t)pointer, bytes);
}

void HostMemory::checkEdges(const char *writer) const {
    for (const auto &[pointer, bytes] : allocations) {
        const char *start = (const char *)pointer, *end = start + bytes;
        const char *last = start - edgeBytes + roundUp(edgeBytes + bytes, alignment);
        if (isUntouched(start - edgeBytes, start) && isUntouched(end, last)) continue;
        fprintf(stderr, "emulation: %s has written outside an allocation of %zu bytes\n", writer, bytes);
        abort();
    }
}

}  // namespace emulation
