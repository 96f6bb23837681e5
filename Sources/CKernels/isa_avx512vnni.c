#if defined(__x86_64__)
// The integers of avx512, and so its bits, at twice the rate: one instruction multiplies pairs and adds them.
#include "CKernels.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma"))), \
                             apply_to = function)
#define APUS_LANES 16
#define APUS_FMA 1
#define APUS_AVX512 1
#define APUS_VNNI 1
#define APUS_TABLE apus_kernels_avx512vnni
#define APUS_ISA_NAME "avx512vnni"
#include "isa_body.h"
#pragma clang attribute pop
#endif
