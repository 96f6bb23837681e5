// Which kernels a processor can run, and which of them it should.
#ifndef APUS_PROCESSOR_H
#define APUS_PROCESSOR_H

/// What decides on kernels: the maker, and which of the instructions that kernels use are there.
typedef struct {
  char vendor[13];  // as CPUID gives it, "AuthenticAMD" or "GenuineIntel"; empty on other architectures
  int family;       // as CPUID gives it with the extended family added; 0 on other architectures
  int avx2, avx512, avx512vnni, avx512bf16, avxvnni;
  int neon, neon_bf16;
} apus_processor;

/// A choice, and why.
typedef struct {
  const char *name;
  const char *reason;
} apus_kernel_choice;

/// The processor that this runs on.
apus_processor apus_processor_here(void);

/// Whether a processor can run the kernels of a name.
int apus_processor_runs(const apus_processor *processor, const char *name);

/// The kernels for a processor: a rule on its maker and its instructions, the same on every start, not a measurement.
apus_kernel_choice apus_choose_kernels(const apus_processor *processor);

#endif
