#include "CKernels.h"

#include <string.h>

extern const apus_kernels apus_kernels_portable, apus_kernels_emulated_bf16;
#if defined(__x86_64__)
extern const apus_kernels apus_kernels_avx2, apus_kernels_avx512, apus_kernels_avx512bf16;
#endif

const apus_kernels *apus_kernels_named(const char *name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  int avx512bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  if (avx512bf16 && (!name || !strcmp(name, "avx512bf16"))) return &apus_kernels_avx512bf16;
  if (avx512 && (!name || !strcmp(name, "avx512"))) return &apus_kernels_avx512;
  if (avx2 && (!name || !strcmp(name, "avx2"))) return &apus_kernels_avx2;
#endif
  if (!name || !strcmp(name, "portable")) return &apus_kernels_portable;
  if (!strcmp(name, "emulated-bf16")) return &apus_kernels_emulated_bf16;
  return 0;
}
