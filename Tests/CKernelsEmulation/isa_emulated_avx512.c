// The AVX-512 kernels in plain C: their layouts, their order and so their bits, on any processor. It exists so that they are
// tested everywhere; nothing selects it for speed.
#include "CKernels.h"

// Vectors of 64 bytes never leave this file: how a processor without them would pass them on is of no meaning.
#pragma clang diagnostic ignored "-Wpsabi"

#define APUS_LANES 16
#define APUS_FMA 1
#define APUS_TABLE apus_kernels_emulated_avx512
#define APUS_ISA_NAME "emulated-avx512"
#include "isa_body.h"
