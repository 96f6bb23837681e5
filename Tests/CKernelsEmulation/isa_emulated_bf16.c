// The bf16 pair-dot kernels in plain C: what a processor with bf16 dot products computes, on any processor. It exists
// so that the packing and tiling of that path are tested everywhere; nothing selects it for speed.
#include "CKernels.h"

#define APUS_LANES 4
#define APUS_FMA 0
#define APUS_BF16_PAIRS 1
#define APUS_TABLE apus_kernels_emulated_bf16
#define APUS_ISA_NAME "emulated-bf16"
#include "isa_body.h"
