#if defined(__x86_64__)
// The integers of avx2, and so its bits, with one instruction that multiplies pairs and adds them: for processors without
// AVX-512. Tests have it in AVX-512's encoding of that instruction too, for processors that know only this one.
#include "CKernels.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,avxvnni"))), apply_to = function)
#define APUS_LANES 8
#define APUS_FMA 1
#define APUS_AVX2 1
#define APUS_VNNI 1
#define APUS_VNNI_VEX 1
#define APUS_TABLE apus_kernels_avxvnni
#define APUS_ISA_NAME "avxvnni"
#include "isa_body.h"
#pragma clang attribute pop
#endif
