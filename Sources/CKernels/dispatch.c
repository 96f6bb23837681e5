#include "CKernels.h"

#include <string.h>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

extern const apus_kernels apus_kernels_portable, apus_kernels_emulated_bf16;
#if defined(__x86_64__)
extern const apus_kernels apus_kernels_avx2, apus_kernels_avx512, apus_kernels_avx512bf16;
#elif defined(__aarch64__)
extern const apus_kernels apus_kernels_neon, apus_kernels_neon_bf16;

/// Whether the processor has FEAT_BF16; NEON itself belongs to every 64-bit ARM.
static int neon_multiplies_bf16(void) {
#if defined(__linux__)
  const unsigned long hwcap2_bf16 = 1ul << 14;  // HWCAP2_BF16, which the headers of older systems lack
  return (getauxval(AT_HWCAP2) & hwcap2_bf16) != 0;
#elif defined(__APPLE__)
  int has = 0;
  size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_BF16", &has, &size, NULL, 0) == 0 && has;
#else
  return 0;
#endif
}
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
#elif defined(__aarch64__)
  if ((!name || !strcmp(name, "neon-bf16")) && neon_multiplies_bf16()) return &apus_kernels_neon_bf16;
  if (!name || !strcmp(name, "neon")) return &apus_kernels_neon;
#endif
  if (!name || !strcmp(name, "portable")) return &apus_kernels_portable;
  if (!strcmp(name, "emulated-bf16")) return &apus_kernels_emulated_bf16;
  return 0;
}
