// What the emulated driver keeps: memory, streams and the work in them, events, graphs, and what tests asked for.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "ccuda.h"
#include "emulation.h"
#include "memory.h"

/// Before a function of NVIDIA's libraries. A program that links the emulation takes them from tables and may open the real
/// libraries beside it; in a library of its own (build_library.sh) they have the names that are looked for.
#ifdef APUS_EMULATION_LIBRARY
#define EXPORT extern "C" __attribute__((visibility("default")))
#else
#define EXPORT
#endif

namespace emulation {

/// A piece of a stream's work.
struct Work {
    std::string kind;
    std::function<void()> run;
    /// What happens at once when the work is put into a stream: poison for what it will write on the host.
    std::function<void()> announce = {};
    /// Whether it can run without another stream's going on; nothing where it always can.
    std::function<bool()> isReady = {};
};

using Graph = std::vector<Work>;

/// The works of a stream that are recorded, not run.
struct Capture {
    Graph graph;
    std::thread::id thread;
    bool isValid = true;
};

struct Stream {
    std::deque<Work> works;
    /// How many pieces there have been, and how many of them have begun to run.
    uint64_t added = 0, done = 0;
    /// Whether a piece is running.
    bool isBusy = false;
    std::unique_ptr<Capture> capture;
};

struct Event {
    CUstream stream = nullptr;
    /// It happens when so many pieces of the stream have run.
    uint64_t position = 0;
    bool isTimed = true, isRecorded = false, hasHappened = false;
    double milliseconds = 0;
};

struct Function {
    std::string name;
    Kernel kernel;
    size_t largestSharedBytes = usualSharedBytes;
};

struct Context {
    int device;
    int uses;
};

/// Handles are numbers that were never used before, so that one from before a reset is known as such.
inline uintptr_t lastHandle = 0x10000;

template <class Handle, class Object> struct Handles {
    std::map<Handle, std::unique_ptr<Object>> objects;

    Handle add(Object object) {
        Handle handle = (Handle)(lastHandle += 16);
        objects[handle] = std::make_unique<Object>(std::move(object));
        return handle;
    }
    Object *find(Handle handle) const {
        auto found = objects.find(handle);
        return found == objects.end() ? nullptr : found->second.get();
    }
    bool remove(Handle handle) { return objects.erase(handle) > 0; }
};

/// A call that is to fail.
struct Failure {
    std::string function;
    uint64_t remaining;
    int code;
};

struct Settings {
    int deviceCount = 1, driverVersion = 13000, major = 8, minor = 9;
    size_t totalMemory = (size_t)8 << 30, sharedMemory = commonSharedBytes;
    bool sharesHostAddresses = true;
};

struct Device {
    Settings settings;
    Order order;
    /// Whether all streams go on as soon as they can, once anything runs; otherwise each waits until it is waited for.
    bool streamsRunAhead = false;
    bool isInitialized = false;
    CUresult stickyError = CUDA_SUCCESS;
    std::vector<Failure> failures;
    std::map<std::string, uint64_t> calls, launches;

    DeviceMemory memory;
    HostMemory pinned;
    Handles<CUcontext, Context> contexts;
    Handles<CUmodule, int> modules;
    Handles<CUfunction, Function> functions;
    Handles<CUstream, Stream> streams;
    Handles<CUevent, Event> events;
    Handles<CUgraph, Graph> graphs;
    Handles<CUgraphExec, Graph> executables;
    Handles<cublasLtHandle_t, int> libraries;

    Device();
    ~Device();

    size_t freeBytes(int ordinal) const;
    /// Whether kernels and copies can touch all of a range: on a device, or pinned.
    bool contains(CUdeviceptr pointer, size_t bytes) const;

    // MARK: Streams

    /// Puts work into a stream, or into the graph that it is recorded to.
    void push(Stream &stream, Work work);
    void runUntil(Stream &stream, uint64_t position);
    /// Runs what the other streams can do by themselves.
    void runOthers(const Stream &stream);
    void runOne(Stream &stream) { runUntil(stream, stream.done + 1); }
    void drain(Stream &stream) { runUntil(stream, stream.added); }
    void drainAll();
    void dropAll();
    /// Runs a kernel and looks at what it leaves behind.
    void runKernel(const Function &function, dim3 grid, dim3 block, size_t sharedBytes, const Body &body);
};

/// The lock of everything here.
inline std::recursive_mutex deviceLock;
Device &device();
/// Forgets all of it.
void resetDevice();
/// Says on stderr why a call is refused, and gives the code.
CUresult refuse(CUresult code, const char *function, const char *reason);

/// What a call needs to be let in.
enum class Needs { nothing, initialization, context, noCapture };

/// A call of an emulated function: holds the lock, counts, and has the error that the call is to end with, if any.
struct Call {
    std::lock_guard<std::recursive_mutex> lock;
    Device &device;
    const char *function;
    CUresult error;
    /// Whether a test asked for the error.
    bool isInjected = false;

    Call(const char *function, Needs needs);
    CUresult refuse(CUresult code, const char *reason) const { return emulation::refuse(code, function, reason); }

private:
    CUresult findError(Needs needs);
};

/// The device of this thread's context.
int currentDevice();
void setCurrentContext(CUcontext context);

}  // namespace emulation
