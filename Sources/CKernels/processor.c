#include "apus_processor.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#if defined(__x86_64__)
static void read_maker(apus_processor *p) {
  unsigned a, b, c, d;
  if (!__get_cpuid(0, &a, &b, &c, &d)) return;
  memcpy(p->vendor, &b, 4), memcpy(p->vendor + 4, &d, 4), memcpy(p->vendor + 8, &c, 4);
  if (!__get_cpuid(1, &a, &b, &c, &d)) return;
  p->family = a >> 8 & 15;
  if (p->family == 15) p->family += a >> 20 & 255;
}
#elif defined(__aarch64__)
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

apus_processor apus_processor_here(void) {
  apus_processor p = {0};
#if defined(__x86_64__)
  read_maker(&p);
  __builtin_cpu_init();
  p.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  p.avxvnni = p.avx2 && __builtin_cpu_supports("avxvnni");
  p.avx512 = p.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  p.avx512vnni = p.avx512 && __builtin_cpu_supports("avx512vnni");
  p.avx512bf16 = p.avx512vnni && __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__)
  p.neon = 1;
  p.neon_bf16 = neon_multiplies_bf16();
#endif
  return p;
}

int apus_processor_runs(const apus_processor *p, const char *name) {
  const struct {
    const char *name;
    int runs;
  } sets[] = {
      {"portable", 1}, {"emulated-avx512", 1}, {"emulated-bf16", 1}, {"avx2", p->avx2},
      // With AVX-512's encoding of the same instruction too, for tests: see isa_avxvnni.c.
      {"avxvnni", p->avxvnni || p->avx512vnni},
      {"avx512", p->avx512}, {"avx512vnni", p->avx512vnni}, {"avx512bf16", p->avx512bf16},
      {"neon", p->neon}, {"neon-bf16", p->neon_bf16},
  };
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
    if (!strcmp(sets[i].name, name)) return sets[i].runs;
  return 0;
}

// GFLOP/s of one core in loops that do nothing else (peak.h; 2026-11): fp32, integer pairs by two instructions, by
// vpdpwssd, bf16 pairs.
//   AMD Zen 4 (family 25)         115   165   229   229
//   AMD Zen 5 (family 26)         227    -    500   500
//   Intel Emerald Rapids (6)      185   185-250   367   86
//   AMD Zen 3 (AVX2 alone)        103   160    -     -
apus_kernel_choice apus_choose_kernels(const apus_processor *p) {
  if (p->avx512bf16 && !strcmp(p->vendor, "AuthenticAMD"))
    return (apus_kernel_choice){"avx512bf16", "AMD multiplies pairs of integers and of bf16 numbers at the same rate"};
  if (p->avx512bf16)
    return (apus_kernel_choice){
        "avx512vnni", "pairs of integers run at twice the rate of fp32; bf16 dot products are known to be fast on AMD alone"};
  if (p->avx512vnni) return (apus_kernel_choice){"avx512vnni", "pairs of integers run at twice the rate of fp32"};
  if (p->avx512) return (apus_kernel_choice){"avx512", "the widest vectors; there is no VNNI"};
  if (p->avxvnni) return (apus_kernel_choice){"avxvnni", "pairs of integers run at twice the rate of fp32"};
  if (p->avx2) return (apus_kernel_choice){"avx2", "the widest vectors; there is neither AVX-512 nor VNNI"};
  if (p->neon_bf16) return (apus_kernel_choice){"neon-bf16", "bf16 dot products; integers multiply at the rate of fp32"};
  if (p->neon) return (apus_kernel_choice){"neon", "there are no bf16 dot products"};
  return (apus_kernel_choice){"portable", "no other kernels run on this processor"};
}
