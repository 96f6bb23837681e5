// The row-wise kernels, the head, the optimizer and the peaks: against the plain C ones, which are checked against
// sums in double elsewhere, and against themselves over other ranges.
#include "check.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static float *copy(const float *from, long count) {
  float *to = zeros(count);
  memcpy(to, from, sizeof(float) * (size_t)count);
  return to;
}

enum { rows = 24, n = 203 };

/// Which layer kernel to run, on all of a range that is rows or elements.
typedef enum { NORM, ADD_NORM, NORM_BACKWARD, ADD, ROPE, SILU, SILU_BACKWARD, LAYER_KERNELS } layer_kernel;
static const char *const layer_names[] = {"rms_norm", "add_rms_norm", "rms_norm_backward", "add",
                                          "rope",     "silu_gate",    "silu_gate_backward"};

typedef struct {
  const float *x, *d, *gain, *cosines, *sines;
  const int32_t *positions;
  float *first, *second;  // results
} layer_data;

static void run_layer(const apus_layer_kernels *k, layer_kernel which, const layer_data *t, int begin, int end) {
  const int heads = 3, head_size = 20;
  switch (which) {
    case NORM: k->rms_norm(t->x, t->gain, 1e-5f, t->first, n, begin, end); break;
    case ADD_NORM: k->add_rms_norm(t->second, t->d, t->gain, 1e-5f, t->first, n, begin, end); break;
    case NORM_BACKWARD: k->rms_norm_backward(t->x, t->gain, 1e-5f, t->d, t->first, n, begin, end); break;
    case ADD: k->add(t->first, t->d, (long)begin * n, (long)end * n); break;
    case ROPE: k->rope(t->first, n, heads, head_size, head_size / 2, t->cosines, t->sines, t->positions, -1, begin, end); break;
    case SILU: k->silu_gate(t->x, t->gain, t->first, (long)begin * n, (long)end * n); break;
    case SILU_BACKWARD:
      k->silu_gate_backward(t->x, t->gain, t->d, t->first, t->second, (long)begin * n, (long)end * n);
      break;
    case LAYER_KERNELS: break;
  }
}

void check_layer(const subject *s) {
  const long count = rows * n;
  float *x = random_floats(count), *d = random_floats(count), *gain = random_floats(count);
  float *cosines = random_floats(rows * 10), *sines = random_floats(rows * 10);
  int32_t positions[rows];
  for (int i = 0; i < rows; i++) positions[i] = (i * 7) % rows;
  for (long i = 0; i < count; i++) x[i] *= 8;
  for (int which = 0; which < LAYER_KERNELS; which++) {
    layer_data all[3];
    for (int i = 0; i < 3; i++) {
      all[i] = (layer_data){x, d, gain, cosines, sines, positions, copy(x, count), copy(x, count)};
      const apus_layer_kernels *k = &(i == 1 ? s->plain : s->kernels)->layer;
      int step = i == 2 ? 1 : rows;
      for (int begin = 0; begin < rows; begin += step) run_layer(k, (layer_kernel)which, &all[i], begin, begin + step);
    }
    open_group(s, "%s", layer_names[which]);
    expect_array_near(all[0].first, all[1].first, count, 2e-6);
    expect_array_near(all[0].second, all[1].second, count, 2e-6);
    expect_same_bits(all[0].first, all[2].first, sizeof(float) * count, "rows on their own");
    expect_same_bits(all[0].second, all[2].second, sizeof(float) * count, "rows on their own");
    close_group();
    for (int i = 0; i < 3; i++) free(all[i].first), free(all[i].second);
  }
  free(x), free(d), free(gain), free(cosines), free(sines);
}

void check_head(const subject *s) {
  enum { vocabulary = 5 * APUS_VOCABULARY_TILE + 131, tiles = 6 };
  float *logits = random_floats(vocabulary);
  for (int i = 0; i < vocabulary; i++) logits[i] *= 12;
  const float inverse_temperature = 1.25f;
  const apus_head_kernels *k = &s->kernels->head;
  apus_tile_summary summaries[tiles];
  double sum = 0, weighted = 0;
  for (int t = 0; t < tiles; t++) {
    int begin = t * APUS_VOCABULARY_TILE, end = begin + APUS_VOCABULARY_TILE;
    end = end < vocabulary ? end : vocabulary;
    summaries[t] = k->summarize(logits + begin, end - begin, inverse_temperature);
    for (int i = begin; i < end; i++) {
      double z = logits[i] * inverse_temperature;
      sum += exp(z), weighted += exp(z) * z;
    }
  }
  float log_sum_exp, entropy;
  k->combine(summaries, tiles, &log_sum_exp, &entropy);
  open_group(s, "log-sum-exp, entropy and their gradient, in double");
  expect_near(log_sum_exp, log(sum), 2e-6 * log(sum));
  expect_near(entropy, log(sum) - weighted / sum, 2e-6 * log(sum));
  for (int t = 0; t < tiles; t++) {
    int begin = t * APUS_VOCABULARY_TILE, count = vocabulary - begin;
    count = count < APUS_VOCABULARY_TILE ? count : APUS_VOCABULARY_TILE;
    float *tile = copy(logits + begin, count);
    k->gradient(tile, count, inverse_temperature, log_sum_exp, entropy, 1000 - begin, 0.7f, -0.1f, 1, 0);
    for (int i = 0; i < count; i++) {
      double log_p = (double)(logits[begin + i] * inverse_temperature) - log_sum_exp, p = exp(log_p);
      double d = 0.7 * ((begin + i == 1000) - p) + 0.1 * p * (log_p + entropy);
      expect_near(tile[i], d * inverse_temperature, 2e-6);
    }
    free(tile);
  }
  close_group();
  free(logits);
}

void check_optimizer(const subject *s) {
  enum { count = 9001 };
  float *g = random_floats(count), *start[3];
  for (int i = 0; i < 3; i++) start[i] = random_floats(count);
  for (int i = 0; i < count; i++) start[2][i] = fabsf(start[2][i]);
  float *state[3][3];
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) state[i][j] = copy(start[j], count);
    const apus_optimizer_kernels *k = &(i == 1 ? s->plain : s->kernels)->optimizer;
    int step = i == 2 ? 101 : count;
    for (int at = 0; at < count; at += step) {
      int length = count - at < step ? count - at : step;
      k->adamw(state[i][0] + at, state[i][1] + at, state[i][2] + at, g + at, length, 1e-3, 0.9, 0.999, 1e-8, 0.01, 0.1,
               0.0316, 0.5);
    }
  }
  open_group(s, "adamw and sum_of_squares");
  for (int j = 0; j < 3; j++) {
    expect_array_near(state[0][j], state[1][j], count, 1e-6);
    expect_same_bits(state[0][j], state[2][j], sizeof(float) * count, "parts of the parameters");
  }
  double squares = s->kernels->optimizer.sum_of_squares(g, count), plain = s->plain->optimizer.sum_of_squares(g, count);
  expect_same_bits(&squares, &plain, sizeof squares, "sum of squares");
  close_group();
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) free(state[i][j]);
  for (int j = 0; j < 3; j++) free(start[j]);
  free(g);
}

void check_peak(const subject *s) {
  enum { count = 4099 };
  float *x = random_floats(count);
  double sum = 0;
  for (int i = 0; i < count; i++) sum += x[i];
  open_group(s, "peak loops");
  expect_near(s->kernels->peak.read(x, count), sum, 1e-3);
  expect_near(isfinite(s->kernels->peak.multiply_add(1000, 0.75f)), 1, 0);
  expect_near(isfinite(s->kernels->peak.pair_dot(1000, 0.75f)), 1, 0);
  close_group();
  free(x);
}
