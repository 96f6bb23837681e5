// Runs every kernel family of the named instruction sets against references, and a row alone against rows in company.
// Usage: check_kernels NAME... (each must be available on this processor; without names, only what has one version)
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static struct {
  char title[160];
  double worst;  // of difference / tolerance
  long count, failed, failed_in_all;
} group;

static void count(double ratio) {
  group.count++;
  // Written so that a NaN fails.
  if (!(ratio <= 1)) group.failed++;
  if (!(ratio <= group.worst)) group.worst = ratio;
}

void open_group(const subject *s, const char *format, ...) {
  int used = snprintf(group.title, sizeof group.title, "%-13s ", s ? s->kernels->name : "-");
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(group.title + used, sizeof group.title - (size_t)used, format, arguments);
  va_end(arguments);
  group.worst = 0, group.count = 0, group.failed = 0;
}

void close_group(void) {
  printf("%s %-64s %7ld comparisons, worst at %.3f of its tolerance\n", group.failed ? "FAIL" : "ok  ", group.title,
         group.count, group.worst);
  group.failed_in_all += group.failed;
}

void expect_near(float value, double reference, double tolerance) {
  double difference = fabs(value - reference);
  count(difference == 0 ? 0 : difference / tolerance);
}

void expect_array_near(const float *values, const float *reference, long n, double relative) {
  double largest = 1e-30;
  for (long i = 0; i < n; i++) largest = fmax(largest, fabs((double)reference[i]));
  for (long i = 0; i < n; i++) expect_near(values[i], reference[i], relative * largest);
}

void expect_same_bits(const void *a, const void *b, size_t bytes, const char *what) {
  int differ = memcmp(a, b, bytes) != 0;
  if (differ) printf("     %s: bits differ\n", what);
  count(differ ? INFINITY : 0);
}

long failures(void) { return group.failed_in_all; }

float *zeros(long n) { return calloc((size_t)n + 64, sizeof(float)); }

float *random_floats(long n) {
  static uint64_t state = 0x9E3779B97F4A7C15;
  float *values = zeros(n);
  for (long i = 0; i < n; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    values[i] = (float)(int32_t)(state >> 32) * 0x1p-31f;
  }
  return values;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    subject s = {.kernels = apus_kernels_named(argv[i])};
    if (!s.kernels) {
      fprintf(stderr, "check_kernels: wanted the kernels '%s', which this processor or build lacks\n", argv[i]);
      return 2;
    }
    int bf16 = s.kernels->linear.half_format == APUS_WEIGHT_BF16;
    s.plain = apus_kernels_named(bf16 ? "emulated-bf16" : "portable");
    check_linear(&s);
    check_layer(&s);
    check_attention(&s);
    check_head(&s);
    check_optimizer(&s);
    check_peak(&s);
  }
  check_sampling();
  const apus_processor here = apus_processor_here();
  printf("chosen: %s\n%ld comparisons failed\n", apus_choose_kernels(&here).name, failures());
  return failures() ? 1 : 0;
}
