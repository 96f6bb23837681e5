#if defined(__aarch64__)
#include "CKernels.h"

#include <arm_neon.h>

#define APUS_LANES 4
#define APUS_FMA 1
#define APUS_NEON 1
#define APUS_TABLE apus_kernels_neon
#define APUS_ISA_NAME "neon"
#include "isa_body.h"
#endif
