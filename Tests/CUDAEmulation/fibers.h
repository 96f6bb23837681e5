// Fibers and their scheduler: one fiber for each CUDA thread of the block that runs, all on one thread of the system,
// so that a run is repeatable. A fiber runs until it waits at a barrier or a warp operation; which one is next is a
// choice of tests (`Order`), so that a missing barrier changes what is computed.
#pragma once
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace emulation {

enum class Order { forward, reverse, random };
enum class State : uint8_t { ready, atWarpOperation, atBarrier, exited };
enum class Operation : uint8_t { none, synchronize, shuffle, vote, matrixProduct, matrixLoad };

/// Where a thread waits, in the kernels' source.
struct Place {
    const char *file = "?";
    int line = 0;
    bool operator==(const Place &other) const {
        return line == other.line && (file == other.file || !strcmp(file, other.file));
    }
};

/// Sixteen bytes that were read from global memory and are not to be seen in shared memory before the thread waits for
/// them.
struct AsynchronousCopy {
    void *destination;
    uint8_t data[16];
    int group;
};

/// What each thread of a grid does.
using Body = std::function<void()>;

struct Thread {
    dim3 index;
    unsigned number = 0, warp = 0, lane = 0;
    State state = State::exited;
    bool started = false;
    void *stackPointer = nullptr;
    char *stack = nullptr;
    Place place;
    int copyGroup = 0;
    std::vector<AsynchronousCopy> copies;
};

/// What lanes show each other in a warp operation. Two generations, for the first lanes to go on may begin the next
/// operation before the last ones have read.
struct alignas(64) Slot {
    uint8_t bytes[2][64];
};

struct Warp {
    uint32_t alive = 0, ready = 0, arrived = 0, mask = 0;
    Operation operation = Operation::none;
    Place place;
    unsigned generation[32] = {};
    Slot slots[32];
    alignas(64) float products[2][32][4];
};

struct Statistics {
    uint64_t launches, threads, switches, barriers, warpOperations;
    uint64_t matrixProducts, matrixLoads, bankConflicts, copiedBytes;
};

inline constexpr size_t stackBytes = 64 << 10, guardBytes = 64 << 10;
inline constexpr unsigned largestBlock = 1024;
/// What a block may have of dynamic shared memory where it asks for more than the usual 48 KiB: on compute capability
/// 8.6 and 8.9, and on 9.0.
inline constexpr size_t usualSharedBytes = 48 << 10, commonSharedBytes = 99 << 10, largestSharedBytes = 227 << 10;

/// The block that runs and everything about it.
struct Machine {
    dim3 grid, block, blockIndex;
    unsigned threadCount = 0, alive = 0, atBarrier = 0;
    Place barrier;
    const char *kernel = nullptr;
    const Body *body = nullptr;
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    std::vector<char *> freeStacks;
    Thread *current = nullptr;
    void *launcherStack = nullptr;
    /// The dynamic shared memory, and the shared variables of the program or library that the kernel is in.
    char *sharedMemory = nullptr, *variables = nullptr;
    size_t sharedBytes = 0, variableBytes = 0;
    Order order = Order::forward;
    uint64_t random = 0x9E3779B97F4A7C15u;
    Statistics statistics{};
    /// What orders accesses to memory (see races.h): the launches so far, the barriers, and every warp's own.
    uint32_t launchNumber = 0, barrierNumber = 0, warpBarriers[largestBlock / 32] = {};

    Warp &currentWarp() { return warps[current->warp]; }
};
inline Machine ownMachine;
/// The machine of the process, which a library of kernels is told when it is opened (kernel_library.h).
inline Machine *machine = &ownMachine;

inline uint64_t nextRandom() {
    uint64_t &r = machine->random;
    r ^= r << 13;
    r ^= r >> 7;
    r ^= r << 17;
    return r;
}

/// Ends the process with a message: the kernel does what no kernel may.
[[noreturn]] inline void fail(const char *message) {
    const Machine &m = *machine;
    fprintf(stderr, "emulation: %s in kernel %s, block (%u, %u, %u)\n", message, m.kernel ? m.kernel : "(none)",
            m.blockIndex.x, m.blockIndex.y, m.blockIndex.z);
    static const char *const names[] = {"ready", "at a warp operation", "at a barrier", "exited"};
    int shown = 0;
    for (const Thread &t : m.threads) {
        if (t.state == State::exited || shown++ == 8) continue;
        fprintf(stderr, "  thread %u (warp %u, lane %u)%s: %s, %s:%d\n", t.number, t.warp, t.lane,
                &t == m.current ? ", running" : "", names[(int)t.state], t.place.file, t.place.line);
        if (shown == 8) break;
    }
    fflush(stderr);
    abort();
}

// MARK: Switching

// Pushes the registers that a callee has to keep, notes the stack pointer in `save` and goes on where the stack `to`
// was left.
#if defined(__x86_64__)
inline constexpr int savedWords = 7, returnWord = 6;
__attribute__((naked, noinline)) inline void exchangeStacks(void ** /*save*/, void * /*to*/) {
    asm volatile(
        "pushq %%rbp\n pushq %%rbx\n pushq %%r12\n pushq %%r13\n pushq %%r14\n pushq %%r15\n"
        "movq %%rsp, (%%rdi)\n movq %%rsi, %%rsp\n"
        "popq %%r15\n popq %%r14\n popq %%r13\n popq %%r12\n popq %%rbx\n popq %%rbp\n ret\n" ::: "memory");
}
#elif defined(__aarch64__)
inline constexpr int savedWords = 20, returnWord = 11;
__attribute__((naked, noinline)) inline void exchangeStacks(void ** /*save*/, void * /*to*/) {
    asm volatile(
        "stp x19, x20, [sp, #-160]!\n stp x21, x22, [sp, #16]\n stp x23, x24, [sp, #32]\n stp x25, x26, [sp, #48]\n"
        "stp x27, x28, [sp, #64]\n stp x29, x30, [sp, #80]\n stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n"
        "stp d12, d13, [sp, #128]\n stp d14, d15, [sp, #144]\n"
        "mov x9, sp\n str x9, [x0]\n mov sp, x1\n"
        "ldp x21, x22, [sp, #16]\n ldp x23, x24, [sp, #32]\n ldp x25, x26, [sp, #48]\n ldp x27, x28, [sp, #64]\n"
        "ldp x29, x30, [sp, #80]\n ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n ldp d12, d13, [sp, #128]\n"
        "ldp d14, d15, [sp, #144]\n ldp x19, x20, [sp], #160\n ret\n" ::: "memory");
}
#else
#error "emulation of CUDA kernels: no fibers for this processor"
#endif

/// The compiler must not know what is called: it would conclude that shared variables, which are static ones to it,
/// keep their values over a barrier.
inline void switchStack(void **save, void *to) {
    void (*exchange)(void **, void *) = &exchangeStacks;
    asm volatile("" : "+r"(exchange));
    exchange(save, to);
}

inline char *takeStack() {
    std::vector<char *> &free = machine->freeStacks;
    if (!free.empty()) {
        char *stack = free.back();
        free.pop_back();
        return stack;
    }
    // A page that may not be touched lies below, so that an overflow ends the process.
    void *memory = mmap(nullptr, guardBytes + stackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, guardBytes, PROT_NONE)) fail("no memory for stacks");
    return (char *)memory + guardBytes;
}

void runThreads();

/// Goes on with a thread and saves where the present one stands.
inline void resume(Thread *next, void **save) {
    if (!next->started) {
        if (!next->stack) next->stack = takeStack();
        // Stacks that begin at the same place modulo 64 KiB would share a few lines of the processor's cache.
        void **top = (void **)(next->stack + stackBytes - (next->number * 1088 & 0x7FC0));
        void **words = top - 1 - savedWords - (savedWords % 2 == 0);
        memset(words, 0, (char *)top - (char *)words);
        words[returnWord] = (void *)&runThreads;
        next->stackPointer = words;
        next->started = true;
    }
    machine->current = next;
    machine->statistics.switches++;
    switchStack(save, next->stackPointer);
}

// MARK: Scheduling

inline unsigned pickLane(uint32_t ready, unsigned after) {
    switch (machine->order) {
        case Order::forward: {
            uint32_t later = after < 31 ? ready & ~((2u << after) - 1) : 0;
            return (unsigned)__builtin_ctz(later ? later : ready);
        }
        case Order::reverse: return 31 - (unsigned)__builtin_clz(ready);
        default: break;
    }
    unsigned skipped = nextRandom() % (unsigned)__builtin_popcount(ready);
    for (; skipped > 0; skipped--) ready &= ready - 1;
    return (unsigned)__builtin_ctz(ready);
}

/// A thread that can go on; of the same warp where the order does not say otherwise, which keeps its lanes together.
inline Thread *pick(const Thread *from) {
    Machine &m = *machine;
    unsigned count = (unsigned)m.warps.size(), first = from ? from->warp : m.order == Order::reverse ? count - 1 : 0;
    if (m.order == Order::random) first = nextRandom() % count;
    for (unsigned i = 0; i < count; i++) {
        unsigned warp = m.order == Order::reverse ? first + count - i : first + i;
        if (warp >= count) warp -= count;
        uint32_t ready = m.warps[warp].ready;
        if (ready) return &m.threads[warp * 32 + pickLane(ready, from && warp == from->warp ? from->lane : 31)];
    }
    return nullptr;
}

/// Lets others run until this thread, which waits or has made all waiting ones ready, is chosen again.
inline void letOthersRun(const char *deadlock) {
    Thread *self = machine->current, *next = pick(self);
    if (!next) fail(deadlock);
    if (next != self) resume(next, &self->stackPointer);
}

inline void exitThread(Thread *self) {
    Machine &m = *machine;
    Warp &warp = m.warps[self->warp];
    if (!self->copies.empty()) fail("a thread ends with asynchronous copies under way");
    self->state = State::exited;
    warp.alive &= ~(1u << self->lane);
    warp.ready &= ~(1u << self->lane);
    m.alive--;
    if (warp.arrived && (warp.mask >> self->lane & 1)) fail("a lane has left while its warp waits for it");
    if (m.atBarrier) fail("a thread has left while others wait at a barrier");
}

/// The body of every fiber: runs threads on one stack, one after another, until there is one that has its own already.
inline void runThreads() {
    Machine &m = *machine;
    for (;;) {
        (*m.body)();
        Thread *self = m.current, *next;
        exitThread(self);
        next = pick(self);
        if (!next && m.alive) fail("threads wait for each other");
        if (next && !next->started) {
            next->stack = self->stack;
            self->stack = nullptr;
            next->started = true;
            m.current = next;
            continue;
        }
        m.freeStacks.push_back(self->stack);
        self->stack = nullptr;
        void *unused;
        m.current = next;
        m.statistics.switches++;
        switchStack(&unused, next ? next->stackPointer : m.launcherStack);
    }
}

/// __syncthreads.
inline void waitAtBarrier(Place place) {
    Machine &m = *machine;
    Thread *self = m.current;
    self->place = place;
    if (m.alive < m.threadCount) fail("a barrier that not every thread of the block reaches");
    if (m.atBarrier == 0) {
        m.barrier = place;
    } else if (!(m.barrier == place)) {
        fail("threads of a block wait at two barriers");
    }
    self->state = State::atBarrier;
    m.currentWarp().ready &= ~(1u << self->lane);
    if (++m.atBarrier == m.threadCount) {
        m.atBarrier = 0;
        m.statistics.barriers++;
        m.barrierNumber++;
        for (Warp &warp : m.warps) warp.ready = warp.alive;
        for (Thread &thread : m.threads) {
            if (thread.state == State::atBarrier) thread.state = State::ready;
        }
        if (m.order == Order::forward) return;
    }
    letOthersRun("a deadlock: not every thread reaches this barrier");
}

/// Waits for the lanes of `mask`; the last one computes what they have together. Gives the generation of the slots.
template <size_t count>
inline unsigned meet(uint32_t mask, const void *shown, Operation operation, Place place,
                     void (*together)(Warp &, unsigned) = nullptr) {
    Machine &m = *machine;
    Thread *self = m.current;
    Warp &warp = m.currentWarp();
    unsigned generation = warp.generation[self->lane]++ & 1;
    if constexpr (count > 0) memcpy(warp.slots[self->lane].bytes[generation], shown, count);
    self->place = place;
    if (!(mask >> self->lane & 1)) fail("a lane is not in its own mask");
    if (mask & ~warp.alive) fail("a warp operation waits for a lane that has left");
    if (!warp.arrived) {
        warp.mask = mask;
        warp.operation = operation;
        warp.place = place;
        m.statistics.warpOperations++;
    } else if (warp.operation != operation || warp.mask != mask || !(warp.place == place)) {
        fail("lanes of a warp meet in two different operations");
    }
    warp.arrived |= 1u << self->lane;
    warp.ready &= ~(1u << self->lane);
    self->state = State::atWarpOperation;
    if (warp.arrived == mask) {
        if (together) together(warp, generation);
        if (operation == Operation::synchronize) m.warpBarriers[self->warp]++;
        for (uint32_t rest = mask; rest; rest &= rest - 1) {
            m.threads[self->warp * 32 + (unsigned)__builtin_ctz(rest)].state = State::ready;
        }
        warp.ready |= mask;
        warp.arrived = 0;
        if (m.order == Order::forward) return generation;
    }
    letOthersRun("a deadlock: not every lane reaches this warp operation");
    return generation;
}

/// What a lane has shown.
template <class T> inline T shown(unsigned lane, unsigned generation) {
    T value;
    memcpy(&value, machine->currentWarp().slots[lane].bytes[generation], sizeof value);
    return value;
}

}  // namespace emulation
