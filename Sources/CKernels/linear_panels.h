// Packed panels of weights: how they are written, and how they come into the form that the register tiles read.
static int linear_stored_width(apus_weight_format format, int outputs) {
  return format == APUS_WEIGHT_FIXED && outputs <= panel_width / 2 ? panel_width / 2 : panel_width;
}

static size_t linear_panel_bytes(apus_weight_format format, int outputs, int inputs) {
  return format == APUS_WEIGHT_F32 ? (size_t)inputs * panel_width * 4
                                   : (size_t)(inputs / 2) * pair_bytes(format, linear_stored_width(format, outputs));
}

/// Outputs that a panel of the weight has room for.
APUS_INLINE int weight_width(const apus_weight *w) { return linear_stored_width(w->format, w->outputs); }

/// Bytes of a pair of inputs in a panel of the weight.
APUS_INLINE size_t weight_step(const apus_weight *w) { return pair_bytes(w->format, weight_width(w)); }

/// In which form the rows of a product with weights of a format are read.
static apus_row_format linear_row_format(apus_weight_format format) {
#if APUS_BF16_DOT
  if (format == APUS_WEIGHT_BF16) return APUS_ROWS_BF16;
#endif
  if (format == APUS_WEIGHT_F32 || format == APUS_WEIGHT_BF16) return APUS_ROWS_F32;
  return pairs_are_bf16 ? APUS_ROWS_BF16 : APUS_ROWS_FIXED;
}

APUS_INLINE uint8_t *panel_of(const apus_weight *w, int panel) {
  return (uint8_t *)w->panels + linear_panel_bytes(w->format, w->outputs, w->inputs) * (size_t)panel;
}

/// Bytes of a scale: NF4's are short. Integers keep fp32: a group of 8 bits may be of any size.
static size_t linear_scale_bytes(apus_weight_format format) { return format == APUS_WEIGHT_NF4 ? 2 : 4; }

// A short scale has the 12 leading bits of a largest magnitude, one more than fp16, since it has no sign: exponents from
// 2^-20 on and 11 bits below the first, where all zeros are 0. Largest magnitudes of bf16 and of fp16 weights are numbers
// of it.
enum { short_scale_base = (127 - 20) << 11 };

/// The nearest short scale, ties to even; APUS_NO_SCALE from 4,094.5 on and for what is not finite. One below zero, as scales
/// that were quantised themselves may come back for a block of next to nothing, is zero.
APUS_INLINE uint16_t short_from_float(float x) {
  if (x <= 0x1p-21f) return 0;
  if (!(x < 4095)) return APUS_NO_SCALE;
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const int rounded = (int)((bits + 0x7FF + (bits >> 12 & 1)) >> 12) - short_scale_base;
  return rounded > 0 ? (uint16_t)rounded : 1;
}

/// APUS_LANES short scales.
APUS_INLINE vf load_short_scales(const uint8_t *from) {
  typedef uint16_t shorts __attribute__((vector_size(APUS_LANES * 2)));
  shorts s;
  memcpy(&s, from, sizeof s);
  const vu digits = __builtin_convertvector(s, vu);
  return (vf)(((digits + short_scale_base) << 12) & (vu)(digits != 0));
}

/// Where the scale of a group of inputs lies for the first output of a panel; those of its other outputs follow.
APUS_INLINE uint8_t *group_scales(const apus_weight *w, int panel, int group) {
  const size_t place = ((size_t)panel * (w->inputs / w->group) + group) * weight_width(w);
  return (uint8_t *)w->scales + place * linear_scale_bytes(w->format);
}

/// What a unit of the integers that products multiply is worth, for APUS_LANES outputs from a scale on.
APUS_INLINE vf load_units(apus_weight_format format, const uint8_t *scales) {
  return format == APUS_WEIGHT_NF4 ? load_short_scales(scales) * nf4_unit : vf_load((const float *)scales);
}

/// The units of inputs k0 ..< k0 + depth of a panel of NF4, [group][panel_width].
static void panel_units(const apus_weight *w, int panel, int k0, int depth, float *out) {
  const uint8_t *from = group_scales(w, panel, k0 / w->group);
  const int count = depth / w->group * panel_width;
  // The next panel's follow on this one's.
  const size_t next = (size_t)w->inputs / w->group * panel_width * sizeof(uint16_t);
  for (int i = 0; i < count; i += APUS_LANES, from += APUS_LANES * sizeof(uint16_t)) {
    __builtin_prefetch(from + next, 0, 2);
    vf_store(out + i, load_units(APUS_WEIGHT_NF4, from));
  }
}

/// What a unit of a group is worth for one output of a panel.
APUS_INLINE float unit_of(const apus_weight *w, int panel, int group, int lane) {
  return load_units(w->format, group_scales(w, panel, group) + lane / APUS_LANES * APUS_LANES * linear_scale_bytes(w->format))
      [lane % APUS_LANES];
}

/// Stores the scale of a group of one output of a panel.
APUS_INLINE void store_scale(const apus_weight *w, int panel, int group, int lane, float scale) {
  uint8_t *to = group_scales(w, panel, group) + (size_t)lane * linear_scale_bytes(w->format);
  const uint16_t short_scale = short_from_float(scale);
  if (w->format == APUS_WEIGHT_NF4)
    memcpy(to, &short_scale, sizeof short_scale);
  else
    memcpy(to, &scale, sizeof scale);
}

/// Where the pairs, or codes of pairs, of inputs from k0 (even) on begin.
APUS_INLINE const uint8_t *panel_codes(const apus_weight *w, int panel, int k0) {
  return panel_of(w, panel) + (size_t)(k0 / 2) * weight_step(w);
}

/// Inputs whose two halves are pairs of each other: see linear_pairs.h.
APUS_INLINE int weight_pair_block(const apus_weight *w) {
  return linear_row_format(w->format) == APUS_ROWS_FIXED ? w->group : 2;
}

/// Inputs k0 ..< k0 + depth of a panel of 16-bit or narrower weights as pairs, [depth / 2][width]: where they are stored,
/// or in `room`. Both are multiples of the group.
static __attribute__((noinline)) const pair *panel_pairs(const apus_weight *w, int panel, int k0, int depth, pair *room) {
  const uint8_t *from = panel_codes(w, panel, k0);
  const size_t step = weight_step(w);
  if (w->format == APUS_WEIGHT_BF16 || w->format == APUS_WEIGHT_FIXED) return (const pair *)from;
  for (int k = 0; k < depth / 2; k++, from += step) {
    vu pairs[tile_vectors];
    __builtin_prefetch(from + stream_ahead, 0, 2);
    if (w->format == APUS_WEIGHT_NF4)
      unpack_pairs(APUS_WEIGHT_NF4, from, 0, tile_vectors, pairs);
    else
      unpack_pairs(APUS_WEIGHT_INT8, from, 0, tile_vectors, pairs);
    memcpy(room + k * panel_width, pairs, sizeof pairs);
  }
  return room;
}

/// The 16 bits that stand for one input of a lane in a panel of any format but F32.
APUS_INLINE uint16_t stored_half(const apus_weight *w, int panel, int k, int lane) {
  int at = pair_position(k, weight_pair_block(w));
  const uint8_t *pairs = panel_codes(w, panel, at / 2 * 2);
  if (w->format == APUS_WEIGHT_INT8) return int8_half((int8_t)pairs[2 * lane + at % 2]);
  if (w->format != APUS_WEIGHT_NF4) return ((const uint16_t *)pairs)[2 * lane + at % 2];
  nf4_place place = nf4_position(at % 2, lane);
  return nf4_levels[pairs[place.byte] >> place.shift & 15];
}

static void linear_read_row(const apus_weight *w, int row, float *values) {
  int panel = row / panel_width, lane = row % panel_width;
  const int has_scales = w->format != APUS_WEIGHT_F32 && w->format != APUS_WEIGHT_BF16;
  float unit = 1;
  for (int k = 0; k < w->inputs; k++) {
    if (has_scales && k % w->group == 0) unit = unit_of(w, panel, k / w->group, lane);
    if (w->format == APUS_WEIGHT_F32)
      values[k] = ((const float *)panel_of(w, panel))[(size_t)k * panel_width + lane];
    else if (w->format == APUS_WEIGHT_BF16)
      values[k] = float_from_bf16(stored_half(w, panel, k, lane));
    else
      values[k] = half_value(stored_half(w, panel, k, lane)) * unit;
  }
}

/// A vector of low or high halves as numbers, with their scale.
APUS_INLINE vf half_values(vu pairs, int high, int fixed, vf scale) {
  if (!fixed) return (vf)(high ? pairs & 0xFFFF0000u : pairs << 16) * scale;
  return __builtin_convertvector(high ? (vi)pairs >> 16 : (vi)(pairs << 16) >> 16, vf) * scale;
}

/// Inputs k0 ..< k0 + depth of a panel as fp32, [depth][panel_width]. Of a format with groups both are multiples of 64, or
/// depth ends with the inputs; of BF16 they are even.
static void panel_to_f32(const apus_weight *w, int panel, int k0, int depth, float *out) {
  if (w->format == APUS_WEIGHT_F32) {
    const float *p = (const float *)panel_of(w, panel);
    memcpy(out, p + (size_t)k0 * panel_width, sizeof(float) * (size_t)depth * panel_width);
    return;
  }
  const int block = weight_pair_block(w), fixed = linear_row_format(w->format) == APUS_ROWS_FIXED;
  const int width = weight_width(w);
  if (width < panel_width) memset(out, 0, sizeof(float) * (size_t)depth * panel_width);
  for (int k = 0; k < depth; k++, out += panel_width) {
    int at = pair_position(k0 + k, block);
    pair room[panel_width];
    const pair *pairs = panel_pairs(w, panel, at / 2 * 2, 2, room);
    for (int j = 0; j < width; j += APUS_LANES) {
      vu x;
      memcpy(&x, pairs + j, sizeof x);
      vf scale = vf_set(1);
      if (w->format != APUS_WEIGHT_BF16)
        scale = load_units(w->format, group_scales(w, panel, (k0 + k) / w->group) + j * linear_scale_bytes(w->format));
      vf_store(out + j, half_values(x, at % 2, fixed, scale));
    }
  }
}

/// Writes 16-bit values, in the order of pairs, of inputs k0 ..< k0 + count into a lane of a panel of pairs.
APUS_INLINE void pack_halves(uint8_t *panel, int width, int lane, int k0, const uint16_t *values, int count) {
  pair *to = (pair *)panel + (size_t)(k0 / 2) * width + lane;
  for (int p = 0; p < count / 2; p++, to += width) memcpy(to, values + 2 * p, sizeof *to);
}

/// One row of a lane in bf16; neighbours are pairs.
static void pack_bf16(uint8_t *panel, int lane, const float *row, int inputs) {
  for (int k = 0; k < inputs; k += 2) {
    const uint16_t halves[2] = {bf16_from_float(row[k]), bf16_from_float(row[k + 1])};
    pack_halves(panel, panel_width, lane, k, halves, 2);
  }
}

/// One group of a lane as integers in units of the scale that is returned.
APUS_INLINE float pack_group(const apus_weight *w, uint8_t *panel, int lane, int k0, const float *values) {
  if (w->format == APUS_WEIGHT_FIXED) {
    pair pairs[pair_block / 2];
    float scale = fixed_block(values, w->group, w->group, fixed_weight_limit, pairs);
    pack_halves(panel, weight_width(w), lane, k0, (const uint16_t *)pairs, w->group);
    return scale;
  }
  int8_t codes[pair_block];
  float scale = quantize_int8_group(values, w->group, codes);
  const int block = weight_pair_block(w);
  uint8_t *to = panel + (size_t)(k0 / 2) * weight_step(w);
  for (int k = 0; k < w->group; k++) {
    int at = pair_position(k, block);
    to[(size_t)(at / 2) * weight_step(w) + 2 * lane + at % 2] = (uint8_t)codes[k];
  }
  return scale;
}

static void linear_pack(const apus_weight *w, int first, int count, const float *rows, long ld) {
  for (int r = 0; r < count; r++) {
    int panel = (first + r) / panel_width, lane = (first + r) % panel_width;
    uint8_t *base = panel_of(w, panel);
    const float *row = rows + r * ld;
    if (w->format == APUS_WEIGHT_F32)
      for (int k = 0; k < w->inputs; k++) ((float *)base)[(size_t)k * panel_width + lane] = row[k];
    else if (w->format == APUS_WEIGHT_BF16)
      pack_bf16(base, lane, row, w->inputs);
    else
      for (int g = 0; g < w->inputs / w->group; g++)
        store_scale(w, panel, g, lane, pack_group(w, base, lane, g * w->group, row + g * w->group));
  }
}

static void linear_pack_nf4(const apus_weight *w, int first, int count, const uint8_t *codes, const float *scales) {
  const int groups = w->inputs / w->group, block = weight_pair_block(w), half = block / 2;
  for (int r = 0; r < count; r++) {
    int panel = (first + r) / panel_width, lane = (first + r) % panel_width;
    uint8_t *base = panel_of(w, panel);
    const uint8_t *row = codes + (size_t)r * w->inputs;
    const nf4_place low = nf4_position(0, lane), high = nf4_position(1, lane);
    for (int k = 0; k < w->inputs; k += block)
      for (int p = 0; p < half; p++, base += panel_width) {
        base[low.byte] |= (uint8_t)(row[k + p] << low.shift);
        base[high.byte] |= (uint8_t)(row[k + half + p] << high.shift);
      }
    for (int g = 0; g < groups; g++) store_scale(w, panel, g, lane, scales[(size_t)r * groups + g]);
  }
}
