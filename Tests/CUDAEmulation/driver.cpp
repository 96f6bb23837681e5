// The functions of libcuda, for tests; see cuda_emulation.h.
#include <chrono>

#include "cuda_emulation.h"
#include "driver.h"
#include "kernel_library.h"

using namespace emulation;

// MARK: Devices

EXPORT CUresult cuInit(unsigned flags) {
    ENTER(Needs::nothing);
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    if (device.settings.deviceCount < 1) return CUDA_ERROR_NO_DEVICE;
    device.isInitialized = true;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDriverGetVersion(int *version) {
    ENTER(Needs::nothing);
    *version = device.settings.driverVersion;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuGetErrorName(CUresult error, const char **name) {
    ENTER(Needs::nothing);
    *name = nullptr;
#define NAME(constant, value) \
    if (!*name && !strncmp(#constant, "CUDA_", 5) && error == value) *name = #constant;
    CUDA_DRIVER_CONSTANTS(NAME)
#undef NAME
    return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuGetErrorString(CUresult error, const char **text) {
    ENTER(Needs::nothing);
    return cuGetErrorName(error, text);
}

EXPORT CUresult cuDeviceGetCount(int *count) {
    ENTER(Needs::initialization);
    *count = device.settings.deviceCount;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGet(CUdevice *ordinal, int number) {
    ENTER(Needs::initialization);
    if (number < 0 || number >= device.settings.deviceCount) return CUDA_ERROR_INVALID_DEVICE;
    *ordinal = number;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetName(char *name, int capacity, CUdevice ordinal) {
    ENTER(Needs::initialization);
    if (ordinal < 0 || ordinal >= device.settings.deviceCount) return CUDA_ERROR_INVALID_DEVICE;
    snprintf(name, (size_t)capacity, "emulated device");
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice ordinal) {
    ENTER(Needs::initialization);
    if (ordinal < 0 || ordinal >= device.settings.deviceCount) return CUDA_ERROR_INVALID_DEVICE;
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 2; break;
        case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *value = 4 << 20; break;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = device.settings.major; break;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = device.settings.minor; break;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: *value = (int)device.settings.sharedMemory + 1024; break;
        case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM: *value = device.settings.sharesHostAddresses; break;
        case CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED: *value = 1; break;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *value = (int)device.settings.sharedMemory; break;
        default: return call.refuse(CUDA_ERROR_INVALID_VALUE, "an attribute that is not emulated");
    }
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice ordinal) {
    ENTER(Needs::initialization);
    if (ordinal < 0 || ordinal >= device.settings.deviceCount) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = device.settings.totalMemory;
    return CUDA_SUCCESS;
}

// MARK: Contexts

EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice ordinal) {
    ENTER(Needs::initialization);
    if (ordinal < 0 || ordinal >= device.settings.deviceCount) return CUDA_ERROR_INVALID_DEVICE;
    for (auto &[handle, found] : device.contexts.objects) {
        if (found->device != ordinal) continue;
        found->uses++;
        *context = handle;
        return CUDA_SUCCESS;
    }
    *context = device.contexts.add({ordinal, 1});
    return CUDA_SUCCESS;
}

/// With the last user goes what the context has allocated.
EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice ordinal) {
    ENTER(Needs::initialization);
    for (auto &[handle, found] : device.contexts.objects) {
        if (found->device != ordinal) continue;
        if (--found->uses > 0) return CUDA_SUCCESS;
        device.dropAll();
        device.memory.drop(ordinal);
        device.contexts.remove(handle);
        return CUDA_SUCCESS;
    }
    return CUDA_ERROR_INVALID_CONTEXT;
}

EXPORT CUresult cuCtxSetCurrent(CUcontext context) {
    ENTER(Needs::initialization);
    if (context && !device.contexts.find(context)) return call.refuse(CUDA_ERROR_INVALID_CONTEXT, "not a context");
    setCurrentContext(context);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxSynchronize(void) {
    ENTER(Needs::noCapture);
    device.drainAll();
    return CUDA_SUCCESS;
}

// MARK: Kernels

/// Any image will do: the kernels are part of the program, or of a library that the environment names.
EXPORT CUresult cuModuleLoadData(CUmodule *module, const void *image) {
    ENTER(Needs::context);
    if (!image) return CUDA_ERROR_INVALID_VALUE;
    if (const char *reason = kernelLibraryFault()) return call.refuse(CUDA_ERROR_INVALID_IMAGE, reason);
    *module = device.modules.add(0);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuModuleUnload(CUmodule module) {
    ENTER(Needs::context);
    return device.modules.remove(module) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

EXPORT CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    ENTER(Needs::context);
    if (!device.modules.find(module)) return CUDA_ERROR_INVALID_HANDLE;
    const Kernel *kernel = findKernel(name);
    if (!kernel) return call.refuse(CUDA_ERROR_NOT_FOUND, (std::string("no kernel is named ") + name).c_str());
    *function = device.functions.add({name, *kernel});
    return CUDA_SUCCESS;
}

EXPORT CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
    ENTER(Needs::context);
    FIND(Function, function, functions, handle);
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_ERROR_INVALID_VALUE;
    if (value < 0 || (size_t)value > device.settings.sharedMemory) return CUDA_ERROR_INVALID_VALUE;
    function->largestSharedBytes = (size_t)value;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction handle) {
    ENTER(Needs::context);
    FIND(Function, function, functions, handle);
    switch (attribute) {
        case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = (int)largestBlock; break;
        case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = (int)function->largestSharedBytes; break;
        default: *value = 0; break;
    }
    return CUDA_SUCCESS;
}

EXPORT CUresult cuLaunchKernel(CUfunction handle, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                               unsigned blockY, unsigned blockZ, unsigned sharedBytes, CUstream streamHandle,
                               void **parameters, void **extra) {
    ENTER(Needs::context);
    FIND(Function, function, functions, handle);
    FIND(Stream, stream, streams, streamHandle);
    dim3 grid(gridX, gridY, gridZ), block(blockX, blockY, blockZ);
    const char *reason = refusal(grid, block, sharedBytes);
    if (!reason && sharedBytes > function->largestSharedBytes) reason = "more shared memory than was allowed";
    if (!reason && extra) reason = "parameters in a way that is not emulated";
    if (reason) return call.refuse(CUDA_ERROR_INVALID_VALUE, (std::string(reason) + ": " + function->name).c_str());
    device.push(*stream, {"kernel",
                          [=, &device, launched = *function, body = function->kernel.binder(parameters)] {
                              device.runKernel(launched, grid, block, sharedBytes, body);
                          }});
    return CUDA_SUCCESS;
}

// MARK: Streams

EXPORT CUresult cuStreamCreate(CUstream *stream, unsigned) {
    ENTER(Needs::context);
    *stream = device.streams.add({});
    return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamDestroy_v2(CUstream handle) {
    ENTER(Needs::context);
    FIND(Stream, stream, streams, handle);
    if (!handle) return CUDA_ERROR_INVALID_HANDLE;
    device.drain(*stream);
    device.streams.remove(handle);
    return CUDA_SUCCESS;
}

/// Waiting for a stream that is recorded spoils the recording.
static CUresult refuseRecording(const Call &call, Stream &stream) {
    if (!stream.capture) return CUDA_SUCCESS;
    stream.capture->isValid = false;
    return call.refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the stream is recorded to a graph");
}

EXPORT CUresult cuStreamSynchronize(CUstream handle) {
    ENTER(Needs::context);
    FIND(Stream, stream, streams, handle);
    if (CUresult error = refuseRecording(call, *stream)) return error;
    device.drain(*stream);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamQuery(CUstream handle) {
    ENTER(Needs::context);
    FIND(Stream, stream, streams, handle);
    if (CUresult error = refuseRecording(call, *stream)) return error;
    device.runOne(*stream);
    return stream->works.empty() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EXPORT CUresult cuStreamWaitEvent(CUstream streamHandle, CUevent eventHandle, unsigned) {
    ENTER(Needs::context);
    FIND(Stream, stream, streams, streamHandle);
    FIND(Event, event, events, eventHandle);
    if (CUresult error = refuseRecording(call, *stream)) return error;
    if (!event->isRecorded || event->hasHappened) return CUDA_SUCCESS;
    device.push(*stream, {"wait",
                          [&device, other = event->stream, position = event->position] {
                              if (Stream *found = device.streams.find(other)) device.runUntil(*found, position);
                          },
                          nullptr,
                          [&device, other = event->stream, position = event->position] {
                              Stream *found = device.streams.find(other);
                              return !found || found->done >= position;
                          }});
    return CUDA_SUCCESS;
}

// MARK: Events

EXPORT CUresult cuEventCreate(CUevent *event, unsigned flags) {
    ENTER(Needs::context);
    Event created;
    created.isTimed = !(flags & CU_EVENT_DISABLE_TIMING);
    *event = device.events.add(created);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuEventDestroy_v2(CUevent event) {
    ENTER(Needs::context);
    return device.events.remove(event) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

EXPORT CUresult cuEventRecord(CUevent eventHandle, CUstream streamHandle) {
    ENTER(Needs::context);
    FIND(Event, event, events, eventHandle);
    FIND(Stream, stream, streams, streamHandle);
    // One that is recorded anew before it happened waits for its newest place.
    const uint64_t position = stream->added + 1;
    const bool isCaptured = stream->capture != nullptr;
    device.push(*stream, {"event",
                          [&device, eventHandle, streamHandle, position, isCaptured] {
                              Event *happened = device.events.find(eventHandle);
                              if (!happened) return;
                              bool isNewest = happened->stream == streamHandle && happened->position == position;
                              if (!isNewest && !isCaptured) return;
                              auto now = std::chrono::steady_clock::now().time_since_epoch();
                              happened->hasHappened = happened->isRecorded = true;
                              happened->milliseconds = std::chrono::duration<double, std::milli>(now).count();
                          }});
    if (stream->capture) return CUDA_SUCCESS;
    event->isRecorded = true;
    event->hasHappened = false;
    event->stream = streamHandle;
    event->position = stream->added;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuEventQuery(CUevent handle) {
    ENTER(Needs::context);
    FIND(Event, event, events, handle);
    if (!event->isRecorded || event->hasHappened) return CUDA_SUCCESS;
    if (Stream *stream = device.streams.find(event->stream)) device.runOne(*stream);
    return event->hasHappened ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EXPORT CUresult cuEventSynchronize(CUevent handle) {
    ENTER(Needs::context);
    FIND(Event, event, events, handle);
    if (!event->isRecorded || event->hasHappened) return CUDA_SUCCESS;
    if (Stream *stream = device.streams.find(event->stream)) device.runUntil(*stream, event->position);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuEventElapsedTime(float *milliseconds, CUevent startHandle, CUevent endHandle) {
    ENTER(Needs::context);
    FIND(Event, start, events, startHandle);
    FIND(Event, end, events, endHandle);
    if (!start->isTimed || !end->isTimed || !start->isRecorded || !end->isRecorded) return CUDA_ERROR_INVALID_HANDLE;
    if (!start->hasHappened || !end->hasHappened) return CUDA_ERROR_NOT_READY;
    *milliseconds = (float)(end->milliseconds - start->milliseconds);
    return CUDA_SUCCESS;
}

// MARK: Graphs

EXPORT CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode) {
    ENTER(Needs::context);
    FIND(Stream, stream, streams, handle);
    if (!handle || stream->capture) return call.refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "not to be recorded now");
    stream->capture = std::make_unique<Capture>();
    stream->capture->thread = std::this_thread::get_id();
    return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
    ENTER(Needs::context);
    FIND(Stream, stream, streams, handle);
    *graph = nullptr;
    if (!stream->capture) return CUDA_ERROR_INVALID_VALUE;
    std::unique_ptr<Capture> capture = std::move(stream->capture);
    if (!capture->isValid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    *graph = device.graphs.add(std::move(capture->graph));
    return CUDA_SUCCESS;
}

EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph handle, unsigned long long) {
    ENTER(Needs::context);
    FIND(Graph, graph, graphs, handle);
    *executable = device.executables.add(*graph);
    return CUDA_SUCCESS;
}

/// Graphs can be exchanged when they consist of the same kinds of work.
EXPORT CUresult cuGraphExecUpdate_v2(CUgraphExec executableHandle, CUgraph handle, CUgraphExecUpdateResultInfo *) {
    ENTER(Needs::context);
    FIND(Graph, executable, executables, executableHandle);
    FIND(Graph, graph, graphs, handle);
    auto isSameKind = [](const Work &a, const Work &b) { return a.kind == b.kind; };
    if (!std::equal(graph->begin(), graph->end(), executable->begin(), executable->end(), isSameKind)) {
        return call.refuse(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "a graph of another form");
    }
    *executable = *graph;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuGraphLaunch(CUgraphExec handle, CUstream streamHandle) {
    ENTER(Needs::context);
    FIND(Graph, executable, executables, handle);
    FIND(Stream, stream, streams, streamHandle);
    for (const Work &work : *executable) device.push(*stream, work);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuGraphExecDestroy(CUgraphExec executable) {
    ENTER(Needs::context);
    return device.executables.remove(executable) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

EXPORT CUresult cuGraphDestroy(CUgraph graph) {
    ENTER(Needs::context);
    return device.graphs.remove(graph) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

extern "C" const struct cuda_driver *cuda_emulated_driver(void) {
#define FIELD(result, name, parameters) name,
    static const struct cuda_driver table = {CUDA_DRIVER_FUNCTIONS(FIELD)};
#undef FIELD
    return &table;
}
