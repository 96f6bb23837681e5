// AdamW and the gradient norm; see apus_optimizer.h.

/// The coefficients of one AdamW step, formed in double and rounded once.
typedef struct {
  float gradient_scale, decay, first_weight, second_decay, second_weight, step_size, denominator_scale, eps;
} adamw_coefficients;

APUS_INLINE void adamw_vector(vf *p, vf *m, vf *v, vf g, const adamw_coefficients *c) {
  g = g * c->gradient_scale;
  *p = *p * c->decay;
  // torch's lerp: past one half it starts from the other end, so that weight 1 gives the gradient exactly.
  vf difference = g - *m;
  *m = c->first_weight < 0.5f ? vf_fma(vf_set(c->first_weight), difference, *m)
                              : vf_fma(vf_set(c->first_weight - 1.0f), difference, g);
  *v = *v * c->second_decay + vf_set(c->second_weight) * g * g;
  vf denominator = __builtin_elementwise_sqrt(*v) / c->denominator_scale + c->eps;
  *p = *p - vf_set(c->step_size) * *m / denominator;
}

static void adamw(float *p, float *m, float *v, const float *g, long n, double lr, double beta1, double beta2,
                  double eps, double weight_decay, double bias_correction1, double bias_correction2_sqrt,
                  double gradient_scale) {
  const adamw_coefficients c = {
      .gradient_scale = (float)gradient_scale,
      .decay = (float)(1 - lr * weight_decay),
      .first_weight = (float)(1 - beta1),
      .second_decay = (float)beta2,
      .second_weight = (float)(1 - beta2),
      .step_size = (float)(lr / bias_correction1),
      .denominator_scale = (float)bias_correction2_sqrt,
      .eps = (float)eps,
  };
  long i = 0;
  for (; i + APUS_LANES <= n; i += APUS_LANES) {
    vf pi = vf_load(p + i), mi = vf_load(m + i), vi_ = vf_load(v + i);
    adamw_vector(&pi, &mi, &vi_, vf_load(g + i), &c);
    vf_store(p + i, pi);
    vf_store(m + i, mi);
    vf_store(v + i, vi_);
  }
  // The rest goes through the same vector code, zero-padded: an element's bits must not depend on its position.
  size_t rest = (size_t)(n - i) * sizeof(float);
  if (rest == 0) return;
  vf pi = vf_zero(), mi = vf_zero(), vi_ = vf_zero(), gi = vf_zero();
  memcpy(&pi, p + i, rest);
  memcpy(&mi, m + i, rest);
  memcpy(&vi_, v + i, rest);
  memcpy(&gi, g + i, rest);
  adamw_vector(&pi, &mi, &vi_, gi, &c);
  memcpy(p + i, &pi, rest);
  memcpy(m + i, &mi, rest);
  memcpy(v + i, &vi_, rest);
}

enum { SQUARES_CHUNK = 4096, SQUARES_LANES = 8 };

static double sum_of_squares(const float *x, long n) {
  // Eight double lanes on every instruction set; a float squared is exact in double, so fusing changes nothing.
  typedef float narrow __attribute__((vector_size(SQUARES_LANES * 4)));
  typedef double wide __attribute__((vector_size(SQUARES_LANES * 8)));
  double total = 0;
  for (long begin = 0; begin < n; begin += SQUARES_CHUNK) {
    long end = begin + SQUARES_CHUNK < n ? begin + SQUARES_CHUNK : n;
    wide sum = {0};
    for (long i = begin; i < end; i += SQUARES_LANES) {
      narrow values = {0};
      if (i + SQUARES_LANES <= end) memcpy(&values, x + i, sizeof values);
      else memcpy(&values, x + i, (size_t)(end - i) * sizeof(float));
      wide w = __builtin_convertvector(values, wide);
      sum += w * w;
    }
    double chunk = 0;
    for (int lane = 0; lane < SQUARES_LANES; lane++) chunk += sum[lane];
    total += chunk;
  }
  return total;
}

#define APUS_OPTIMIZER_KERNELS {.adamw = adamw, .sum_of_squares = sum_of_squares}
