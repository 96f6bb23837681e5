#include "ccuda_images.h"

static const uint8_t apus_cu[] = {
#embed "kernels/apus.cu" suffix(, 0)
};
static const uint8_t attention_cuh[] = {
#embed "kernels/attention.cuh" suffix(, 0)
};
static const uint8_t attention_backward_cuh[] = {
#embed "kernels/attention_backward.cuh" suffix(, 0)
};
static const uint8_t dialect_h[] = {
#embed "kernels/dialect.h" suffix(, 0)
};
static const uint8_t flash_cuh[] = {
#embed "kernels/flash.cuh" suffix(, 0)
};
static const uint8_t flash_backward_cuh[] = {
#embed "kernels/flash_backward.cuh" suffix(, 0)
};
static const uint8_t flash_forward_cuh[] = {
#embed "kernels/flash_forward.cuh" suffix(, 0)
};
static const uint8_t gradients_cuh[] = {
#embed "kernels/gradients.cuh" suffix(, 0)
};
static const uint8_t head_cuh[] = {
#embed "kernels/head.cuh" suffix(, 0)
};
static const uint8_t kept_cuh[] = {
#embed "kernels/kept.cuh" suffix(, 0)
};
static const uint8_t linear_cuh[] = {
#embed "kernels/linear.cuh" suffix(, 0)
};
static const uint8_t linear_backward_cuh[] = {
#embed "kernels/linear_backward.cuh" suffix(, 0)
};
static const uint8_t linear_exact_cuh[] = {
#embed "kernels/linear_exact.cuh" suffix(, 0)
};
static const uint8_t linear_finish_cuh[] = {
#embed "kernels/linear_finish.cuh" suffix(, 0)
};
static const uint8_t linear_rows_cuh[] = {
#embed "kernels/linear_rows.cuh" suffix(, 0)
};
static const uint8_t linear_sums_cuh[] = {
#embed "kernels/linear_sums.cuh" suffix(, 0)
};
static const uint8_t operands_cuh[] = {
#embed "kernels/operands.cuh" suffix(, 0)
};
static const uint8_t packing_cuh[] = {
#embed "kernels/packing.cuh" suffix(, 0)
};
static const uint8_t reduce_cuh[] = {
#embed "kernels/reduce.cuh" suffix(, 0)
};
static const uint8_t rows_cuh[] = {
#embed "kernels/rows.cuh" suffix(, 0)
};
static const uint8_t sampling_cuh[] = {
#embed "kernels/sampling.cuh" suffix(, 0)
};
static const uint8_t stream_cuh[] = {
#embed "kernels/stream.cuh" suffix(, 0)
};
static const uint8_t weights_cuh[] = {
#embed "kernels/weights.cuh" suffix(, 0)
};
static const uint8_t options_txt[] = {
#embed "kernels/options.txt" suffix(, 0)
};

static const ccuda_source sources[] = {
    {"apus.cu", (const char *)apus_cu},
    {"attention.cuh", (const char *)attention_cuh},
    {"attention_backward.cuh", (const char *)attention_backward_cuh},
    {"dialect.h", (const char *)dialect_h},
    {"flash.cuh", (const char *)flash_cuh},
    {"flash_backward.cuh", (const char *)flash_backward_cuh},
    {"flash_forward.cuh", (const char *)flash_forward_cuh},
    {"gradients.cuh", (const char *)gradients_cuh},
    {"head.cuh", (const char *)head_cuh},
    {"kept.cuh", (const char *)kept_cuh},
    {"linear.cuh", (const char *)linear_cuh},
    {"linear_backward.cuh", (const char *)linear_backward_cuh},
    {"linear_exact.cuh", (const char *)linear_exact_cuh},
    {"linear_finish.cuh", (const char *)linear_finish_cuh},
    {"linear_rows.cuh", (const char *)linear_rows_cuh},
    {"linear_sums.cuh", (const char *)linear_sums_cuh},
    {"operands.cuh", (const char *)operands_cuh},
    {"packing.cuh", (const char *)packing_cuh},
    {"reduce.cuh", (const char *)reduce_cuh},
    {"rows.cuh", (const char *)rows_cuh},
    {"sampling.cuh", (const char *)sampling_cuh},
    {"stream.cuh", (const char *)stream_cuh},
    {"weights.cuh", (const char *)weights_cuh},
};

const ccuda_source *ccuda_sources(size_t *count) {
    *count = sizeof sources / sizeof *sources;
    return sources;
}

const char *ccuda_options(void) { return (const char *)options_txt; }
