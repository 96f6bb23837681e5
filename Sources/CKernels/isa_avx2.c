#if defined(__x86_64__)
#include "CKernels.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define APUS_LANES 8
#define APUS_FMA 1
#define APUS_AVX2 1
#define APUS_TABLE apus_kernels_avx2
#define APUS_ISA_NAME "avx2"
#include "isa_body.h"
#pragma clang attribute pop
#endif
