// The memory of emulated devices, which is mapped at reserved addresses, and the host's memory that they can reach.
#pragma once
#include <map>
#include <vector>

#include "ccuda.h"
#include "emulation.h"

namespace emulation {

/// Memory of all devices. What nothing is mapped at, and what is mapped but not opened, cannot be touched; addresses
/// are reserved once. Memory begins as all ones, and so again wherever it is mapped anew.
class DeviceMemory {
public:
    /// Memory is given and mapped in multiples of this.
    size_t granularity = (size_t)2 << 20;

    ~DeviceMemory();

    CUresult reserve(CUdeviceptr *pointer, size_t bytes, size_t place);
    CUresult releaseReservation(CUdeviceptr pointer, size_t bytes);
    CUresult create(CUmemGenericAllocationHandle *handle, size_t bytes, int device);
    /// The memory stays as long as it is mapped.
    CUresult release(CUmemGenericAllocationHandle handle);
    /// Maps all of some memory, within one reservation, where nothing is mapped.
    CUresult map(CUdeviceptr pointer, size_t bytes, CUmemGenericAllocationHandle handle);
    /// Takes away whole mappings, which fill the range.
    CUresult unmap(CUdeviceptr pointer, size_t bytes);
    /// Lets a device touch whole mappings, which fill the range.
    CUresult open(CUdeviceptr pointer, size_t bytes, int device);

    /// Bytes on a device, or on all of them where it is negative.
    size_t usedBytes(int device) const;
    /// Whether all of a range can be touched.
    bool contains(CUdeviceptr pointer, size_t bytes) const;
    /// Takes away what a device has.
    void drop(int device);

    struct Mapping {
        size_t bytes;
        CUmemGenericAllocationHandle memory;
        bool isOpen = false;
    };

private:
    struct Memory {
        size_t bytes;
        int device;
        bool isMapped = false, isReleased = false;
    };

    std::map<CUmemGenericAllocationHandle, Memory> memories;
    std::map<CUdeviceptr, size_t> reservations;
    std::map<CUdeviceptr, Mapping> mappings;

    /// The mappings that fill a range and nothing else; none where it is not so.
    std::vector<CUdeviceptr> filling(CUdeviceptr pointer, size_t bytes) const;
    void close(CUdeviceptr pointer);
    bool isMultiple(size_t value) const { return value % granularity == 0; }
};

/// Pinned memory of the host: what the driver gave, which has edges that nothing may be written to, and what the
/// program has registered.
class HostMemory {
public:
    ~HostMemory();

    CUresult allocate(void **pointer, size_t bytes);
    CUresult release(void *pointer);
    CUresult add(void *pointer, size_t bytes);
    CUresult remove(void *pointer);
    size_t usedBytes() const;
    /// Whether all of a range is pinned.
    bool contains(const void *pointer, size_t bytes) const;
    /// Ends the process when something has been written around what the driver gave.
    void checkEdges(const char *writer) const;

private:
    std::map<uintptr_t, size_t> allocations, registered;
};

}  // namespace emulation
