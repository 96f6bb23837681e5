#include "CKernels.h"

#include <string.h>

extern const apus_kernels apus_kernels_portable;
// Linked into tests alone; see Tests/CKernelsEmulation.
extern const apus_kernels apus_kernels_emulated_avx512 __attribute__((weak));
extern const apus_kernels apus_kernels_emulated_bf16 __attribute__((weak));
#if defined(__x86_64__)
extern const apus_kernels apus_kernels_avx2, apus_kernels_avxvnni, apus_kernels_avx512, apus_kernels_avx512vnni,
    apus_kernels_avx512bf16;
extern const apus_kernels apus_kernels_avxvnni_evex __attribute__((weak));
#elif defined(__aarch64__)
extern const apus_kernels apus_kernels_neon, apus_kernels_neon_bf16;
#endif

const apus_kernels *apus_kernels_named(const char *name) {
  const apus_processor processor = apus_processor_here();
  if (!apus_processor_runs(&processor, name)) return 0;
#if defined(__x86_64__)
  if (!strcmp(name, "avxvnni")) return processor.avxvnni ? &apus_kernels_avxvnni : &apus_kernels_avxvnni_evex;
  static const apus_kernels *const tables[] = {
      &apus_kernels_portable, &apus_kernels_emulated_avx512, &apus_kernels_emulated_bf16, &apus_kernels_avx2,
      &apus_kernels_avx512, &apus_kernels_avx512vnni, &apus_kernels_avx512bf16};
#elif defined(__aarch64__)
  static const apus_kernels *const tables[] = {
      &apus_kernels_portable, &apus_kernels_emulated_avx512, &apus_kernels_emulated_bf16, &apus_kernels_neon,
      &apus_kernels_neon_bf16};
#else
  static const apus_kernels *const tables[] = {
      &apus_kernels_portable, &apus_kernels_emulated_avx512, &apus_kernels_emulated_bf16};
#endif
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
    if (tables[i] && !strcmp(tables[i]->name, name)) return tables[i];
  return 0;
}
