// Finds every race of a kernel that runs, in whatever order its threads happen to run: two accesses to the same byte,
// one of them a write, by two threads of which neither waits for the other at a barrier (or at __syncwarp within a
// warp, or with a copy that it waits for) in between; of two blocks always.
//
// The compiler reports each access when it is asked to instrument for its own race detector, of which no more is taken
// than that: `clang++ -g -Xclang -fsanitize=thread ...`, and nothing else at the link. Watched are shared memory, what
// `allocate` gives and what the emulated driver allocates.
#pragma once
#include <dlfcn.h>

#include "fibers.h"

namespace emulation {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EMULATION_FINDS_RACES
#endif
#endif
#define EMULATION_UNWATCHED __attribute__((disable_sanitizer_instrumentation))

/// Of an access, what tells whether another one is ordered after it.
struct Access {
    const void *instruction;
    uint32_t launch, block, barrier;
    uint16_t thread, warpBarrier;
};

/// The last accesses to a byte. Two readers are enough to know of one that is not the writer.
struct Cell {
    Access write, reads[2];
};

/// Memory that is watched, with a cell for each byte. Blocks do not share what is shared within a block.
struct Region {
    const char *start, *end;
    Cell *cells;
    bool isOfBlock;
};

/// Plain arrays, for what runs within an access must not itself be instrumented.
struct Watch {
    Region regions[8192];
    int count = 0, last = 0;
    bool hasFound = false;
};
inline Watch watched;

inline void watch([[maybe_unused]] const void *start, [[maybe_unused]] size_t count, [[maybe_unused]] bool isOfBlock) {
#ifdef EMULATION_FINDS_RACES
    if (!count) return;
    if (watched.count == 8192) fail("too much memory to watch");
    void *cells = mmap(nullptr, count * sizeof(Cell), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (cells == MAP_FAILED) fail("no memory to watch with");
    watched.regions[watched.count++] = {(const char *)start, (const char *)start + count, (Cell *)cells, isOfBlock};
#endif
}

inline void unwatch([[maybe_unused]] const void *start) {
#ifdef EMULATION_FINDS_RACES
    for (int i = 0; i < watched.count; i++) {
        Region &region = watched.regions[i];
        if (region.start != start) continue;
        munmap(region.cells, (size_t)(region.end - region.start) * sizeof(Cell));
        region = watched.regions[--watched.count];
        watched.last = 0;
        return;
    }
#endif
}

#ifdef EMULATION_FINDS_RACES

/// Prints where an instruction stands in the source, if the tool for that is there.
inline void printPlace(const char *what, const Access &access) {
    fprintf(stderr, "  %s by thread %u of block %u, ", what, access.thread, access.block);
    Dl_info info{};
    if (!dladdr(access.instruction, &info) || !info.dli_fbase) return;
    size_t offset = (size_t)((const char *)access.instruction - (const char *)info.dli_fbase) - 1;
    char command[1024];
    snprintf(command, sizeof command, "addr2line -sie '%s' 0x%zx | grep -E '[.](cuh?|cpp):' 1>&2", info.dli_fname,
             offset);
    fflush(stderr);
    if (system(command)) fprintf(stderr, "%s+0x%zx\n", info.dli_fname, offset);
}

[[noreturn]] inline void reportRace(const Access &first, bool firstWrites, const Access &second, bool secondWrites) {
    watched.hasFound = true;
    fprintf(stderr, "emulation: a race in kernel %s\n", machine->kernel);
    printPlace(firstWrites ? "written" : "read", first);
    printPlace(secondWrites ? "written" : "read", second);
    fail("a race");
}

EMULATION_UNWATCHED inline bool isOrdered(const Access &before, const Access &now, bool isOfBlock) {
    if (before.launch != now.launch) return true;
    if (before.block != now.block) return isOfBlock;
    if (before.thread == now.thread || before.barrier != now.barrier) return true;
    return before.thread / 32 == now.thread / 32 && before.warpBarrier != now.warpBarrier;
}

EMULATION_UNWATCHED inline void keepRead(Cell &cell, const Access &now, bool isOfBlock) {
    if (isOrdered(cell.reads[0], now, isOfBlock)) {
        cell.reads[0] = now;
    } else if (isOrdered(cell.reads[1], now, isOfBlock) || cell.reads[1].thread / 32 == cell.reads[0].thread / 32) {
        cell.reads[1] = now;
    }
}

EMULATION_UNWATCHED inline void access(const void *address, size_t count, bool isWrite, const void *instruction) {
    const Machine &m = *machine;
    const char *start = (const char *)address;
    const Thread *thread = m.current;
    if (!thread || watched.hasFound || (size_t)(start - thread->stack) < stackBytes) return;
    Watch &w = watched;
    int found = w.last;
    if (found >= w.count || start < w.regions[found].start || start >= w.regions[found].end) {
        for (found = 0; found < w.count; found++) {
            if (start >= w.regions[found].start && start < w.regions[found].end) break;
        }
        if (found == w.count) return;
        w.last = found;
    }
    const Region &region = w.regions[found];
    const uint32_t block = (m.blockIndex.z * m.grid.y + m.blockIndex.y) * m.grid.x + m.blockIndex.x;
    const Access now{instruction,           (uint32_t)m.launchNumber, block,
                     m.barrierNumber,       (uint16_t)thread->number, (uint16_t)m.warpBarriers[thread->warp]};
    for (size_t i = (size_t)(start - region.start), end = i + count; i < end && region.start + i < region.end; i++) {
        Cell &cell = region.cells[i];
        if (!isOrdered(cell.write, now, region.isOfBlock)) reportRace(cell.write, true, now, isWrite);
        if (!isWrite) {
            keepRead(cell, now, region.isOfBlock);
            continue;
        }
        for (const Access &read : cell.reads) {
            if (!isOrdered(read, now, region.isOfBlock)) reportRace(read, false, now, true);
        }
        cell.write = now;
    }
}

#endif
}  // namespace emulation

#ifdef EMULATION_FINDS_RACES
#include "race_hooks.h"
#endif
