#if defined(__x86_64__)
// The kernels of isa_avxvnni.c in AVX-512's encoding, so that they are tested where a processor has only that.
#include "CKernels.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512vl,avx512vnni"))), apply_to = function)
#define APUS_LANES 8
#define APUS_FMA 1
#define APUS_AVX2 1
#define APUS_VNNI 1
#define APUS_TABLE apus_kernels_avxvnni_evex
#define APUS_ISA_NAME "avxvnni"
#include "isa_body.h"
#pragma clang attribute pop
#endif
