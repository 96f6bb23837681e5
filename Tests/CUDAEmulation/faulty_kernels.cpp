// Kernels that do what none may, each a right one with one thing missing, to see that the emulator finds it.
#include "../../Sources/CCUDA/kernels/dialect.h"

#include <sys/wait.h>
#include <unistd.h>

#include "cuda_emulation.h"
#include "device.h"

namespace {

constexpr int threads = 128, blocks = 2;
/// Rows of a tile that is copied asynchronously: 16 bytes a thread.
constexpr int tileFloats = threads * 4;

/// Sums the warps' sums. `isFaulty` leaves out the barrier in between.
template <bool isFaulty> APUS_DEVICE void sumBlock(const float *x, float *sums) {
    __shared__ float parts[threads / 32];
    float sum = apus_warp_sum(x[threadIdx.x]);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
    if constexpr (!isFaulty) __syncthreads();
    sums[blockIdx.x * threads + threadIdx.x] = parts[0] + parts[1] + parts[2] + parts[3];
}

/// Turns a tile around in shared memory, after a wait for all groups of copies but the newest `kept`, or for none.
template <int kept> APUS_DEVICE void reverseTile(const float *x, float *y) {
    APUS_DYNAMIC_SHARED(float, tile);
    apus_copy_async(apus_shared_address(tile + threadIdx.x * 4), x + threadIdx.x * 4, true);
    apus_copy_commit();
    if constexpr (kept >= 0) apus_copy_wait<kept>();
    __syncthreads();
    y += blockIdx.x * tileFloats;
    for (int i = (int)threadIdx.x; i < tileFloats; i += threads) y[i] = tile[tileFloats - 1 - i];
    apus_copy_wait<0>();
}

}  // namespace

extern "C" __global__ void faulty_none(const float *x, float *y) { sumBlock<false>(x, y); }
APUS_EXPORT(faulty_none)
extern "C" __global__ void faulty_missing_barrier(const float *x, float *y) { sumBlock<true>(x, y); }
APUS_EXPORT(faulty_missing_barrier)
extern "C" __global__ void faulty_copy(const float *x, float *y) { reverseTile<0>(x, y); }
APUS_EXPORT(faulty_copy)
extern "C" __global__ void faulty_missing_copy_wait(const float *x, float *y) { reverseTile<-1>(x, y); }
APUS_EXPORT(faulty_missing_copy_wait)
extern "C" __global__ void faulty_wrong_copy_wait(const float *x, float *y) { reverseTile<1>(x, y); }
APUS_EXPORT(faulty_wrong_copy_wait)

extern "C" __global__ void faulty_write_outside(const float *x, float *y) {
    const int place = (int)(blockIdx.x * threads + threadIdx.x);
    y[place == blocks * threads - 1 ? place + 1 : place] = x[threadIdx.x];
}
APUS_EXPORT(faulty_write_outside)

extern "C" __global__ void faulty_read_outside(const float *x, float *y) {
    y[blockIdx.x * threads + threadIdx.x] = x[threadIdx.x + 1];
}
APUS_EXPORT(faulty_read_outside)

extern "C" __global__ void faulty_shared_write_outside(const float *x, float *y) {
    APUS_DYNAMIC_SHARED(float, copy);
    copy[threadIdx.x * 4 + 4] = x[threadIdx.x];
    __syncthreads();
    y[blockIdx.x * threads + threadIdx.x] = copy[threadIdx.x * 4 + 4];
}
APUS_EXPORT(faulty_shared_write_outside)

extern "C" __global__ void faulty_divergent_barrier(const float *x, float *y) {
    if (threadIdx.x < 64) {
        __syncthreads();
        y[blockIdx.x * threads + threadIdx.x] = x[threadIdx.x];
    } else {
        __syncthreads();
        y[blockIdx.x * threads + threadIdx.x] = x[threadIdx.x];
    }
}
APUS_EXPORT(faulty_divergent_barrier)

extern "C" __global__ void faulty_barrier_after_exit(const float *x, float *y) {
    if (threadIdx.x == 5) return;
    __syncthreads();
    y[blockIdx.x * threads + threadIdx.x] = x[threadIdx.x];
}
APUS_EXPORT(faulty_barrier_after_exit)

extern "C" __global__ void faulty_divergent_shuffle(const float *x, float *y) {
    float value = x[threadIdx.x];
    if (threadIdx.x % 32 < 16) value = apus_warp_sum(value);
    __syncthreads();
    y[blockIdx.x * threads + threadIdx.x] = value;
}
APUS_EXPORT(faulty_divergent_shuffle)

extern "C" __global__ void faulty_shuffle_after_exit(const float *x, float *y) {
    if (threadIdx.x % 32 == 31) return;
    y[blockIdx.x * threads + threadIdx.x] = apus_warp_sum(x[threadIdx.x]);
}
APUS_EXPORT(faulty_shuffle_after_exit)

extern "C" __global__ void faulty_unwritten_shared_memory(const float *x, float *y) {
    __shared__ float copy[threads];
    if (blockIdx.x == 0) copy[blockIdx.x * threads + threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[blockIdx.x * threads + threadIdx.x] = copy[threadIdx.x];
}
APUS_EXPORT(faulty_unwritten_shared_memory)

namespace {

enum class Result { sums, same, reversed };

struct Fault {
    const char *kernel;
    Result right;
    size_t sharedBytes = 0;

    /// What every block has to write at a place, for inputs that count up from 0.
    float expected(int place, int count) const {
        switch (right) {
            case Result::sums: return threads * (threads - 1) / 2;
            case Result::reversed: return (float)(count - 1 - place);
            case Result::same: return (float)place;
        }
    }
};

Fault find(enum cuda_emulation_fault fault) {
    switch (fault) {
        case CUDA_EMULATION_WRITE_OUTSIDE: return {"faulty_write_outside", Result::same};
        case CUDA_EMULATION_READ_OUTSIDE: return {"faulty_read_outside", Result::same};
        case CUDA_EMULATION_SHARED_WRITE_OUTSIDE: return {"faulty_shared_write_outside", Result::same, threads * 16};
        case CUDA_EMULATION_MISSING_BARRIER: return {"faulty_missing_barrier", Result::sums};
        case CUDA_EMULATION_DIVERGENT_BARRIER: return {"faulty_divergent_barrier", Result::same};
        case CUDA_EMULATION_BARRIER_AFTER_EXIT: return {"faulty_barrier_after_exit", Result::same};
        case CUDA_EMULATION_DIVERGENT_SHUFFLE: return {"faulty_divergent_shuffle", Result::same};
        case CUDA_EMULATION_SHUFFLE_AFTER_EXIT: return {"faulty_shuffle_after_exit", Result::same};
        case CUDA_EMULATION_MISSING_COPY_WAIT: return {"faulty_missing_copy_wait", Result::reversed, tileFloats * 4};
        case CUDA_EMULATION_WRONG_COPY_WAIT: return {"faulty_wrong_copy_wait", Result::reversed, tileFloats * 4};
        case CUDA_EMULATION_UNWRITTEN_SHARED_MEMORY: return {"faulty_unwritten_shared_memory", Result::same};
        case CUDA_EMULATION_RIGHT_COPY: return {"faulty_copy", Result::reversed, tileFloats * 4};
        case CUDA_EMULATION_NO_FAULT: break;
    }
    return {"faulty_none", Result::sums};
}

/// Whether the result is right.
bool run(const Fault &found) {
    const int count = found.right == Result::reversed ? tileFloats : threads;
    float *x = emulation::allocate<float>((size_t)count), *y = emulation::allocate<float>((size_t)(blocks * count));
    for (int i = 0; i < count; i++) x[i] = (float)i;
    void *parameters[] = {&x, &y};
    const emulation::Kernel &kernel = emulation::kernels()[found.kernel];
    emulation::launch(found.kernel, kernel, dim3(blocks), dim3(threads), found.sharedBytes,
                      kernel.binder(parameters));
    bool isRight = true;
    for (int i = 0; i < blocks * count; i++) isRight &= y[i] == found.expected(i % count, count);
    emulation::release(x, (size_t)count);
    emulation::release(y, (size_t)(blocks * count));
    return isRight;
}

/// What is written to a pipe before its other end is closed.
void readAll(int pipe, char *text, size_t capacity) {
    char rest[256];
    size_t used = 0;
    for (;;) {
        const bool isFull = used + 1 >= capacity;
        ssize_t count = read(pipe, isFull ? rest : text + used, isFull ? sizeof rest : capacity - 1 - used);
        if (count <= 0) break;
        if (!isFull) used += (size_t)count;
    }
    text[used] = 0;
}

}  // namespace

enum cuda_emulation_outcome cuda_emulation_run_fault(enum cuda_emulation_fault fault, char *report, size_t capacity) {
    std::lock_guard<std::recursive_mutex> lock(emulation::deviceLock);
    int ends[2];
    if (pipe(ends)) emulation::fail("no pipe");
    const pid_t child = fork();
    if (child < 0) emulation::fail("no process");
    if (!child) {
        // Nobody is to be told of what ends it.
        for (int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP}) std::signal(signal, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        _exit(run(find(fault)) ? CUDA_EMULATION_RIGHT : CUDA_EMULATION_WRONG);
    }
    close(ends[1]);
    readAll(ends[0], report, capacity);
    close(ends[0]);
    int status = 0;
    if (waitpid(child, &status, 0) != child) emulation::fail("the process is lost");
    return WIFEXITED(status) ? (enum cuda_emulation_outcome)WEXITSTATUS(status) : CUDA_EMULATION_ENDED;
}
