// Runs CUDA kernels on the CPU: a kernel's source is compiled as C++ against these headers (`APUS_EMULATION` says so to
// the dialect), and a block's threads are fibers. A test of a kernel is a plain program of C++:
//
//     #include "../../Sources/CCUDA/kernels/rows.cuh"
//     int main() {
//         float *x = emulation::allocate<float>(1000);       // filled with NaN; what lies behind may not be touched
//         int count = 1000;
//         float factor = 2;
//         void *parameters[] = {&x, &count, &factor};
//         emulation::launch_by_name("apus_scale", dim3(4), dim3(256), 0, parameters);
//     }
//
// built with `clang++ -x c++ -std=c++20 -O2 -DAPUS_EMULATION -ITests/CUDAEmulation -ISources/CCUDA/kernels test.cpp`.
// Parameters are read as the driver reads them: one cell for each, of the type of the kernel's parameter. Run such a
// program with EMULATION_ORDER=forward, reverse and random:SEED; results have to be the same to the bit.
//
// The process ends with a report when threads of a block reach different barriers or some none, when lanes of a warp
// meet in different operations, when a block or its shared memory is too large, and when a thread ends with copies
// under way. Shared memory begins every block as NaN (all bits set), what is copied asynchronously is NaN until it is
// waited for, and the pages behind dynamic shared memory and behind what `allocate` gives cannot be touched. With
// `-fsanitize=array-bounds -fsanitize-trap=array-bounds` indices outside shared arrays and arrays of a thread end it
// too, and with `-g -Xclang -fsanitize=thread` (races.h) does any race, in whatever order threads run.
#pragma once
#include <csignal>
#include <map>
#include <tuple>
#include <type_traits>
#include <utility>

#include "fibers.h"
#include "language.h"
#include "races.h"

namespace emulation {

// MARK: Memory

inline constexpr size_t pageBytes = 64 << 10;
/// What allocations and shared memory are aligned to at the least: all that vector loads ask for.
inline constexpr size_t alignment = 16;

inline size_t roundUp(size_t count, size_t multiple) { return (count + multiple - 1) / multiple * multiple; }

/// Bytes that end where a page begins that nobody may touch; near `place` if that can be.
inline char *allocateGuarded(size_t count, void *place = nullptr) {
    size_t mapped = roundUp(std::max(count, alignment), pageBytes);
    void *memory = mmap(place, mapped + pageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    if (mprotect((char *)memory + mapped, pageBytes, PROT_NONE)) fail("no memory for a guard");
    return (char *)memory + mapped - roundUp(count, alignment);
}

inline void releaseGuarded(char *memory, size_t count) {
    size_t mapped = roundUp(std::max(count, alignment), pageBytes);
    munmap(memory + roundUp(count, alignment) - mapped, mapped + pageBytes);
}

/// Memory for a test, all bits set: NaN, and an index that no buffer has.
template <class T> T *allocate(size_t count) {
    char *memory = allocateGuarded(count * sizeof(T));
    if (!memory) fail("no memory");
    memset(memory, 0xFF, count * sizeof(T));
    watch(memory, count * sizeof(T), false);
    return (T *)memory;
}

template <class T> void release(T *memory, size_t count) {
    unwatch(memory);
    releaseGuarded((char *)memory, count * sizeof(T));
}

// MARK: Shared memory

/// Addresses in shared memory as kernels see them, 32 bits: dynamic memory begins at one place, shared variables at
/// another.
inline constexpr uint32_t dynamicAddress = 1024, variableAddress = 1u << 30;

inline uint32_t sharedAddress(const void *pointer) {
    const char *place = (const char *)pointer;
    const size_t offset = (size_t)(place - machine->variables);
    if (offset < machine->variableBytes) return variableAddress + (uint32_t)offset;
    return dynamicAddress + (uint32_t)(place - machine->sharedMemory);
}

/// What `count` bytes at an address are; all of them have to be the block's.
inline char *sharedPointer(uint32_t address, size_t count) {
    const bool isVariable = address >= variableAddress;
    const size_t offset = address - (isVariable ? variableAddress : dynamicAddress);
    if (offset + count > (isVariable ? machine->variableBytes : machine->sharedBytes)) {
        fail("an address outside shared memory");
    }
    return (isVariable ? machine->variables : machine->sharedMemory) + offset;
}

// MARK: Launches

struct OrderChoice {
    Order order = Order::forward;
    uint64_t seed = 0;
};

/// What EMULATION_ORDER asks for: forward, reverse, random or random:SEED.
inline OrderChoice orderFromEnvironment() {
    const char *text = getenv("EMULATION_ORDER");
    if (!text) return {};
    const char *seed = strchr(text, ':');
    if (!strncmp(text, "random", 6)) return {Order::random, seed ? strtoull(seed + 1, nullptr, 10) : 0};
    return {strcmp(text, "reverse") ? Order::forward : Order::reverse, 0};
}

inline void setOrder(OrderChoice choice) {
    machine->order = choice.order;
    machine->random = (choice.seed + 1) * 0xD1342543DE82EF95u;
}

/// Why a launch is refused, or nullptr.
inline const char *refusal(dim3 grid, dim3 block, size_t sharedBytes) {
    if (!grid.x || !grid.y || !grid.z || !block.x || !block.y || !block.z) return "a launch of nothing";
    if (grid.x > 0x7FFFFFFF || grid.y > 65535 || grid.z > 65535) return "too large a grid";
    if ((uint64_t)block.x * block.y * block.z > largestBlock || block.z > 64) return "too large a block";
    if (sharedBytes > largestSharedBytes) return "too much shared memory";
    return nullptr;
}

inline void startBlock(dim3 index) {
    Machine &m = *machine;
    m.blockIndex = index;
    m.alive = m.threadCount;
    m.atBarrier = 0;
    for (unsigned i = 0; i < m.threads.size(); i++) {
        Thread &thread = m.threads[i];
        thread.number = i;
        thread.warp = i / 32;
        thread.lane = i % 32;
        thread.index = dim3(i % m.block.x, i / m.block.x % m.block.y, i / (m.block.x * m.block.y));
        thread.state = i < m.threadCount ? State::ready : State::exited;
        thread.started = false;
        thread.copyGroup = 0;
    }
    for (unsigned i = 0; i < m.warps.size(); i++) {
        unsigned lanes = std::min(32u, m.threadCount - i * 32);
        m.warps[i].alive = m.warps[i].ready = lanes == 32 ? ~0u : (1u << lanes) - 1;
        m.warps[i].arrived = 0;
    }
}

/// While it lives, what a thread does that ends the process is reported with the thread: it touches an address that may
/// not be touched, or uses an index outside an array of fixed size, where that is compiled to a trap.
class FaultReport {
public:
    FaultReport() {
        struct sigaction action {};
        action.sa_sigaction = report;
        action.sa_flags = SA_SIGINFO;
        for (int i = 0; i < signalCount; i++) sigaction(signals[i], &action, &previous[i]);
    }
    ~FaultReport() { restore(); }
    FaultReport(const FaultReport &) = delete;

private:
    static constexpr int signalCount = 4, signals[signalCount] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
    static inline struct sigaction previous[signalCount];

    static void restore() {
        for (int i = 0; i < signalCount; i++) sigaction(signals[i], &previous[i], nullptr);
    }
    /// The access is repeated when this returns, and whoever was there before decides what happens.
    static void report(int signal, siginfo_t *info, void *) {
        const Thread *thread = machine->current;
        const dim3 &block = machine->blockIndex;
        const bool isTrap = signal == SIGILL || signal == SIGTRAP;
        fprintf(stderr, "emulation: %s %p, in kernel %s, block (%u, %u, %u), thread %u\n",
                isTrap ? "an index outside an array, instruction" : "an address that is not to be touched,",
                info->si_addr, machine->kernel ? machine->kernel : "(none)", block.x, block.y, block.z,
                thread ? thread->number : 0);
        restore();
    }
};

/// Copies a launch's arguments and gives what a thread does.
using Binder = Body (*)(void **parameters);

struct Kernel {
    Binder binder;
    /// The shared variables of all kernels of the program or library that it is in.
    char *variables;
    size_t variableBytes;
};

/// Runs a grid, a block after another.
inline void launch(const char *name, const Kernel &kernel, dim3 grid, dim3 block, size_t sharedBytes,
                   const Body &body) {
    Machine &m = *machine;
    m.kernel = name;
    if (const char *reason = refusal(grid, block, sharedBytes)) fail(reason);
    m.grid = grid;
    m.block = block;
    m.body = &body;
    m.threadCount = block.x * block.y * block.z;
    m.warps.resize((m.threadCount + 31) / 32);
    m.threads.resize(m.warps.size() * 32);
    m.sharedMemory = allocateGuarded(sharedBytes);
    if (!m.sharedMemory) fail("no memory");
    m.sharedBytes = sharedBytes;
    m.variables = kernel.variables;
    m.variableBytes = kernel.variableBytes;
    m.statistics.launches++;
    m.launchNumber++;
    watch(m.sharedMemory, sharedBytes, true);
    watch(m.variables, m.variableBytes, true);
    FaultReport faultReport;
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x; x++) {
                startBlock(dim3(x, y, z));
                memset(m.sharedMemory, 0xFF, sharedBytes);
                memset(m.variables, 0xFF, m.variableBytes);
                m.statistics.threads += m.threadCount;
                resume(pick(nullptr), &m.launcherStack);
            }
        }
    }
    unwatch(m.variables);
    unwatch(m.sharedMemory);
    releaseGuarded(m.sharedMemory, sharedBytes);
    m.kernel = nullptr;
}

// MARK: Kernels by name

inline std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> table;
    return table;
}

template <class T>
inline constexpr bool isParameter = std::is_pointer_v<T> || std::is_same_v<T, int> || std::is_same_v<T, float> ||
                                    std::is_same_v<T, long long> ||
                                    (std::is_class_v<T> && std::is_trivially_copyable_v<T>);

template <class... Parameters, size_t... index>
Body bindArguments(void (*kernel)(Parameters...), void **parameters, std::index_sequence<index...>) {
    static_assert((isParameter<Parameters> && ...), "parameters are pointers, int, float, long long or structures");
    std::tuple<Parameters...> arguments(*(Parameters *)parameters[index]...);
    return [kernel, arguments] { std::apply(kernel, arguments); };
}

template <class... Parameters> constexpr size_t parameterCount(void (*)(Parameters...)) {
    return sizeof...(Parameters);
}

/// Makes a kernel known by its name.
template <auto kernel> struct Export {
    explicit Export(const char *name) {
        kernels()[name] = {[](void **parameters) {
                               return bindArguments(kernel, parameters,
                                                    std::make_index_sequence<parameterCount(kernel)>());
                           },
                           __start_apus_shared, (size_t)(__stop_apus_shared - __start_apus_shared)};
    }
};

/// Runs a kernel that was exported, on memory of the host.
inline void launch_by_name(const char *name, dim3 grid, dim3 block, size_t sharedBytes, void **parameters) {
    auto found = kernels().find(name);
    if (found == kernels().end()) {
        fprintf(stderr, "emulation: no kernel is named %s\n", name);
        abort();
    }
    setOrder(orderFromEnvironment());
    launch(name, found->second, grid, block, sharedBytes, found->second.binder(parameters));
}

}  // namespace emulation
