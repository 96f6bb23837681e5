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

static void head_cap(float *products, long count, float scale, float cap) {
  const float inner = cap > 0 ? scale / cap : scale;
  for (long i = 0; i < count; i += APUS_LANES) {
    vf x = load_part(products + i, count - i) * inner;
    store_part(products + i, cap > 0 ? vf_capped(x, cap) : x, count - i);
  }
}

/// d logit / d product, at a logit.
APUS_INLINE vf head_slope(vf logit, float scale, float cap) {
  if (cap <= 0) return vf_set(scale);
  const vf t = logit * (1.0f / cap);
  return scale * (1.0f - t * t);
}

static void head_gradient(float *logits, int count, float inverse_temperature, float log_sum_exp, float entropy,
                          int target, float d_log_prob, float d_entropy, float scale, float cap) {
  const int is_plain = scale == 1 && cap <= 0, is_here = target >= 0 && target < count;
  const float slope = is_plain || !is_here ? 1 : head_slope(vf_set(logits[target]), scale, cap)[0];
  for (int i = 0; i < count; i += APUS_LANES) {
    const vf logit = load_part(logits + i, count - i), z = logit * inverse_temperature;
    vf log_p = z - log_sum_exp, p = vf_exp(log_p);
    vf d = p * (d_log_prob + d_entropy * (log_p + entropy)) * -inverse_temperature;
    if (!is_plain) d *= head_slope(logit, scale, cap);
    store_part(logits + i, d, count - i);
  }
  if (is_here) logits[target] += is_plain ? d_log_prob * inverse_temperature : d_log_prob * inverse_temperature * slope;
}

#define APUS_HEAD_KERNELS \
  {.summarize = head_summarize, .combine = head_combine, .cap = head_cap, .gradient = head_gradient}
