// A CUDA device for tests, made of the CPU: the tables of functions that Apus takes from NVIDIA's libraries, filled
// with functions that run Apus' own kernels as C++ (emulation.h). It is stricter than a card:
//
// - Streams are lazy. Work runs when something waits for it and not before; each query runs one more piece. What a
//   copy to the host will overwrite is filled with ones (NaN) when it is asked for. What a copy from pinned memory
//   brings is read when it runs; pageable memory is read at once, as NVIDIA's driver does it.
// - New memory is all ones. What nothing is mapped at cannot be touched, nor what lies behind pinned memory; addresses
//   are used once, so that what was freed cannot be touched either. Where a kernel does it, a line on stderr says which,
//   and the process ends.
// - Of several streams one runs no further than another waits for, or all as far as they can: a wait that is missing
//   shows in one of the two (`cuda_emulation_set_streams_run_ahead`).
// - Threads need their own cuCtxSetCurrent; handles, ranges, launches and captures are checked, and a line on stderr
//   says why one was refused.
//
// There is one device state for the process. Calls from several threads wait for each other, but settings, failures and
// counts concern all: tests that use those run one after another.
#pragma once

#include "ccuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The driver's functions; `cuInit` comes first, as ever.
const struct cuda_driver *cuda_emulated_driver(void);
/// cuBLASLt's functions: products of bf16 and fp32, sums in fp32. The order of a sum depends on all sizes of the product, and on
/// the run where the caller lets algorithms add in place. An algorithm is taken only for what it was asked for.
const struct cublas_lt *cuda_emulated_blas(void);

/// Releases everything, and takes back settings, failures and counts. Handles and addresses from before are invalid.
void cuda_emulation_reset(void);

// MARK: Settings, until the next reset

enum cuda_emulation_order {
    /// Lane after lane, warp after warp; the default.
    CUDA_EMULATION_FORWARD,
    CUDA_EMULATION_REVERSE,
    CUDA_EMULATION_RANDOM,
};

/// In which order the threads of a block run between barriers. The environment's EMULATION_ORDER is the default.
void cuda_emulation_set_order(enum cuda_emulation_order order, uint64_t seed);
/// Whether streams that nobody waits for go on as soon as they can while others work; otherwise they stand still.
void cuda_emulation_set_streams_run_ahead(int runAhead);
/// Devices, 1 unless set. Without any, `cuInit` says so.
void cuda_emulation_set_device_count(int count);
/// The version of CUDA that the driver is for, 13000 unless set.
void cuda_emulation_set_driver_version(int version);
/// The compute capability of all devices, 8.9 unless set.
void cuda_emulation_set_compute_capability(int major, int minor);
/// The memory of each device, 8 GiB unless set.
void cuda_emulation_set_total_memory(size_t bytes);
/// The shared memory that a block may have, 99 KiB unless set and at most 227 KiB.
void cuda_emulation_set_shared_memory(size_t bytes);

/// Whether kernels reach pinned memory of the host at the host's own addresses; they do unless set.
void cuda_emulation_set_shares_host_addresses(int shares);

/// What memory is mapped in multiples of, a multiple of the system's pages; 2 MiB, as of cards, unless set.
void cuda_emulation_set_granularity(size_t bytes);

// MARK: Failures

/// Lets a call fail with a code, of the driver or of cuBLASLt, without doing anything: the `number`-th from now of a
/// function, the next one being 1. Codes from 700 to 799 are sticky as on a card: work that waits is dropped, and all
/// that needs the context fails with the same code until the next reset. The environment's EMULATION_FAIL, a list of
/// FUNCTION:NUMBER:CODE with commas, does the same from the beginning.
void cuda_emulation_fail_call(const char *function, uint64_t number, CUresult code);

// MARK: Counts since the last reset

struct cuda_emulation_statistics {
    /// Of kernels, their threads, the barriers of blocks and the operations of warps.
    uint64_t launches, threads, barriers, warpOperations;
    /// Products of 16 x 16 and 16 x 8 matrices.
    uint64_t matrixProducts;
    /// Loads of matrices from shared memory, and how many times one had to wait for another row in the same banks.
    uint64_t matrixLoads, bankConflicts;
    /// Bytes copied asynchronously to shared memory.
    uint64_t copiedBytes;
};
struct cuda_emulation_statistics cuda_emulation_statistics(void);
/// How often a function was called, failures included.
uint64_t cuda_emulation_call_count(const char *function);
/// How often a kernel has run.
uint64_t cuda_emulation_launch_count(const char *kernel);
/// Bytes of device memory in use.
size_t cuda_emulation_used_memory(void);
/// Bytes of the host's memory that is pinned.
size_t cuda_emulation_pinned_memory(void);
/// Pieces of work that no one has waited for yet.
size_t cuda_emulation_pending_work(void);

// MARK: Faults of kernels

/// The kernels that do what none may: the emulator has to end the process, or the result has to depend on the order.
enum cuda_emulation_fault {
    CUDA_EMULATION_WRITE_OUTSIDE,
    CUDA_EMULATION_READ_OUTSIDE,
    CUDA_EMULATION_SHARED_WRITE_OUTSIDE,
    CUDA_EMULATION_MISSING_BARRIER,
    CUDA_EMULATION_DIVERGENT_BARRIER,
    CUDA_EMULATION_BARRIER_AFTER_EXIT,
    CUDA_EMULATION_DIVERGENT_SHUFFLE,
    CUDA_EMULATION_SHUFFLE_AFTER_EXIT,
    CUDA_EMULATION_MISSING_COPY_WAIT,
    CUDA_EMULATION_WRONG_COPY_WAIT,
    CUDA_EMULATION_UNWRITTEN_SHARED_MEMORY,
    /// Two kernels without a fault, for comparison.
    CUDA_EMULATION_RIGHT_COPY,
    CUDA_EMULATION_NO_FAULT,
};

enum cuda_emulation_outcome {
    CUDA_EMULATION_RIGHT,
    CUDA_EMULATION_WRONG,
    /// The process has ended.
    CUDA_EMULATION_ENDED,
};
/// Runs one of them, in the order that was set, in a process of its own, and gives what that process has said on stderr,
/// cut off where there is no more room.
enum cuda_emulation_outcome cuda_emulation_run_fault(enum cuda_emulation_fault fault, char *report, size_t capacity);

#ifdef __cplusplus
}
#endif
