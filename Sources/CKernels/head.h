// Bodies of the vocabulary kernels; see apus_head.h. Included once for each instruction set.

static apus_tile_summary head_summarize(const float *logits, int count, float inverse_temperature) {
  vf largest = vf_set(-INFINITY);
  int whole = count / APUS_LANES * APUS_LANES;
  for (int i = 0; i < whole; i += APUS_LANES) largest = vf_max(largest, vf_load(logits + i) * inverse_temperature);
  float most = vf_largest(largest);
  for (int i = whole; i < count; i++) {
    float z = logits[i] * inverse_temperature;
    most = z > most ? z : most;
  }
  vf sum = vf_zero(), weighted = vf_zero();
  for (int i = 0; i < whole; i += APUS_LANES) {
    vf z = vf_load(logits + i) * inverse_temperature, e = vf_exp(z - most);
    sum += e;
    weighted = vf_fma(e, z, weighted);
  }
  apus_tile_summary s = {most, vf_sum(sum), vf_sum(weighted)};
  for (int i = whole; i < count; i++) {
    float z = logits[i] * inverse_temperature, e = f_exp(z - most);
    s.sum += e;
    s.weighted = f_fma(e, z, s.weighted);
  }
  return s;
}

static void head_combine(const apus_tile_summary *tiles, int count, float *log_sum_exp, float *entropy) {
  float most = -INFINITY;
  for (int t = 0; t < count; t++) most = tiles[t].largest > most ? tiles[t].largest : most;
  // Two hundred tiles' sums differ by orders of magnitude: accumulate in double, it costs nothing here.
  double sum = 0, weighted = 0;
  for (int t = 0; t < count; t++) {
    double factor = exp((double)tiles[t].largest - (double)most);
    sum += factor * tiles[t].sum;
    weighted += factor * tiles[t].weighted;
  }
  double total = (double)most + log(sum);
  *log_sum_exp = (float)total;
  *entropy = (float)(total - weighted / sum);
}

static void head_gradient(float *logits, int count, float inverse_temperature, float log_sum_exp, float entropy,
                          int target, float d_log_prob, float d_entropy) {
  for (int i = 0; i < count; i += APUS_LANES) {
    vf z = load_part(logits + i, count - i) * inverse_temperature;
    vf log_p = z - log_sum_exp, p = vf_exp(log_p);
    vf d = p * (d_log_prob + d_entropy * (log_p + entropy)) * -inverse_temperature;
    store_part(logits + i, d, count - i);
  }
  if (target >= 0 && target < count) logits[target] += d_log_prob * inverse_temperature;
}

#define APUS_HEAD_KERNELS {.summarize = head_summarize, .combine = head_combine, .gradient = head_gradient}
