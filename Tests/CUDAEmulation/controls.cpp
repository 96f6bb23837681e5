// What tests set, break and count; see cuda_emulation.h.
#include "cuda_emulation.h"
#include "device.h"

using namespace emulation;

using Lock = std::lock_guard<std::recursive_mutex>;

void cuda_emulation_reset(void) {
    Lock lock(deviceLock);
    resetDevice();
}

void cuda_emulation_set_order(enum cuda_emulation_order order, uint64_t seed) {
    Lock lock(deviceLock);
    static constexpr Order orders[] = {Order::forward, Order::reverse, Order::random};
    setOrder({orders[order], seed});
    device().order = machine->order;
}

void cuda_emulation_set_streams_run_ahead(int runAhead) {
    Lock lock(deviceLock);
    device().streamsRunAhead = runAhead != 0;
}

void cuda_emulation_set_device_count(int count) {
    Lock lock(deviceLock);
    device().settings.deviceCount = count;
}

void cuda_emulation_set_driver_version(int version) {
    Lock lock(deviceLock);
    device().settings.driverVersion = version;
}

void cuda_emulation_set_compute_capability(int major, int minor) {
    Lock lock(deviceLock);
    device().settings.major = major;
    device().settings.minor = minor;
}

void cuda_emulation_set_total_memory(size_t bytes) {
    Lock lock(deviceLock);
    device().settings.totalMemory = bytes;
}

void cuda_emulation_set_shared_memory(size_t bytes) {
    Lock lock(deviceLock);
    device().settings.sharedMemory = std::min(bytes, largestSharedBytes);
}

void cuda_emulation_set_shares_host_addresses(int shares) {
    Lock lock(deviceLock);
    device().settings.sharesHostAddresses = shares != 0;
}

void cuda_emulation_set_granularity(size_t bytes) {
    Lock lock(deviceLock);
    device().memory.granularity = bytes;
}

void cuda_emulation_fail_call(const char *function, uint64_t number, CUresult code) {
    Lock lock(deviceLock);
    device().failures.push_back({function, number, code});
}

struct cuda_emulation_statistics cuda_emulation_statistics(void) {
    Lock lock(deviceLock);
    const Statistics &s = machine->statistics;
    return {s.launches,       s.threads,     s.barriers,      s.warpOperations,
            s.matrixProducts, s.matrixLoads, s.bankConflicts, s.copiedBytes};
}

static uint64_t count(const std::map<std::string, uint64_t> &counts, const char *name) {
    auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
}

uint64_t cuda_emulation_call_count(const char *function) {
    Lock lock(deviceLock);
    return count(device().calls, function);
}

uint64_t cuda_emulation_launch_count(const char *kernel) {
    Lock lock(deviceLock);
    return count(device().launches, kernel);
}

size_t cuda_emulation_used_memory(void) {
    Lock lock(deviceLock);
    return device().memory.usedBytes(-1);
}

size_t cuda_emulation_pinned_memory(void) {
    Lock lock(deviceLock);
    return device().pinned.usedBytes();
}

size_t cuda_emulation_pending_work(void) {
    Lock lock(deviceLock);
    size_t pending = 0;
    for (auto &[handle, stream] : device().streams.objects) pending += stream->works.size();
    return pending;
}
