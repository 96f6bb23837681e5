// Panels of the backward direction: the inner dimension runs over outputs, so panels are turned as they are unpacked.

/// Transposes a panel_width x panel_width tile.
APUS_INLINE void transpose_tile(const float *in, float *out) {
  for (int i = 0; i < panel_width; i++)
    for (int j = 0; j < panel_width; j++) out[j * panel_width + i] = in[i * panel_width + j];
}

/// Outputs n0 ..< n0 + depth of the inputs in input panel `panel`, as fp32 [depth][panel_width]. n0 is a multiple of the
/// panel width; inputs past the end are zero.
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

#if APUS_BF16_DOT
/// Bits rounded to the nearest bf16, which is left in the upper half. Finite values only.
APUS_INLINE vu round_to_bf16(vu bits) { return bits + 0x7FFF + (bits >> 16 & 1); }

/// Rounds an fp32 panel [depth][panel_width] to bf16 pairs [ceil(depth / 2)][panel_width].
static void panel_to_pairs(const float *in, int depth, pair *out) {
  for (int k = 0; k < depth; k += 2, in += 2 * panel_width, out += panel_width)
    for (int j = 0; j < panel_width; j += APUS_LANES) {
      vu even = round_to_bf16((vu)vf_load(in + j)) >> 16, odd = {0};
      if (k + 1 < depth) odd = round_to_bf16((vu)vf_load(in + panel_width + j)) & 0xFFFF0000u;
      even |= odd;
      memcpy(out + j, &even, sizeof even);
    }
}
#endif

/// Turns a square of dwords, [APUS_LANES][APUS_LANES], one vector a row.
APUS_INLINE void transpose_dwords(vu r[APUS_LANES]) {
#if APUS_LANES == 4
  vu s[4];
  memcpy(s, r, sizeof s);
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) r[i][j] = s[j][i];
#else
  // Four rows at a time: within each quarter of 128 bits their dwords, then pairs of them, are interleaved.
  vu s[APUS_LANES];
#if APUS_LANES == 8
#define APUS_LOW_DWORDS 0, 8, 1, 9, 4, 12, 5, 13
#define APUS_HIGH_DWORDS 2, 10, 3, 11, 6, 14, 7, 15
#define APUS_LOW_PAIRS 0, 1, 8, 9, 4, 5, 12, 13
#define APUS_HIGH_PAIRS 2, 3, 10, 11, 6, 7, 14, 15
#else
#define APUS_LOW_DWORDS 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define APUS_HIGH_DWORDS 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define APUS_LOW_PAIRS 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define APUS_HIGH_PAIRS 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#endif
#pragma clang loop unroll(full)
  for (int i = 0; i < APUS_LANES; i += 2) {
    s[i] = __builtin_shufflevector(r[i], r[i + 1], APUS_LOW_DWORDS);
    s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], APUS_HIGH_DWORDS);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < APUS_LANES; i += 4)
#pragma clang loop unroll(full)
    for (int j = 0; j < 2; j++) {
      r[i + 2 * j] = __builtin_shufflevector(s[i + j], s[i + j + 2], APUS_LOW_PAIRS);
      r[i + 2 * j + 1] = __builtin_shufflevector(s[i + j], s[i + j + 2], APUS_HIGH_PAIRS);
    }
  // Then quarter q of row i + c holds column 4 q + c of rows i ..< i + 4: quarters are collected.
#pragma clang loop unroll(full)
  for (int c = 0; c < 4; c++) {
#if APUS_LANES == 8
    s[c] = __builtin_shufflevector(r[c], r[c + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    s[c + 4] = __builtin_shufflevector(r[c], r[c + 4], 4, 5, 6, 7, 12, 13, 14, 15);
#else
#define APUS_EVEN_QUARTERS 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define APUS_ODD_QUARTERS 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
    vu even = __builtin_shufflevector(r[c], r[c + 4], APUS_EVEN_QUARTERS);
    vu odd = __builtin_shufflevector(r[c], r[c + 4], APUS_ODD_QUARTERS);
    vu last_even = __builtin_shufflevector(r[c + 8], r[c + 12], APUS_EVEN_QUARTERS);
    vu last_odd = __builtin_shufflevector(r[c + 8], r[c + 12], APUS_ODD_QUARTERS);
    s[c] = __builtin_shufflevector(even, last_even, APUS_EVEN_QUARTERS);
    s[c + 4] = __builtin_shufflevector(odd, last_odd, APUS_EVEN_QUARTERS);
    s[c + 8] = __builtin_shufflevector(even, last_even, APUS_ODD_QUARTERS);
    s[c + 12] = __builtin_shufflevector(odd, last_odd, APUS_ODD_QUARTERS);
#endif
  }
  memcpy(r, s, sizeof s);
#endif
}

// Outputs of a panel's lanes are weights in units of their own scales; over a block of outputs, which the turned panel
// sums, they come to the block's largest scale for each group of inputs, to the nearest integer. A ratio of scales is a
// multiple of 2^-15, at most 1 - 2^-15, which takes the largest integer to itself. 8-bit weights are 32 times as large
// first, so that they lose as little as the others.
enum { int8_shift = 5 };

/// An adapter's narrow side fills half a block.
static int linear_backward_block(int outputs) {
  return outputs <= most_backward_block / 2 ? most_backward_block / 2 : most_backward_block;
}

/// Units of outputs n ..< n + APUS_LANES of a group; zero past the last panel.
APUS_INLINE vf output_scales(const apus_weight *w, int n, int group) {
  if (n >= w->outputs) return vf_zero();
  return load_units(
      w->format, group_scales(w, n / panel_width, group) + n % panel_width * linear_scale_bytes(w->format));
}

/// The largest scale of a group over a block of outputs.
APUS_INLINE float block_scale(const apus_weight *w, int n0, int block, int group) {
  vf most = vf_zero();
  for (int n = 0; n < block; n += APUS_LANES) most = vf_max(most, output_scales(w, n0 + n, group));
  return vf_largest(most);
}

/// What brings a group's weights of outputs n ..< n + APUS_LANES to the scale 1 / inverse: in both halves of each lane.
APUS_INLINE vu scale_ratios(const apus_weight *w, int n, int group, float inverse) {
  vf ratio = vf_min(output_scales(w, n, group) * inverse * 32768.0f, vf_set(32767.0f));
  vu integer = (vu)__builtin_convertvector(ratio + 0.5f, vi);
  return integer | integer << 16;
}

/// The codes of the pair of inputs `at`, for outputs from n on; those of other outputs past the end, where ratios are zero.
APUS_INLINE const uint8_t *output_codes(const apus_weight *w, int n, int at) {
  return panel_codes(w, (n < w->outputs ? n : w->outputs - 1) / panel_width, at);
}

/// Where outputs from n on lie among a panel's vectors; those past the end are nowhere, and any will do.
APUS_INLINE int output_vector(const apus_weight *w, int n) { return n < w->outputs ? n % panel_width / APUS_LANES : 0; }

/// A vector of outputs of a pair of inputs whose codes are at `from`, brought to the block's scale.
APUS_INLINE vu scaled_pairs(apus_weight_format format, const uint8_t *from, int vector, vu ratios) {
  typedef uint16_t halves __attribute__((vector_size(APUS_LANES * 4)));
  vu pairs;
  unpack_pairs(format, from, vector, 1, &pairs);
  if (format == APUS_WEIGHT_INT8) pairs = (vu)((halves)pairs << int8_shift);
  return pair_scale(pairs, ratios);
}

/// Inputs of a group that a panel has: a panel is some groups, or a part of one.
APUS_INLINE int panel_span(const apus_weight *w) { return w->group < panel_width ? w->group : panel_width; }

/// Outputs n ..< n + APUS_LANES and as many `half` a block further, of a panel's inputs from `first` on, of which `valid`
/// are there: pairs of outputs, one row an input.
///
/// A pair of codes holds two inputs half a group apart. Where the panel has both they are unpacked once.
APUS_INLINE void turn_rows(const apus_weight *w, apus_weight_format format, int first, int valid, int n, int half,
                           const float *inverses, vu rows[panel_width]) {
  const int group = w->group, whole = group <= panel_width, span = panel_span(w);
  const size_t step = pair_bytes(format, weight_width(w)), next = linear_panel_bytes(format, w->outputs, w->inputs);
  const int low_vector = output_vector(w, n), high_vector = output_vector(w, n + half);
  for (int i = 0; i < valid; i += span) {
    const int k = first + i, offset = k % group, is_upper = offset >= group / 2;
    const int at = k - offset + 2 * (offset - is_upper * (group / 2));
    const uint8_t *low_codes = output_codes(w, n, at), *high_codes = output_codes(w, n + half, at);
    const vu low_ratios = scale_ratios(w, n, k / group, inverses[i / span]);
    const vu high_ratios = scale_ratios(w, n + half, k / group, inverses[i / span]);
    for (int p = 0; p < (whole ? span / 2 : span); p++) {
      // The next outputs lie in another panel, where hardware does not look ahead.
      for (size_t byte = 0; byte < step; byte += 64) __builtin_prefetch(low_codes + p * step + next + byte, 0, 3);
      vu low = scaled_pairs(format, low_codes + p * step, low_vector, low_ratios);
      vu high = scaled_pairs(format, high_codes + p * step, high_vector, high_ratios);
      vu lower = join_low_halves(low, high), upper = low >> 16 | (high & 0xFFFF0000u);
      rows[i + p] = is_upper ? upper : lower;
      if (whole) rows[i + p + span / 2] = upper;
    }
  }
}

/// The largest scale of each input's group over a block of outputs, and one over it, a group each.
APUS_INLINE void panel_block_scales(const apus_weight *w, int first, int valid, int n, int block, float *inverses,
                                    float scales[panel_width]) {
  const int span = panel_span(w);
  memset(scales, 0, sizeof(float) * panel_width);
  for (int i = 0; i < valid; i += span) {
    const float most = block_scale(w, n, block, (first + i) / w->group);
    *inverses++ = most > 0 ? 1 / most : 0;
    for (int j = 0; j < span; j++) scales[i + j] = most;
  }
}

/// The panel of a weight of `format`, which is a constant where this is inlined; see panel_transposed_fixed.
APUS_INLINE void turn_panel(const apus_weight *w, apus_weight_format format, int panel, int n0, int depth, int block,
                            pair *out, float *scales) {
  const int first = panel * panel_width;
  const int valid = w->inputs - first < panel_width ? w->inputs - first : panel_width;
  const int half = block / 2;
  vu rows[panel_width];
  for (int n = 0; n < depth; n += block, scales += panel_width, out += half * panel_width) {
    float inverses[panel_width / 2];
    panel_block_scales(w, first, valid, n0 + n, block, inverses, scales);
    if (format == APUS_WEIGHT_INT8)
      for (int i = 0; i < panel_width; i++) scales[i] *= 1.0f / (1 << int8_shift);
    for (int j = 0; j < half; j += APUS_LANES) {
      for (int i = valid; i < panel_width; i++) rows[i] = (vu){0};
      turn_rows(w, format, first, valid, n0 + n + j, half, inverses, rows);
      for (int i = 0; i < panel_width; i += APUS_LANES) {
        transpose_dwords(rows + i);
        for (int l = 0; l < APUS_LANES; l++)
          memcpy(out + (size_t)(j + l) * panel_width + i, &rows[i + l], sizeof rows[i + l]);
      }
    }
  }
}

/// Outputs n0 ..< n0 + depth of the inputs in input panel `panel`, as pairs of outputs [depth / 2][panel_width] (whole
/// blocks, of which what lies past the weight's outputs is zero) and one scale an input and block, [block][panel_width].
static __attribute__((noinline)) void panel_transposed_fixed(const apus_weight *w, int panel, int n0, int depth, int block,
                                                             pair *out, float *scales) {
  switch (w->format) {
    case APUS_WEIGHT_NF4: turn_panel(w, APUS_WEIGHT_NF4, panel, n0, depth, block, out, scales); break;
    case APUS_WEIGHT_INT8: turn_panel(w, APUS_WEIGHT_INT8, panel, n0, depth, block, out, scales); break;
    default: turn_panel(w, APUS_WEIGHT_FIXED, panel, n0, depth, block, out, scales); break;
  }
}
