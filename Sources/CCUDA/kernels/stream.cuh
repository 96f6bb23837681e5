// What comes to shared memory while threads work on what came before.
#pragma once
#include "dialect.h"

/// Brings one item after another, each into the next of `stageCount` places, so that some are under way while one is used.
/// `Self::copy(item, stage)` begins to bring one, and nothing behind the last.
template <class Self, int stageCount> struct Stream {
    static constexpr int stages = stageCount;

    __device__ void begin() const {
        for (int item = 0; item < stages - 1; item++) bring(item);
    }

    /// Waits for the next one. What the one before was in is overwritten.
    __device__ void take(int item) const {
        apus_copy_wait<stages - 2>();
        __syncthreads();
        bring(item + stages - 1);
    }

private:
    __device__ void bring(int item) const {
        static_cast<const Self *>(this)->copy(item, item % stages);
        apus_copy_commit();
    }
};
