#if defined(__aarch64__)
#include "CKernels.h"

#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("bf16"))), apply_to = function)
#define APUS_LANES 4
#define APUS_FMA 1
#define APUS_NEON 1
#define APUS_BF16_PAIRS 1
#define APUS_TABLE apus_kernels_neon_bf16
#define APUS_ISA_NAME "neon-bf16"
#include "isa_body.h"
#pragma clang attribute pop
#endif
