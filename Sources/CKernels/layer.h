// Bodies of the row-wise kernels; see apus_layer.h. Included once for each instruction set.

/// Σ a[i] b[i]: four vector accumulators, then a fixed tree, then the tail in order.
APUS_INLINE float row_dot(const float *a, const float *b, int n) {
  vf sums[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
  int i = 0;
  for (; i + 4 * APUS_LANES <= n; i += 4 * APUS_LANES)
    for (int j = 0; j < 4; j++)
      sums[j] = vf_fma(vf_load(a + i + j * APUS_LANES), vf_load(b + i + j * APUS_LANES), sums[j]);
  float total = vf_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; i++) total = f_fma(a[i], b[i], total);
  return total;
}

/// y = (x * factor) * gain
APUS_INLINE void row_scale(const float *x, const float *gain, float factor, float *y, int n) {
  int i = 0;
  for (; i + APUS_LANES <= n; i += APUS_LANES) vf_store(y + i, vf_load(x + i) * factor * vf_load(gain + i));
  for (; i < n; i++) y[i] = x[i] * factor * gain[i];
}

APUS_INLINE void row_add(float *x, const float *d, long n) {
  long i = 0;
  for (; i + APUS_LANES <= n; i += APUS_LANES) vf_store(x + i, vf_load(x + i) + vf_load(d + i));
  for (; i < n; i++) x[i] += d[i];
}

APUS_INLINE float inverse_rms(const float *x, int n, float epsilon) {
  return 1.0f / sqrtf(row_dot(x, x, n) / (float)n + epsilon);
}

static void layer_rms_norm(const float *x, const float *gain, float epsilon, float *y, int n, int row_begin,
                           int row_end) {
  for (long r = row_begin; r < row_end; r++) row_scale(x + r * n, gain, inverse_rms(x + r * n, n, epsilon), y + r * n, n);
}

static void layer_add_rms_norm(float *x, const float *d, const float *gain, float epsilon, float *y, int n,
                               int row_begin, int row_end) {
  for (long r = row_begin; r < row_end; r++) {
    row_add(x + r * n, d + r * n, n);
    row_scale(x + r * n, gain, inverse_rms(x + r * n, n, epsilon), y + r * n, n);
  }
}

static void layer_rms_norm_backward(const float *x, const float *gain, float epsilon, const float *dy, float *dx,
                                    int n, int row_begin, int row_end) {
  for (long r = row_begin; r < row_end; r++) {
    const float *xr = x + r * n, *dyr = dy + r * n;
    float *dxr = dx + r * n;
    float inverse = inverse_rms(xr, n, epsilon);
    // y = x·inverse·gain; dx = inverse·(g - x·(x·g)·inverse²/n) with g = gain·dy.
    vf sums = vf_zero();
    int i = 0;
    for (; i + APUS_LANES <= n; i += APUS_LANES)
      sums = vf_fma(vf_load(gain + i) * vf_load(dyr + i), vf_load(xr + i), sums);
    float projection = vf_sum(sums);
    for (; i < n; i++) projection = f_fma(gain[i] * dyr[i], xr[i], projection);
    float along = projection * inverse * inverse / (float)n;
    for (i = 0; i + APUS_LANES <= n; i += APUS_LANES) {
      vf g = vf_load(gain + i) * vf_load(dyr + i);
      vf_store(dxr + i, vf_fma(vf_fma(vf_load(xr + i), vf_set(-along), g), vf_set(inverse), vf_load(dxr + i)));
    }
    for (; i < n; i++) dxr[i] = f_fma(f_fma(xr[i], -along, gain[i] * dyr[i]), inverse, dxr[i]);
  }
}

static void layer_add(float *x, const float *d, long begin, long end) { row_add(x + begin, d + begin, end - begin); }

static void layer_rope(float *x, long ldx, int heads, int head_size, int half, const float *cosines,
                       const float *sines, const int32_t *positions, float direction, int row_begin, int row_end) {
  for (long r = row_begin; r < row_end; r++) {
    const float *c = cosines + (long)positions[r] * half, *s = sines + (long)positions[r] * half;
    for (int h = 0; h < heads; h++) {
      float *low = x + r * ldx + h * head_size, *high = low + half;
      int j = 0;
      for (; j + APUS_LANES <= half; j += APUS_LANES) {
        vf cosine = vf_load(c + j), sine = vf_load(s + j) * direction, a = vf_load(low + j), b = vf_load(high + j);
        vf_store(low + j, a * cosine - b * sine);
        vf_store(high + j, b * cosine + a * sine);
      }
      for (; j < half; j++) {
        float sine = s[j] * direction, a = low[j], b = high[j];
        low[j] = a * c[j] - b * sine;
        high[j] = b * c[j] + a * sine;
      }
    }
  }
}

APUS_INLINE vf vf_sigmoid(vf x) { return 1.0f / (1.0f + vf_exp(-x)); }

static void layer_silu_gate(const float *gate, const float *up, float *h, long begin, long end) {
  for (long i = begin; i < end; i += APUS_LANES) {
    vf g = load_part(gate + i, end - i), u = load_part(up + i, end - i);
    store_part(h + i, g * vf_sigmoid(g) * u, end - i);
  }
}

static void layer_silu_gate_backward(const float *gate, const float *up, const float *dh, float *d_gate, float *d_up,
                                     long begin, long end) {
  for (long i = begin; i < end; i += APUS_LANES) {
    vf g = load_part(gate + i, end - i), u = load_part(up + i, end - i), d = load_part(dh + i, end - i);
    vf s = vf_sigmoid(g), silu = g * s;
    store_part(d_gate + i, d * u * (s + silu * (1.0f - s)), end - i);
    store_part(d_up + i, d * silu, end - i);
  }
}

// gelu(x) = x (1 + tanh u) / 2 = x sigmoid(2 u) with u = √(2/π) (x + 0.044715 x³): where tanh u comes near -1, the sum
// would keep none of its digits and the sigmoid keeps all.
APUS_INLINE vf vf_gelu_share(vf x) { return vf_sigmoid(1.5957691216f * vf_fma(0.044715f * x * x, x, x)); }

static void layer_gelu_gate(const float *gate, const float *up, float *h, long begin, long end) {
  for (long i = begin; i < end; i += APUS_LANES) {
    vf g = load_part(gate + i, end - i), u = load_part(up + i, end - i);
    store_part(h + i, g * vf_gelu_share(g) * u, end - i);
  }
}

static void layer_gelu_gate_backward(const float *gate, const float *up, const float *dh, float *d_gate, float *d_up,
                                     long begin, long end) {
  for (long i = begin; i < end; i += APUS_LANES) {
    vf g = load_part(gate + i, end - i), u = load_part(up + i, end - i), d = load_part(dh + i, end - i);
    vf s = vf_gelu_share(g), gelu = g * s;
    // d 2u/dx = 2 √(2/π) (1 + 3 · 0.044715 x²)
    vf slope = s + gelu * (1.0f - s) * 1.5957691216f * vf_fma(0.134145f * g, g, vf_set(1.0f));
    store_part(d_gate + i, d * u * slope, end - i);
    store_part(d_up + i, d * gelu, end - i);
  }
}

#define APUS_LAYER_KERNELS                                                                              \
  {.rms_norm = layer_rms_norm, .add_rms_norm = layer_add_rms_norm,                                      \
   .rms_norm_backward = layer_rms_norm_backward, .add = layer_add, .rope = layer_rope,                  \
   .silu_gate = layer_silu_gate, .silu_gate_backward = layer_silu_gate_backward,                        \
   .gelu_gate = layer_gelu_gate, .gelu_gate_backward = layer_gelu_gate_backward,                        \
   .shorten = layer_shorten, .lengthen = layer_lengthen}
