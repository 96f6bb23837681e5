// Matrix products against sums in double of exactly the rounded numbers that the kernels multiply.
#include "check.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  apus_weight_format format;
  int outputs, inputs, group;
} shape;

enum { most_rows = 24 };
static const int batches[] = {1, 2, 7, most_rows};
static const char *const format_names[] = {"f32", "bf16", "nf4", "fixed", "int8"};

/// A packed weight and what it stands for.
typedef struct {
  apus_weight packed;
  int panels, input_panels;
  float *values;    // [outputs][inputs], as read_row gives them
  float *backward;  // the same, rounded as the backward direction rounds them
} matrix;

static float bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static int uses_integers(const subject *s, apus_weight_format format) {
  return s->kernels->linear.row_format(format) == APUS_ROWS_FIXED;
}

/// What a scale of NF4 in 16 bits stands for: exponents from 2^-20 on, and 11 bits below the first.
static float from_short(uint16_t scale) { return scale ? ldexpf(2048 + scale % 2048, scale / 2048 - 20 - 11) : 0; }

/// A scale of NF4 to 12 bits.
static double to_short(double x) {
  int exponent;
  double digits = frexp(x, &exponent);
  return ldexp(rint(ldexp(digits, 12)), exponent - 12);
}

/// What a unit of an output's group is worth; NF4 keeps the scale of the largest.
static float unit_of(const subject *s, const matrix *m, int output, int input) {
  int width = s->kernels->linear.stored_width(m->packed.format, m->packed.outputs);
  long group = (long)(output / width) * (m->packed.inputs / m->packed.group) + input / m->packed.group;
  long place = group * width + output % width;
  if (m->packed.format != APUS_WEIGHT_NF4) return ((const float *)m->packed.scales)[place];
  return from_short(((const uint16_t *)m->packed.scales)[place]) * (1.0f / 4095);
}

/// The backward direction's weights: bf16, or integers in units of the largest scale of a block of outputs.
static void round_for_backward(const subject *s, const matrix *m) {
  const int n = m->packed.inputs, block = s->kernels->linear.backward_block(m->packed.outputs);
  const int integers = uses_integers(s, m->packed.format);
  for (int o = 0; o < m->packed.outputs; o++)
    for (int k = 0; k < n; k++) {
      float value = m->values[(long)o * n + k];
      if (integers) {
        float largest = 0, own = unit_of(s, m, o, k);
        for (int i = o / block * block; i < m->packed.outputs && i < (o / block + 1) * block; i++)
          largest = fmaxf(largest, unit_of(s, m, i, k));
        // 8-bit integers count in 32nds; a ratio of units in 2^-15.
        const int shift = m->packed.format == APUS_WEIGHT_INT8 ? 5 : 0;
        float inverse = largest > 0 ? 1 / largest : 0;
        int ratio = (int)(fminf(own * inverse * 32768, 32767) + 0.5f), steps = own > 0 ? (int)rintf(value / own) : 0;
        value = (float)((steps * (1 << shift) * ratio + 0x4000) >> 15) * (largest / (float)(1 << shift));
      } else if (s->kernels->linear.row_format(m->packed.format) == APUS_ROWS_BF16) {
        value = bf16(value);
      }
      m->backward[(long)o * n + k] = value;
    }
}

static matrix make_matrix(const subject *s, shape a) {
  const apus_linear_kernels *l = &s->kernels->linear;
  const long count = (long)a.outputs * a.inputs;
  matrix m = {.panels = (a.outputs + l->panel_width - 1) / l->panel_width,
              .input_panels = (a.inputs + l->panel_width - 1) / l->panel_width,
              .values = zeros(count), .backward = zeros(count)};
  m.packed = (apus_weight){.format = a.format, .outputs = a.outputs, .inputs = a.inputs, .group = a.group};
  m.packed.panels = calloc((size_t)m.panels, l->panel_bytes(a.format, a.outputs, a.inputs));
  m.packed.scales = calloc((size_t)m.panels * (size_t)(a.inputs / a.group) * (size_t)l->stored_width(a.format, a.outputs),
                           l->scale_bytes(a.format));
  float *source = random_floats(count), *scales = random_floats(count / a.group);
  open_group(s, "%s %dx%d packed and read", format_names[a.format], a.outputs, a.inputs);
  if (a.format == APUS_WEIGHT_NF4) {
    static const double table[16] = {
        -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
        -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
        0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1};
    uint8_t *codes = malloc((size_t)count);
    for (long i = 0; i < count; i++) codes[i] = (uint8_t)((source[i] + 1) * 7.999f);
    for (long i = 0; i < count / a.group; i++) scales[i] = fabsf(scales[i]) + 0.01f;
    l->pack_nf4(&m.packed, 0, a.outputs, codes, scales);
    for (int o = 0; o < a.outputs; o++) l->read_row(&m.packed, o, m.values + (long)o * a.inputs);
    // A level is a bf16 number, or an integer of at most 4095.
    for (long i = 0; i < count; i++) {
      double level = table[codes[i]], scale = to_short(scales[i / a.group]);
      double step = uses_integers(s, a.format) ? 0.501 / 4095 : fabs(level) * 0x1.01p-8;
      expect_near(m.values[i], level * scale, step * scale + 1e-7);
    }
    free(codes);
  } else {
    l->pack(&m.packed, 0, a.outputs, source, a.inputs);
    for (int o = 0; o < a.outputs; o++) l->read_row(&m.packed, o, m.values + (long)o * a.inputs);
    for (long i = 0; i < count; i++)
      if (a.format == APUS_WEIGHT_FIXED || a.format == APUS_WEIGHT_INT8)
        expect_near(m.values[i], source[i], a.format == APUS_WEIGHT_INT8 ? 0.502 / 127 : 0.502 / 4095);
      else
        expect_near(m.values[i], a.format == APUS_WEIGHT_BF16 ? bf16(source[i]) : source[i], 0);
  }
  close_group();
  round_for_backward(s, &m);
  free(source), free(scales);
  return m;
}

/// Rows, rounded where the format asks for it, and the values that the kernel then multiplies.
typedef struct {
  apus_rows rows;
  uint16_t *rounded;
  float *scales, *values, *effective;
} operand;

static operand make_operand(const subject *s, apus_weight_format format, int depth, int block) {
  const apus_linear_kernels *l = &s->kernels->linear;
  if (!uses_integers(s, format)) block = 2;
  const int blocks = (depth + block - 1) / block, ld = blocks * block;
  operand x = {.values = random_floats((long)most_rows * depth), .effective = zeros((long)most_rows * depth),
               .rounded = calloc((size_t)most_rows * ld + 64, 2), .scales = zeros((long)most_rows * blocks)};
  x.rows = (apus_rows){x.values, depth, most_rows, x.rounded, ld, x.scales, blocks};
  memcpy(x.effective, x.values, sizeof(float) * (size_t)most_rows * depth);
  if (l->row_format(format) == APUS_ROWS_F32) return x;
  l->round_rows(l->row_format(format), x.values, depth, most_rows, depth, block, x.rounded, ld, x.scales, blocks);
  open_group(s, "%s rows of %d rounded in blocks of %d", format_names[format], depth, block);
  for (int r = 0; r < most_rows; r++)
    for (int k = 0; k < depth; k++) {
      // Pair p of a block of 2 n joins its values p and p + n.
      uint16_t half = x.rounded[r * ld + k / block * block + k % block % (block / 2) * 2 + k % block / (block / 2)];
      uint32_t bits = (uint32_t)half << 16;
      float value;
      memcpy(&value, &bits, sizeof value);
      if (uses_integers(s, format)) value = (int16_t)half * x.scales[r * blocks + k / block];
      x.effective[(long)r * depth + k] = value;
      double step = uses_integers(s, format) ? 0.501 / 8191 : fabs((double)x.values[(long)r * depth + k]) * 0x1p-8;
      expect_near(value, x.values[(long)r * depth + k], step);
    }
  close_group();
  return x;
}

static void free_operand(operand x) { free(x.values), free(x.effective), free(x.rounded), free(x.scales); }

/// `from` and on, `count` rows.
static apus_rows some_rows(const apus_rows *x, int from, int n) {
  apus_rows part = *x;
  part.values += from * x->ld, part.rounded += from * x->rounded_ld, part.scales += from * x->scale_ld;
  part.count = n;
  return part;
}

typedef struct {
  const subject *subject;
  const matrix *matrix;
  const apus_rows *x;
  const float *bias;
  int transposed, columns, first_output;
  float *scratch;
} product;

static void multiply(const product *p, int from, int rows, int begin, int end, int accumulate, float *y) {
  const apus_linear_kernels *l = &p->subject->kernels->linear;
  apus_rows part = some_rows(p->x, from, rows);
  if (p->transposed)
    l->backward(&p->matrix->packed, &part, p->first_output, p->matrix->packed.outputs, y, p->columns, accumulate, begin,
                end, p->scratch);
  else
    l->forward(&p->matrix->packed, &part, p->bias, y, p->columns, accumulate, begin, end, p->scratch);
}

/// The same bits in batches of every size, at every place, panel by panel.
static void check_company(const product *p, const float *whole, const float *start) {
  const int panels = p->transposed ? p->matrix->input_panels : p->matrix->panels;
  float *part = zeros((long)most_rows * p->columns);
  for (unsigned b = 0; b < sizeof batches / sizeof *batches; b++)
    for (int from = 0; from + batches[b] <= most_rows; from += batches[b] == 1 ? 5 : batches[b])
      for (int split = 0; split < 2; split++) {
        const size_t bytes = sizeof(float) * (size_t)batches[b] * p->columns;
        const long at = (long)from * p->columns;
        if (start) memcpy(part, start + at, bytes);
        int step = split ? 1 : panels;
        for (int panel = 0; panel < panels; panel += step)
          multiply(p, from, batches[b], panel, panel + step, start != NULL, part);
        expect_same_bits(part, whole + at, bytes, "rows in other company");
      }
  free(part);
}

/// All starts (zero, bias, what is there) of one direction.
static void check_product(product p, const float *effective, const float *weights, int depth) {
  const int bf16_sums = p.subject->kernels->linear.half_format == APUS_WEIGHT_BF16;
  float *bias = random_floats(p.columns), *there = random_floats((long)most_rows * p.columns);
  for (int start = 0; start < 3; start++) {
    if (start == 1 && p.transposed) continue;
    p.bias = start == 1 ? bias : NULL;
    float *y = zeros((long)most_rows * p.columns);
    if (start == 2) memcpy(y, there, sizeof(float) * (size_t)most_rows * p.columns);
    multiply(&p, 0, most_rows, 0, p.transposed ? p.matrix->input_panels : p.matrix->panels, start == 2, y);
    for (int r = 0; r < most_rows; r++)
      for (int c = 0; c < p.columns; c++) {
        double sum = start == 1 ? bias[c] : start == 2 ? there[(long)r * p.columns + c] : 0, size = fabs(sum);
        for (int k = 0; k < depth; k++) {
          double w = weights[p.transposed ? (long)(p.first_output + k) * p.columns + c : (long)c * depth + k];
          sum += effective[(long)r * depth + k] * w, size += fabs(effective[(long)r * depth + k] * w);
        }
        // A sequential fp32 sum; a bf16 dot product rounds to odd, which is off by up to twice as much.
        expect_near(y[(long)r * p.columns + c], sum, (depth + 2) * size * (bf16_sums ? 0x1p-23 : 0x1p-24) + 1e-12);
      }
    check_company(&p, y, start == 2 ? there : NULL);
    free(y);
  }
  free(bias), free(there);
}

static void check_shape(const subject *s, shape a) {
  const apus_linear_kernels *l = &s->kernels->linear;
  matrix m = make_matrix(s, a);
  product p = {.subject = s, .matrix = &m, .scratch = aligned_alloc(64, (l->scratch_floats * 4 + 63) / 64 * 64)};
  operand x = make_operand(s, a.format, a.inputs, a.group);
  open_group(s, "%s %dx%d forward", format_names[a.format], a.outputs, a.inputs);
  p.x = &x.rows, p.columns = a.outputs;
  check_product(p, x.effective, m.values, a.inputs);
  close_group();
  free_operand(x);
  operand dy = make_operand(s, a.format, a.outputs, l->backward_block(a.outputs));
  open_group(s, "%s %dx%d backward", format_names[a.format], a.outputs, a.inputs);
  p.x = &dy.rows, p.columns = a.inputs, p.transposed = 1;
  check_product(p, dy.effective, m.backward, a.outputs);
  close_group();
  free_operand(dy);
  free(p.scratch), free(m.packed.panels), free(m.packed.scales), free(m.values), free(m.backward);
}

static void check_rounding(const subject *s) {
  enum { n = 1000, block = 64, blocks = (n + block - 1) / block };
  float *x = random_floats(n);
  x[3] = 0, x[70] = -0.0f, x[200] = 1e-20f, x[300] = 3e10f;
  uint8_t codes[2][n];
  float scales[2][blocks] = {{0}};
  uint16_t halves[2][blocks * block] = {{0}};
  open_group(s, "quantize_nf4 and round_rows are those of %s", s->plain->name);
  const apus_kernels *both[] = {s->kernels, s->plain};
  for (int i = 0; i < 2; i++) both[i]->linear.quantize_nf4(x, n, codes[i], scales[i]);
  expect_same_bits(codes[0], codes[1], sizeof codes[0], "codes");
  expect_same_bits(scales[0], scales[1], sizeof scales[0], "scales");
  for (int depth = n - 9; depth <= n; depth++) {
    for (int i = 0; i < 2; i++)
      both[i]->linear.round_rows(both[i]->linear.row_format(APUS_WEIGHT_NF4), x, n, 1, depth, block, halves[i],
                                 blocks * block, scales[i], blocks);
    expect_same_bits(halves[0], halves[1], sizeof halves[0], "rounded rows");
    expect_same_bits(scales[0], scales[1], sizeof scales[0], "scales of rounded rows");
  }
  close_group();
  free(x);
}

static void check_outer_shape(const subject *s, int rows, int n, int columns) {
  float *a = random_floats(rows * n), *b = random_floats(rows * columns), *there = random_floats(n * columns);
  float *c = zeros(n * columns), *split = zeros(n * columns);
  const size_t bytes = sizeof(float) * (size_t)(n * columns);
  memcpy(c, there, bytes), memcpy(split, there, bytes);
  s->kernels->linear.outer(a, n, b, columns, rows, 0.5f, c, columns, 0, n, columns);
  for (int i = 0; i < n; i++) s->kernels->linear.outer(a, n, b, columns, rows, 0.5f, split, columns, i, i + 1, columns);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < columns; j++) {
      double sum = 0, size = fabs((double)there[i * columns + j]);
      for (int r = 0; r < rows; r++) sum += (double)a[r * n + i] * b[r * columns + j];
      for (int r = 0; r < rows; r++) size += fabs((double)a[r * n + i] * b[r * columns + j]);
      expect_near(c[i * columns + j], there[i * columns + j] + 0.5 * sum, 68 * size * 0x1p-24);
    }
  expect_same_bits(c, split, bytes, "rows of an outer product on their own");
  memcpy(split, there, bytes);
  for (int j = 0; j < columns; j += 20)
    s->kernels->linear.outer(a, n, b + j, columns, rows, 0.5f, split + j, columns, 0, n,
                             columns - j < 20 ? columns - j : 20);
  expect_same_bits(c, split, bytes, "columns of an outer product on their own");
  free(a), free(b), free(there), free(c), free(split);
}

/// Both sides narrower and wider than what a kernel copies at a time.
static void check_outer(const subject *s) {
  open_group(s, "outer");
  check_outer_shape(s, 131, 27, 45);
  check_outer_shape(s, 70, 150, 32);
  check_outer_shape(s, 64, 32, 150);
  check_outer_shape(s, 1, 65, 33);
  close_group();
}

void check_linear(const subject *s) {
  // Ends inside a panel, a block of 64, a depth block; more panels than one block holds.
  const shape shapes[] = {
      {APUS_WEIGHT_F32, 53, 37, 1},    {APUS_WEIGHT_F32, 1, 1, 1},      {APUS_WEIGHT_F32, 150, 300, 1},
      {APUS_WEIGHT_BF16, 53, 38, 2},   {APUS_WEIGHT_BF16, 9, 514, 2},   {APUS_WEIGHT_NF4, 53, 96, 32},
      {APUS_WEIGHT_NF4, 330, 320, 64}, {APUS_WEIGHT_NF4, 5, 6, 2},      {APUS_WEIGHT_FIXED, 53, 96, 32},
      {APUS_WEIGHT_FIXED, 140, 320, 64}, {APUS_WEIGHT_INT8, 53, 96, 32}, {APUS_WEIGHT_INT8, 140, 320, 32},
      {APUS_WEIGHT_FIXED, 32, 192, 64},  {APUS_WEIGHT_FIXED, 8, 130, 2},  {APUS_WEIGHT_FIXED, 3, 320, 64},
  };
  for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    // Fixed point is the half format of processors without bf16 dot products only.
    if (shapes[i].format == APUS_WEIGHT_FIXED && s->kernels->linear.half_format != APUS_WEIGHT_FIXED) continue;
    check_shape(s, shapes[i]);
  }
  check_rounding(s);
  check_outer(s);
}
