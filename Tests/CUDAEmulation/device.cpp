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

Device::~Device() { dropAll(); }

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

size_t Device::freeBytes(int ordinal) const {
    return settings.totalMemory - std::min(settings.totalMemory, memory.usedBytes(ordinal));
}

bool Device::contains(CUdeviceptr pointer, size_t bytes) const {
    return memory.contains(pointer, bytes) || pinned.contains((const void *)(uintptr_t)pointer, bytes);
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

static void runFirst(Stream &stream) {
    Work work = std::move(stream.works.front());
    stream.works.pop_front();
    stream.done++;
    stream.isBusy = true;
    work.run();
    stream.isBusy = false;
}

void Device::runUntil(Stream &stream, uint64_t position) {
    while (stream.done < position && !stream.works.empty()) {
        if (streamsRunAhead) runOthers(stream);
        // A stream that waits for another one may have been run by it.
        if (stream.done < position && !stream.works.empty()) runFirst(stream);
    }
}

void Device::runOthers(const Stream &stream) {
    for (bool goesOn = true; goesOn;) {
        goesOn = false;
        for (auto &[handle, other] : streams.objects) {
            if (other.get() == &stream || other->isBusy || other->works.empty()) continue;
            if (const auto &isReady = other->works.front().isReady; isReady && !isReady()) continue;
            runFirst(*other);
            goesOn = true;
        }
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
    pinned.checkEdges(name);
}

}  // namespace emulation
