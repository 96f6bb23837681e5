#include "device.h"

namespace emulation {

// MARK: State

static std::unique_ptr<Device> &storage() {
    static std::unique_ptr<Device> stored = std::make_unique<Device>();
    return stored;
}

Device &device() { return *storage(); }

void resetDevice() {
    storage() = nullptr;
    storage() = std::make_unique<Device>();
    machine->statistics = {};
}

// EMULATION_FAIL=FUNCTION:NUMBER:CODE[,...], for programs that no test can reach into: cuda_emulation_fail_call of each.
static std::vector<Failure> failuresFromEnvironment() {
    std::vector<Failure> failures;
    const char *text = getenv("EMULATION_FAIL");
    while (text && *text) {
        char function[64];
        unsigned long number;
        int code, length = 0;
        if (sscanf(text, "%63[A-Za-z0-9_]:%lu:%d%n", function, &number, &code, &length) != 3 ||
            (text[length] && text[length] != ',')) {
            fprintf(stderr, "emulation: EMULATION_FAIL: wanted FUNCTION:NUMBER:CODE, found \"%s\"\n", text);
            abort();
        }
        failures.push_back({function, number, code});
        text += length + (text[length] == ',');
    }
    return failures;
}

Device::Device() : failures(failuresFromEnvironment()) {
    setOrder(orderFromEnvironment());
    order = machine->order;
    streams.objects[nullptr] = std::make_unique<Stream>();
}

Device::~Device() {
    dropAll();
    while (!allocations.empty()) release(allocations.begin()->first);
    while (!pinned.empty()) releasePinned((void *)pinned.begin()->first);
}

static thread_local CUcontext currentContext;

void setCurrentContext(CUcontext context) { currentContext = context; }

int currentDevice() {
    const Context *context = device().contexts.find(currentContext);
    return context ? context->device : -1;
}

CUresult refuse(CUresult code, const char *function, const char *reason) {
    fprintf(stderr, "emulation: %s: %s\n", function, reason);
    return code;
}

// MARK: Calls

Call::Call(const char *function, Needs needs) : lock(deviceLock), device(emulation::device()), function(function) {
    device.calls[function]++;
    error = findError(needs);
}

static bool isSticky(int code) { return code >= 700 && code < 800; }

CUresult Call::findError(Needs needs) {
    if (needs >= Needs::context && device.stickyError) return device.stickyError;
    for (Failure &failure : device.failures) {
        if (failure.function != function || failure.remaining == 0 || --failure.remaining > 0) continue;
        isInjected = true;
        if (isSticky(failure.code)) {
            device.stickyError = failure.code;
            device.dropAll();
        }
        return failure.code;
    }
    if (needs >= Needs::initialization && !device.isInitialized) {
        return refuse(CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called");
    }
    if (needs >= Needs::context && currentDevice() < 0) {
        return refuse(CUDA_ERROR_INVALID_CONTEXT, "this thread has no context");
    }
    if (needs < Needs::noCapture) return CUDA_SUCCESS;
    for (auto &[handle, stream] : device.streams.objects) {
        if (!stream->capture || stream->capture->thread != std::this_thread::get_id()) continue;
        stream->capture->isValid = false;
        return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "this thread records a graph");
    }
    return CUDA_SUCCESS;
}

// MARK: Memory

// Bytes before an allocation that are looked at too.
static constexpr size_t edgeBytes = 256;
// More than this is not poisoned, for it would take real memory.
static constexpr size_t poisonLimit = (size_t)256 << 20;

// Addresses are asked for in ascending order and never again, as long as the system plays along.
static void *nextPlace(size_t bytes) {
    static uintptr_t next = (uintptr_t)0x100000000000;
    uintptr_t place = next;
    next += roundUp(bytes + pageBytes, pageBytes) + pageBytes;
    return (void *)place;
}

static char *takeMemory(size_t bytes) {
    char *memory = allocateGuarded(bytes + edgeBytes, nextPlace(bytes + edgeBytes));
    if (!memory) return nullptr;
    memset(memory, 0xFF, edgeBytes + std::min(bytes, poisonLimit));
    memset(memory + edgeBytes + bytes, 0xFF, roundUp(edgeBytes + bytes, alignment) - (edgeBytes + bytes));
    watch(memory + edgeBytes, bytes, false);
    return memory + edgeBytes;
}

static void giveMemory(char *memory, size_t bytes) {
    unwatch(memory);
    releaseGuarded(memory - edgeBytes, bytes + edgeBytes);
}

static bool isUntouched(const char *from, const char *to) {
    return std::all_of(from, to, [](char byte) { return byte == (char)0xFF; });
}

CUresult Device::allocate(CUdeviceptr *pointer, size_t bytes, int ordinal) {
    if (!pointer || !bytes) return CUDA_ERROR_INVALID_VALUE;
    if (bytes > freeBytes(ordinal)) return CUDA_ERROR_OUT_OF_MEMORY;
    char *memory = takeMemory(bytes);
    if (!memory) return CUDA_ERROR_OUT_OF_MEMORY;
    *pointer = (CUdeviceptr)(uintptr_t)memory;
    allocations[*pointer] = {bytes, ordinal};
    return CUDA_SUCCESS;
}

CUresult Device::release(CUdeviceptr pointer) {
    if (!pointer) return CUDA_SUCCESS;
    auto found = allocations.find(pointer);
    if (found == allocations.end()) return CUDA_ERROR_INVALID_VALUE;
    giveMemory((char *)pointer, found->second.bytes);
    allocations.erase(found);
    return CUDA_SUCCESS;
}

CUresult Device::allocatePinned(void **pointer, size_t bytes) {
    if (!pointer || !bytes) return CUDA_ERROR_INVALID_VALUE;
    char *memory = takeMemory(bytes);
    if (!memory) return CUDA_ERROR_OUT_OF_MEMORY;
    *pointer = memory;
    pinned[(uintptr_t)memory] = bytes;
    return CUDA_SUCCESS;
}

CUresult Device::releasePinned(void *pointer) {
    auto found = pinned.find((uintptr_t)pointer);
    if (found == pinned.end()) return CUDA_ERROR_INVALID_VALUE;
    giveMemory((char *)pointer, found->second);
    pinned.erase(found);
    return CUDA_SUCCESS;
}

size_t Device::usedBytes(int ordinal) const {
    size_t bytes = 0;
    for (const auto &[pointer, allocation] : allocations) {
        if (allocation.device == ordinal || ordinal < 0) bytes += allocation.bytes;
    }
    return bytes;
}

size_t Device::freeBytes(int ordinal) const {
    return settings.totalMemory - std::min(settings.totalMemory, usedBytes(ordinal));
}

bool Device::contains(CUdeviceptr pointer, size_t bytes) const {
    auto next = allocations.upper_bound(pointer);
    if (next == allocations.begin()) return false;
    const auto &[start, allocation] = *std::prev(next);
    size_t offset = pointer - start;
    return offset <= allocation.bytes && bytes <= allocation.bytes - offset;
}

bool Device::isPinned(const void *pointer, size_t bytes) const {
    auto next = pinned.upper_bound((uintptr_t)pointer);
    if (next == pinned.begin()) return false;
    const auto &[start, size] = *std::prev(next);
    size_t offset = (uintptr_t)pointer - start;
    return offset <= size && bytes <= size - offset;
}

void Device::checkEdges(const char *writer) const {
    for (const auto &[pointer, allocation] : allocations) {
        const char *start = (const char *)pointer, *end = start + allocation.bytes;
        const char *last = start - edgeBytes + roundUp(edgeBytes + allocation.bytes, alignment);
        if (isUntouched(start - edgeBytes, start) && isUntouched(end, last)) continue;
        fprintf(stderr, "emulation: %s has written outside an allocation of %zu bytes\n", writer, allocation.bytes);
        abort();
    }
}

// MARK: Streams

void Device::push(Stream &stream, Work work) {
    if (stream.capture) {
        stream.capture->graph.push_back(std::move(work));
        return;
    }
    if (work.announce) work.announce();
    stream.works.push_back(std::move(work));
    stream.added++;
}

void Device::runUntil(Stream &stream, uint64_t position) {
    while (stream.done < position && !stream.works.empty()) {
        Work work = std::move(stream.works.front());
        stream.works.pop_front();
        stream.done++;
        work.run();
    }
}

void Device::drainAll() {
    for (auto &[handle, stream] : streams.objects) drain(*stream);
}

void Device::dropAll() {
    for (auto &[handle, stream] : streams.objects) {
        stream->works.clear();
        stream->done = stream->added;
    }
}

void Device::runKernel(const Function &function, dim3 grid, dim3 block, size_t sharedBytes, const Body &body) {
    const char *name = function.name.c_str();
    launches[name]++;
    machine->order = order;
    launch(name, function.kernel, grid, block, sharedBytes, body);
    checkEdges(name);
}

}  // namespace emulation
