#if defined(__x86_64__)
#include "CKernels.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma"))), \
                             apply_to = function)
#define APUS_LANES 16
#define APUS_FMA 1
#define APUS_AVX512 1
#define APUS_BF16_PAIRS 1
#define APUS_TABLE apus_kernels_avx512bf16
#define APUS_ISA_NAME "avx512bf16"
#include "isa_body.h"
#pragma clang attribute pop
#endif
