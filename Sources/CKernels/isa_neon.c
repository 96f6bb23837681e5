#if defined(__aarch64__)
// 64-bit ARM. Integer pairs multiply at the rate of fp32 here, not at twice it: what they save is unpacking.
#include "CKernels.h"

#include <arm_neon.h>

#define APUS_LANES 4
#define APUS_FMA 1
#define APUS_NEON 1
#define APUS_TABLE apus_kernels_neon
#define APUS_ISA_NAME "neon"
#include "isa_body.h"
#endif
