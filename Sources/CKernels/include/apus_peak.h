// Loops that do nothing but keep the arithmetic units or the memory busy: what a processor can do at most.
#ifndef APUS_PEAK_H
#define APUS_PEAK_H

typedef struct {
  /// fp32 multiply-adds in independent chains that fill the pipeline. Returns a number that depends on all of them, so
  /// that none can be left out; `start` keeps the compiler from working it out.
  float (*multiply_add)(long rounds, float start);
  /// Dot products of pairs of 16-bit numbers, added to 32-bit sums, as products of 4-bit and 8-bit weights form them.
  float (*pair_dot)(long rounds, float start);
  /// Reads count floats once, from first to last, and returns a number that depends on all of them.
  float (*read)(const float *p, long count);
  long multiply_add_operations;  // multiplications and additions of one round
  long pair_dot_operations;
  const char *pair_dot_instruction;  // what forms them, for people
} apus_peak_kernels;

#endif
