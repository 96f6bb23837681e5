#if defined(__x86_64__)
// avx512vnni, and bf16 dot products for bf16 weights: on processors where those run at the rate of integer pairs.
#include "CKernels.h"

#include <immintrin.h>

#pragma clang attribute push(                                                                        \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,avx2,fma"))), \
    apply_to = function)
#define APUS_LANES 16
#define APUS_FMA 1
#define APUS_AVX512 1
#define APUS_VNNI 1
#define APUS_BF16_DOT 1
// Blocks as measured on Zen 4, GFLOP/s of 236: 205 in place of 170 where 32 rows read codes, and 201 in place of 195 where
// 320 rows read turned panels of twice the depth.
#define APUS_ZEN 1
#define APUS_TABLE apus_kernels_avx512bf16
#define APUS_ISA_NAME "avx512bf16"
#include "isa_body.h"
#pragma clang attribute pop
#endif
