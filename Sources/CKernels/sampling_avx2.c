#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define APUS_LANES 8
#define APUS_FMA 0
#define SAMPLING_TABLE sampling_passes_avx2
#include "sampling_passes.h"
#pragma clang attribute pop
#endif
