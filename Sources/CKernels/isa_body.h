// Every kernel family, compiled for the instruction set that the including file has set up (see vector.h), and the
// table that holds them. The including file defines APUS_TABLE and APUS_ISA_NAME, and sets the target attribute.
#include "vector.h"

#include "linear.h"

#include "short_rows.h"

#include "layer.h"

#include "attention.h"

#include "head.h"

#include "optimizer.h"

#include "peak.h"

const apus_kernels APUS_TABLE = {
    .name = APUS_ISA_NAME,
    .linear = APUS_LINEAR_KERNELS,
    .layer = APUS_LAYER_KERNELS,
    .attention = APUS_ATTENTION_KERNELS,
    .head = APUS_HEAD_KERNELS,
    .optimizer = APUS_OPTIMIZER_KERNELS,
    .peak = APUS_PEAK_KERNELS,
};
