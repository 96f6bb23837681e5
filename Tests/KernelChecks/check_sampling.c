// The sampler against a cumulative sum in double.
#include "check.h"

#include <math.h>
#include <string.h>

void check_sampling(void) {
  enum { vocabulary = 3001 };
  open_group(NULL, "sampling");
  float *logits = random_floats(vocabulary), *row = zeros(vocabulary), *scratch = zeros(vocabulary);
  for (int i = 0; i < vocabulary; i++) logits[i] *= 6;
  const apus_sampling_history none = {0};
  const apus_sampling_parameters settings[] = {
      {.temperature = 0.8f, .top_p = 1, .repetition_penalty = 1},
      {.temperature = 1, .top_k = 40, .top_p = 1, .repetition_penalty = 1},
      {.temperature = 1, .top_p = 0.9f, .min_p = 0.01f, .repetition_penalty = 1}};
  for (int s = 0; s < 3; s++) {
    memcpy(row, logits, sizeof(float) * vocabulary);
    apus_filter_logits(row, vocabulary, &settings[s], &none, scratch);
    double total = 0;
    long kept = 0;
    for (int i = 0; i < vocabulary; i++) total += exp(row[i]), kept += isfinite(row[i]);
    if (s == 1) expect_near((float)kept, 40, 0);
    for (uint32_t draw = 0; draw < 50; draw++) {
      // Numbers in [0, 1) that fall everywhere.
      double uniform = fmod(0.5 + 0.6180339887498949 * draw, 1), before = 0;
      float *again = zeros(vocabulary);
      memcpy(again, logits, sizeof(float) * vocabulary);
      int token = apus_sample_row(again, vocabulary, &settings[s], &none, uniform, scratch);
      for (int i = 0; i < token; i++) before += exp(row[i]) / total;
      double p = exp(row[token]) / total;
      expect_near((float)(before + p / 2), uniform, p / 2 + 1e-6);
      free(again);
    }
  }
  close_group();
  free(logits), free(row), free(scratch);
}
