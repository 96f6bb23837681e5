// Plain C for any processor: four lanes, no fused multiply-add. The other instruction sets are tested against it.
#include "CKernels.h"

#define APUS_LANES 4
#define APUS_FMA 0
#define APUS_TABLE apus_kernels_portable
#define APUS_ISA_NAME "portable"
#include "isa_body.h"
