// The optimizer on flat fp32 buffers: AdamW and the gradient norm.
#ifndef APUS_OPTIMIZER_H
#define APUS_OPTIMIZER_H

typedef struct {
  /// One AdamW step on n parameters p with moments m and v, as torch's fused AdamW does it:
  ///   g *= gradient_scale;  p *= 1 - lr * weight_decay;  m += (1 - beta1) * (g - m);  v = beta2 * v + (1 - beta2) * g * g
  ///   p -= lr / bias_correction1 * m / (sqrt(v) / bias_correction2_sqrt + eps)
  /// with bias_correction1 = 1 - beta1^t and bias_correction2_sqrt = sqrt(1 - beta2^t) of the step t = 1, 2, ….
  /// The hyper-parameters are doubles because 1 - beta2 has lost five digits once beta2 is a float; each coefficient
  /// is formed in double and rounded once. Elementwise: any partition of the range gives the same bits.
  void (*adamw)(float *p, float *m, float *v, const float *g, long n, double lr, double beta1, double beta2,
                double eps, double weight_decay, double bias_correction1, double bias_correction2_sqrt,
                double gradient_scale);

  /// Sum of x[i]^2 in fp64: one partial sum for each 4,096 elements, added in order. The same bits on every
  /// instruction set.
  double (*sum_of_squares)(const float *x, long n);
} apus_optimizer_kernels;

#endif
