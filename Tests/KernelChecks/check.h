// What the checks of kernels share: numbers to compute with, and comparisons that are counted.
#ifndef CHECK_H
#define CHECK_H

#include "CKernels.h"

#include <stdlib.h>

/// An instruction set and the plain C one that computes the same: portable, or emulated-bf16 where products are bf16.
typedef struct {
  const apus_kernels *kernels, *plain;
} subject;

/// Numbers in -1 ..< 1, the same sequence in every run; the caller frees them.
float *random_floats(long count);
float *zeros(long count);

/// Opens a group of comparisons; `close_group` prints one line with how near the worst came to its tolerance.
void open_group(const subject *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void close_group(void);

/// |value - reference| <= tolerance.
void expect_near(float value, double reference, double tolerance);
/// Every element within `relative` of the largest magnitude of the reference.
void expect_array_near(const float *values, const float *reference, long count, double relative);
void expect_same_bits(const void *a, const void *b, size_t bytes, const char *what);

/// How many comparisons failed so far.
long failures(void);

void check_linear(const subject *s);
void check_layer(const subject *s);
void check_attention(const subject *s);
void check_head(const subject *s);
void check_optimizer(const subject *s);
void check_peak(const subject *s);
void check_sampling(void);

#endif
