// Bodies of the matrix products; see apus_linear.h. Included once for each instruction set.
//
// The register tile is APUS_ROWS rows by APUS_VECTORS vectors of outputs. A block of panels is first brought into
// compute form in scratch (fp32, or bf16 pairs where APUS_PAIR_DOT), sized for the second-level cache; then tiles of
// rows run over it. One code path serves one row and a thousand.
#if APUS_LANES == 16
enum { tile_rows = 8, tile_vectors = 3 };
#elif APUS_LANES == 8
enum { tile_rows = 6, tile_vectors = 2 };
#else
enum { tile_rows = 4, tile_vectors = 2 };
#endif

enum {
  panel_width = tile_vectors * APUS_LANES,
  depth_block = 256 / panel_width * panel_width,  // inner-dimension steps a block; even, a whole number of panels
  row_block = 8 * tile_rows,       // rows that share a block of panels while it is in cache
  panel_block = 8,                 // panels in compute form at once
  panel_block_floats = panel_block * depth_block * panel_width,
  row_block_floats = row_block * depth_block,
};

/// What the inner loop reads: the layout of one panel in compute form.
#if APUS_PAIR_DOT
enum { computes_in_pairs = 1 };
#else
enum { computes_in_pairs = 0 };
#endif

// ---- Register tiles -------------------------------------------------------------------------------------------------

/// Where a tile begins: at zero, at the bias, or at what c holds already.
APUS_INLINE void tile_begin(vf acc[tile_rows][tile_vectors], int rows, const float *c, long ldc, const float *bias,
                            int accumulate) {
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < tile_vectors; j++)
      acc[i][j] = accumulate ? vf_load(c + i * ldc + j * APUS_LANES)
                             : (bias ? vf_load(bias + j * APUS_LANES) : vf_zero());
}

APUS_INLINE void tile_end(vf acc[tile_rows][tile_vectors], int rows, float *c, long ldc) {
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < tile_vectors; j++) vf_store(c + i * ldc + j * APUS_LANES, acc[i][j]);
}

/// c[rows][panel_width] over `depth` steps of a (element [i][k] at a[i * a_row + k * a_step]) and b ([k] at b + k * b_step).
APUS_INLINE void tile_f32(int rows, const float *a, long a_row, long a_step, const float *b, long b_step, int depth,
                          float *c, long ldc, const float *bias, int accumulate) {
  vf acc[tile_rows][tile_vectors];
  tile_begin(acc, rows, c, ldc, bias, accumulate);
  for (int k = 0; k < depth; k++) {
    vf w[tile_vectors];
#pragma clang loop unroll(full)
    for (int j = 0; j < tile_vectors; j++) w[j] = vf_load(b + k * b_step + j * APUS_LANES);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      vf x = vf_set(a[i * a_row + k * a_step]);
#pragma clang loop unroll(full)
      for (int j = 0; j < tile_vectors; j++) acc[i][j] = vf_fma(x, w[j], acc[i][j]);
    }
  }
  tile_end(acc, rows, c, ldc);
}

#if APUS_PAIR_DOT
/// acc + a.even * b.even + a.odd * b.odd for bf16 pairs.
APUS_INLINE vf pair_dot(vf acc, uint32_t a, vu b) {
#if APUS_AVX512
  return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
#else
  float even = float_from_bf16((uint16_t)a), odd = float_from_bf16((uint16_t)(a >> 16));
  return vf_fma((vf)(b & 0xFFFF0000u), vf_set(odd), vf_fma((vf)(b << 16), vf_set(even), acc));
#endif
}

/// As tile_f32 on bf16 pairs: a[i * a_row + k] and b[k * panel_width] are pairs of consecutive inner steps.
APUS_INLINE void tile_pairs(int rows, const uint32_t *a, long a_row, const uint32_t *b, int pairs, float *c, long ldc,
                            const float *bias, int accumulate) {
  vf acc[tile_rows][tile_vectors];
  tile_begin(acc, rows, c, ldc, bias, accumulate);
  for (int k = 0; k < pairs; k++) {
    vu w[tile_vectors];
#pragma clang loop unroll(full)
    for (int j = 0; j < tile_vectors; j++) memcpy(&w[j], b + k * panel_width + j * APUS_LANES, sizeof(vu));
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      uint32_t x = a[i * a_row + k];
#pragma clang loop unroll(full)
      for (int j = 0; j < tile_vectors; j++) acc[i][j] = pair_dot(acc[i][j], x, w[j]);
    }
  }
  tile_end(acc, rows, c, ldc);
}
#endif

// A tile with fewer rows is its own instance, so that one row does not pay for eight.
#if APUS_LANES == 16
#define APUS_ROW_CASES(call) \
  case 8: call(8); break; \
  case 7: call(7); break; \
  case 6: call(6); break; \
  case 5: call(5); break; \
  case 4: call(4); break; \
  case 3: call(3); break; \
  case 2: call(2); break; \
  case 1: call(1); break;
#elif APUS_LANES == 8
#define APUS_ROW_CASES(call) \
  case 6: call(6); break; \
  case 5: call(5); break; \
  case 4: call(4); break; \
  case 3: call(3); break; \
  case 2: call(2); break; \
  case 1: call(1); break;
#else
#define APUS_ROW_CASES(call) \
  case 4: call(4); break; \
  case 3: call(3); break; \
  case 2: call(2); break; \
  case 1: call(1); break;
#endif

static void tile_f32_rows(int rows, const float *a, long a_row, long a_step, const float *b, long b_step, int depth,
                          float *c, long ldc, const float *bias, int accumulate) {
#define APUS_CALL(n) tile_f32(n, a, a_row, a_step, b, b_step, depth, c, ldc, bias, accumulate)
  switch (rows) { APUS_ROW_CASES(APUS_CALL) }
#undef APUS_CALL
}

#if APUS_PAIR_DOT
static void tile_pairs_rows(int rows, const uint32_t *a, long a_row, const uint32_t *b, int pairs, float *c, long ldc,
                            const float *bias, int accumulate) {
#define APUS_CALL(n) tile_pairs(n, a, a_row, b, pairs, c, ldc, bias, accumulate)
  switch (rows) { APUS_ROW_CASES(APUS_CALL) }
#undef APUS_CALL
}
#endif

// ---- Panels: stored form to compute form ----------------------------------------------------------------------------

static const float nf4_table[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
    -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
    0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};

/// The table's values at 4-bit indices.
APUS_INLINE vf nf4_lookup(vu index) {
#if APUS_LANES == 16 && APUS_AVX512
  return (vf)_mm512_permutexvar_ps((__m512i)index, _mm512_loadu_ps(nf4_table));
#elif APUS_LANES == 8 && APUS_AVX2
  __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(nf4_table), (__m256i)index);
  __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(nf4_table + 8), (__m256i)index);
  return (vf)_mm256_blendv_ps(low, high, (__m256)(index << 28));
#else
  vf v;
  for (int i = 0; i < APUS_LANES; i++) v[i] = nf4_table[index[i]];
  return v;
#endif
}

/// APUS_LANES bytes widened to integers.
APUS_INLINE vu widen_bytes(const uint8_t *p) {
  typedef uint8_t bytes __attribute__((vector_size(APUS_LANES)));
  bytes b;
  memcpy(&b, p, sizeof b);
  return __builtin_convertvector(b, vu);
}

static size_t linear_panel_bytes(apus_weight_format format, int inputs) {
  size_t elements = (size_t)inputs * panel_width;
  return format == APUS_WEIGHT_F32 ? elements * 4 : format == APUS_WEIGHT_BF16 ? elements * 2 : elements / 2;
}

APUS_INLINE const uint8_t *panel_of(const apus_weight *w, int panel) {
  return (const uint8_t *)w->panels + linear_panel_bytes(w->format, w->inputs) * (size_t)panel;
}

/// Inputs k0 ..< k0 + depth of a panel as fp32, [depth][panel_width]. k0 and depth are even unless the format is F32.
static void panel_to_f32(const apus_weight *w, int panel, int k0, int depth, float *out) {
  const uint8_t *p = panel_of(w, panel);
  if (w->format == APUS_WEIGHT_F32) {
    memcpy(out, (const float *)p + (size_t)k0 * panel_width, sizeof(float) * (size_t)depth * panel_width);
    return;
  }
  if (w->format == APUS_WEIGHT_BF16) {
    const uint32_t *pairs = (const uint32_t *)p + (size_t)(k0 / 2) * panel_width;
    for (int k = 0; k < depth; k += 2, pairs += panel_width, out += 2 * panel_width)
      for (int j = 0; j < panel_width; j += APUS_LANES) {
        vu x;
        memcpy(&x, pairs + j, sizeof x);
        vf_store(out + j, (vf)(x << 16));
        vf_store(out + panel_width + j, (vf)(x & 0xFFFF0000u));
      }
    return;
  }
  const uint8_t *codes = p + (size_t)(k0 / 2) * panel_width;
  const float *scales = w->scales + (size_t)panel * (w->inputs / w->group) * panel_width;
  for (int k = 0; k < depth;) {
    int in_group = (k0 + k) % w->group;
    int end = k + w->group - in_group < depth ? k + w->group - in_group : depth;
    const float *scale = scales + (size_t)((k0 + k) / w->group) * panel_width;
    for (; k < end; k += 2, codes += panel_width, out += 2 * panel_width)
      for (int j = 0; j < panel_width; j += APUS_LANES) {
        vu byte = widen_bytes(codes + j);
        vf s = vf_load(scale + j);
        vf_store(out + j, nf4_lookup(byte & 15) * s);
        vf_store(out + panel_width + j, nf4_lookup(byte >> 4) * s);
      }
  }
}

/// Transposes a panel_width x panel_width tile.
APUS_INLINE void transpose_tile(const float *in, float *out) {
  for (int i = 0; i < panel_width; i++)
    for (int j = 0; j < panel_width; j++) out[j * panel_width + i] = in[i * panel_width + j];
}

/// The transposed view that the backward direction reads: outputs n0 ..< n0 + depth of the inputs in input panel
/// `panel`, as fp32 [depth][panel_width]. n0 is a multiple of the panel width; inputs past the end are zero.
static void panel_transposed_f32(const apus_weight *w, int panel, int n0, int depth, float *out) {
  int first = panel * panel_width;
  int valid = w->inputs - first < panel_width ? w->inputs - first : panel_width;
  float tile[panel_width * panel_width], turned[panel_width * panel_width];
  if (valid < panel_width) memset(tile, 0, sizeof tile);
  for (int n = 0; n < depth; n += panel_width) {
    panel_to_f32(w, (n0 + n) / panel_width, first, valid, tile);
    transpose_tile(tile, turned);
    int count = depth - n < panel_width ? depth - n : panel_width;
    memcpy(out + (size_t)n * panel_width, turned, sizeof(float) * (size_t)count * panel_width);
  }
}

#if APUS_PAIR_DOT
/// Rounds an fp32 panel [depth][panel_width] to bf16 pairs [ceil(depth / 2)][panel_width].
static void panel_to_pairs(const float *in, int depth, uint32_t *out) {
  for (int k = 0; k < depth; k += 2)
    for (int j = 0; j < panel_width; j++) {
      uint32_t even = bf16_from_float(in[k * panel_width + j]);
      uint32_t odd = k + 1 < depth ? bf16_from_float(in[(k + 1) * panel_width + j]) : 0;
      out[k / 2 * panel_width + j] = even | odd << 16;
    }
}

/// Rounds rows of x to bf16 pairs, [rows][depth_block / 2].
static void rows_to_pairs(const float *x, long ldx, int rows, int depth, uint32_t *out) {
  for (int i = 0; i < rows; i++) {
    const float *row = x + i * ldx;
    uint32_t *o = out + i * (depth_block / 2);
    for (int k = 0; k + 1 < depth; k += 2)
      o[k / 2] = bf16_from_float(row[k]) | (uint32_t)bf16_from_float(row[k + 1]) << 16;
    if (depth & 1) o[depth / 2] = bf16_from_float(row[depth - 1]);
  }
}
#endif

// ---- The product ----------------------------------------------------------------------------------------------------

/// One direction of the product: which compute panels there are and how deep the inner dimension is.
typedef struct {
  const apus_weight *weight;
  int transposed;    // 0: panels of outputs, depth runs over inputs; 1: panels of inputs, depth runs over outputs
  int depth_begin;   // first inner step (transposed only; a multiple of panel_width)
  int depth;
  int columns;       // of the result
  int pairs;         // compute in bf16 pairs
} product;

/// One panel in compute form for inner steps k0 ..< k0 + depth: in place where the stored form is the compute form.
APUS_INLINE const float *compute_panel(const product *p, int panel, int k0, int depth, float *scratch, float *staging) {
  const apus_weight *w = p->weight;
  if (!p->transposed && w->format == APUS_WEIGHT_F32)
    return (const float *)panel_of(w, panel) + (size_t)k0 * panel_width;
  if (!p->transposed && p->pairs && w->format == APUS_WEIGHT_BF16)
    return (const float *)panel_of(w, panel) + (size_t)(k0 / 2) * panel_width;
  float *f32 = p->pairs ? staging : scratch;
  if (p->transposed)
    panel_transposed_f32(w, panel, p->depth_begin + k0, depth, f32);
  else
    panel_to_f32(w, panel, k0, depth, f32);
#if APUS_PAIR_DOT
  if (p->pairs) panel_to_pairs(f32, depth, (uint32_t *)scratch);
#endif
  return scratch;
}

/// One tile of rows by one panel; a panel that ends past the last column goes through a buffer of full width.
APUS_INLINE void product_tile(const product *p, const float *a, long a_row, const float *b, int depth, int rows,
                              float *c, long ldc, int columns, const float *bias, int accumulate) {
  float edge[tile_rows * panel_width], edge_bias[panel_width];
  float *to = c;
  long ld = ldc;
  if (columns < panel_width) {
    to = edge, ld = panel_width;
    memset(edge_bias, 0, sizeof edge_bias);
    if (bias) memcpy(edge_bias, bias, sizeof(float) * (size_t)columns), bias = edge_bias;
    memset(edge, 0, sizeof edge);
    if (accumulate)
      for (int i = 0; i < rows; i++) memcpy(edge + i * panel_width, c + i * ldc, sizeof(float) * (size_t)columns);
  }
#if APUS_PAIR_DOT
  if (p->pairs)
    tile_pairs_rows(rows, (const uint32_t *)a, a_row, (const uint32_t *)b, (depth + 1) / 2, to, ld, bias, accumulate);
  else
#endif
    tile_f32_rows(rows, a, a_row, 1, b, panel_width, depth, to, ld, bias, accumulate);
  if (columns < panel_width)
    for (int i = 0; i < rows; i++) memcpy(c + i * ldc, edge + i * panel_width, sizeof(float) * (size_t)columns);
  (void)p;
}

/// All rows over one block of panels in compute form.
APUS_INLINE void product_rows(const product *p, const float *x, long ldx, int rows, int k0, int depth,
                              const float *const *panels, int first_panel, int panel_count, const float *bias,
                              float *y, long ldy, int accumulate, float *row_scratch) {
  for (int r0 = 0; r0 < rows; r0 += row_block) {
    int block = rows - r0 < row_block ? rows - r0 : row_block;
    const float *a = x + r0 * ldx + k0;
    long a_row = ldx;
#if APUS_PAIR_DOT
    if (p->pairs) {
      rows_to_pairs(a, ldx, block, depth, (uint32_t *)row_scratch);
      a = row_scratch, a_row = depth_block / 2;
    }
#endif
    for (int q = 0; q < panel_count; q++) {
      int column = (first_panel + q) * panel_width;
      int columns = p->columns - column < panel_width ? p->columns - column : panel_width;
      for (int t = 0; t < block; t += tile_rows) {
        int n = block - t < tile_rows ? block - t : tile_rows;
        product_tile(p, a + t * a_row, a_row, panels[q], depth, n, y + (r0 + t) * ldy + column, ldy, columns,
                     bias ? bias + column : 0, accumulate);
      }
    }
  }
  (void)row_scratch;
}

static void run_product(const product *p, const float *x, long ldx, int rows, const float *bias, float *y, long ldy,
                        int accumulate, int panel_begin, int panel_end, float *scratch) {
  float *staging = scratch + panel_block_floats, *row_scratch = staging + depth_block * panel_width;
  for (int p0 = panel_begin; p0 < panel_end; p0 += panel_block) {
    int count = panel_end - p0 < panel_block ? panel_end - p0 : panel_block;
    for (int k0 = 0; k0 < p->depth; k0 += depth_block) {
      int depth = p->depth - k0 < depth_block ? p->depth - k0 : depth_block;
      const float *panels[panel_block];
      for (int q = 0; q < count; q++)
        panels[q] = compute_panel(p, p0 + q, k0, depth, scratch + q * depth_block * panel_width, staging);
      product_rows(p, x, ldx, rows, k0, depth, panels, p0, count, k0 ? 0 : bias, y, ldy, accumulate || k0 > 0,
                   row_scratch);
    }
  }
}

APUS_INLINE int weight_in_pairs(const apus_weight *w) { return computes_in_pairs && w->format != APUS_WEIGHT_F32; }

static void linear_forward(const apus_weight *w, const float *x, long ldx, int rows, const float *bias, float *y,
                           long ldy, int accumulate, int panel_begin, int panel_end, float *scratch) {
  product p = {.weight = w, .depth = w->inputs, .columns = w->outputs, .pairs = weight_in_pairs(w)};
  run_product(&p, x, ldx, rows, bias, y, ldy, accumulate, panel_begin, panel_end, scratch);
}

static void linear_backward(const apus_weight *w, const float *dy, long lddy, int rows, int output_begin,
                            int output_end, float *dx, long lddx, int accumulate, int panel_begin, int panel_end,
                            float *scratch) {
  product p = {.weight = w, .transposed = 1, .depth_begin = output_begin, .depth = output_end - output_begin,
               .columns = w->inputs, .pairs = weight_in_pairs(w)};
  run_product(&p, dy, lddy, rows, 0, dx, lddx, accumulate, panel_begin, panel_end, scratch);
}

static void linear_outer(const float *a, long lda, const float *b, long ldb, int rows, float alpha, float *c, long ldc,
                         int i_begin, int i_end, int columns) {
  enum { block = 64 };
  for (int r0 = 0; r0 < rows; r0 += block) {
    int depth = rows - r0 < block ? rows - r0 : block;
    for (int j = 0; j < columns; j += panel_width) {
      int width = columns - j < panel_width ? columns - j : panel_width;
      float edge[block * panel_width];
      const float *panel = b + r0 * ldb + j;
      long step = ldb;
      if (width < panel_width) {
        memset(edge, 0, sizeof edge);
        for (int k = 0; k < depth; k++) memcpy(edge + k * panel_width, panel + k * ldb, sizeof(float) * (size_t)width);
        panel = edge, step = panel_width;
      }
      for (int i = i_begin; i < i_end; i += tile_rows) {
        int n = i_end - i < tile_rows ? i_end - i : tile_rows;
        float sums[tile_rows * panel_width];
        tile_f32_rows(n, a + r0 * lda + i, 1, lda, panel, step, depth, sums, panel_width, 0, 0);
        for (int t = 0; t < n; t++)
          for (int l = 0; l < width; l++) {
            float *to = c + (i + t) * ldc + j + l;
            *to = f_fma(alpha, sums[t * panel_width + l], *to);
          }
      }
    }
  }
}

// ---- Packing --------------------------------------------------------------------------------------------------------

static void linear_pack(const apus_weight *w, int first, int count, const float *rows, long ld) {
  for (int r = 0; r < count; r++) {
    int panel = (first + r) / panel_width, lane = (first + r) % panel_width;
    uint8_t *base = (uint8_t *)w->panels + linear_panel_bytes(w->format, w->inputs) * (size_t)panel;
    const float *row = rows + r * ld;
    if (w->format == APUS_WEIGHT_F32) {
      for (int k = 0; k < w->inputs; k++) ((float *)base)[(size_t)k * panel_width + lane] = row[k];
    } else {
      uint16_t *out = (uint16_t *)base;
      for (int k = 0; k < w->inputs; k++)
        out[((size_t)(k / 2) * panel_width + lane) * 2 + (k & 1)] = bf16_from_float(row[k]);
    }
  }
}

static void linear_pack_nf4(const apus_weight *w, int first, int count, const uint8_t *codes, const float *scales) {
  int groups = w->inputs / w->group;
  for (int r = 0; r < count; r++) {
    int panel = (first + r) / panel_width, lane = (first + r) % panel_width;
    uint8_t *base = (uint8_t *)w->panels + linear_panel_bytes(APUS_WEIGHT_NF4, w->inputs) * (size_t)panel;
    const uint8_t *row = codes + (size_t)r * w->inputs;
    for (int k = 0; k < w->inputs; k += 2)
      base[(size_t)(k / 2) * panel_width + lane] = (uint8_t)(row[k] | row[k + 1] << 4);
    for (int g = 0; g < groups; g++)
      w->scales[((size_t)panel * groups + g) * panel_width + lane] = scales[(size_t)r * groups + g];
  }
}

// A value moves up one code where it exceeds the fp32 midpoint of two table values, as in bitsandbytes on the CPU. The
// decimals in its CUDA source round to other floats in three places; files must not depend on where they were made.
static const float nf4_thresholds[15] = {
    -0.8480963706970215f, -0.6106328964233398f, -0.4599952697753906f, -0.33967941999435425f, -0.23460739850997925f,
    -0.13791173696517944f, -0.045525018125772476f, 0.03979014977812767f, 0.120255246758461f, 0.2035212516784668f,
    0.2920137643814087f, 0.3893125355243683f, 0.5016634464263916f, 0.6427869200706482f, 0.8614784479141235f};

static void linear_quantize_nf4(const float *values, long count, uint8_t *codes, float *scales) {
  for (long begin = 0; begin < count; begin += 64) {
    long n = count - begin < 64 ? count - begin : 64;
    float largest = 0;
    for (long i = 0; i < n; i++) largest = fmaxf(largest, fabsf(values[begin + i]));
    scales[begin / 64] = largest;
    float inverse = largest > 0 ? 1.0f / largest : 0.0f;
    for (long i = 0; i < n; i += APUS_LANES) {
      vf v = load_part(values + begin + i, n - i) * inverse;
      vi code = {0};
      for (int t = 0; t < 15; t++) code -= v > nf4_thresholds[t];  // a true comparison is -1
      for (long l = 0; l < APUS_LANES && i + l < n; l++) codes[begin + i + l] = (uint8_t)code[l];
    }
  }
}

static void linear_read_row(const apus_weight *w, int row, float *values) {
  int panel = row / panel_width, lane = row % panel_width;
  const uint8_t *base = panel_of(w, panel);
  const float *scales = w->format == APUS_WEIGHT_NF4
                            ? w->scales + (size_t)panel * (w->inputs / w->group) * panel_width + lane : 0;
  for (int k = 0; k < w->inputs; k++) {
    size_t pair = (size_t)(k / 2) * panel_width + lane;
    if (w->format == APUS_WEIGHT_F32)
      values[k] = ((const float *)base)[(size_t)k * panel_width + lane];
    else if (w->format == APUS_WEIGHT_BF16)
      values[k] = float_from_bf16(((const uint16_t *)base)[pair * 2 + (k & 1)]);
    else
      values[k] = nf4_table[base[pair] >> (k & 1 ? 4 : 0) & 15] * scales[(size_t)(k / w->group) * panel_width];
  }
}

#define APUS_LINEAR_KERNELS                                                                             \
  {.panel_width = panel_width, .pairs = computes_in_pairs, .panel_bytes = linear_panel_bytes,           \
   .pack = linear_pack, .pack_nf4 = linear_pack_nf4, .quantize_nf4 = linear_quantize_nf4,                  \
   .read_row = linear_read_row,                                                                         \
   .forward = linear_forward, .backward = linear_backward,                                              \
   .scratch_floats = panel_block_floats + depth_block * panel_width + row_block_floats, .outer = linear_outer}
