// Packed panels of weights: how they are written, and how they come into the form that the register tiles read.
static size_t linear_panel_bytes(apus_weight_format format, int inputs) {
  size_t elements = (size_t)inputs * panel_width;
  return format == APUS_WEIGHT_F32 ? elements * 4 : format == APUS_WEIGHT_NF4 ? elements / 2 : elements * 2;
}

APUS_INLINE const uint8_t *panel_of(const apus_weight *w, int panel) {
  return (const uint8_t *)w->panels + linear_panel_bytes(w->format, w->inputs) * (size_t)panel;
}

/// A panel's scales, [group][panel_width].
APUS_INLINE const float *panel_scales(const apus_weight *w, int panel) {
  return w->scales + (size_t)panel * (w->inputs / w->group) * panel_width;
}

/// Inputs k0 ..< k0 + depth (both even) of a panel of 16-bit or 4-bit weights as pairs, [depth / 2][panel_width]: where
/// they are stored, or in `room`.
APUS_INLINE const pair *panel_pairs(const apus_weight *w, int panel, int k0, int depth, pair *room) {
  const uint8_t *p = panel_of(w, panel);
  if (w->format != APUS_WEIGHT_NF4) return (const pair *)p + (size_t)(k0 / 2) * panel_width;
  const uint8_t *codes = p + (size_t)(k0 / 2) * panel_width;
  for (int k = 0; k < depth / 2; k++) nf4_unpack_pairs(codes + k * panel_width, room + k * panel_width);
  return room;
}

/// Inputs k0 ..< k0 + depth of a panel as fp32, [depth][panel_width]. k0 and depth are even unless the format is F32.
static void panel_to_f32(const apus_weight *w, int panel, int k0, int depth, float *out) {
  if (w->format == APUS_WEIGHT_F32) {
    const float *p = (const float *)panel_of(w, panel);
    memcpy(out, p + (size_t)k0 * panel_width, sizeof(float) * (size_t)depth * panel_width);
    return;
  }
  pair room[panel_width];
  for (int k = 0; k < depth; k += 2, out += 2 * panel_width) {
    const pair *pairs = panel_pairs(w, panel, k0 + k, 2, room);
    for (int j = 0; j < panel_width; j += APUS_LANES) {
      vu x;
      memcpy(&x, pairs + j, sizeof x);
      vf scale = w->format == APUS_WEIGHT_BF16
                     ? vf_set(1) : vf_load(panel_scales(w, panel) + (size_t)((k0 + k) / w->group) * panel_width + j);
      vf_store(out + j, (vf)(x << 16) * scale);
      vf_store(out + panel_width + j, (vf)(x & 0xFFFF0000u) * scale);
    }
  }
}

/// Writes 16-bit values of inputs k0 ..< k0 + count into a lane of a panel of pairs.
APUS_INLINE void pack_halves(uint16_t *panel, int lane, int k0, const uint16_t *values, int count) {
  for (int k = 0; k < count; k++) panel[((size_t)((k0 + k) / 2) * panel_width + lane) * 2 + ((k0 + k) & 1)] = values[k];
}

static void linear_pack(const apus_weight *w, int first, int count, const float *rows, long ld) {
  const int groups = w->inputs / w->group;
  for (int r = 0; r < count; r++) {
    int panel = (first + r) / panel_width, lane = (first + r) % panel_width;
    uint8_t *base = (uint8_t *)w->panels + linear_panel_bytes(w->format, w->inputs) * (size_t)panel;
    const float *row = rows + r * ld;
    uint16_t block[pair_block];
    if (w->format == APUS_WEIGHT_F32)
      for (int k = 0; k < w->inputs; k++) ((float *)base)[(size_t)k * panel_width + lane] = row[k];
    else if (w->format == APUS_WEIGHT_BF16)
      for (int k = 0; k < w->inputs; k += pair_block) {
        int n = w->inputs - k < pair_block ? w->inputs - k : pair_block;
        for (int i = 0; i < n; i++) block[i] = bf16_from_float(row[k + i]);
        pack_halves((uint16_t *)base, lane, k, block, n);
      }
    else
      for (int g = 0; g < groups; g++) {
        w->scales[((size_t)panel * groups + g) * panel_width + lane] =
            fixed_block(row + g * w->group, w->group, fixed_weight_limit, block);
        pack_halves((uint16_t *)base, lane, g * w->group, block, w->group);
      }
  }
}

static void linear_pack_nf4(const apus_weight *w, int first, int count, const uint8_t *codes, const float *scales) {
  int groups = w->inputs / w->group;
  for (int r = 0; r < count; r++) {
    int panel = (first + r) / panel_width, lane = (first + r) % panel_width;
    uint8_t *base = (uint8_t *)w->panels + linear_panel_bytes(APUS_WEIGHT_NF4, w->inputs) * (size_t)panel;
    const uint8_t *row = codes + (size_t)r * w->inputs;
    const nf4_place even = nf4_position(0, lane), odd = nf4_position(1, lane);
    for (int k = 0; k < w->inputs; k += 2, base += panel_width) {
      base[even.byte] |= (uint8_t)(row[k] << even.shift);
      base[odd.byte] |= (uint8_t)(row[k + 1] << odd.shift);
    }
    for (int g = 0; g < groups; g++)
      w->scales[((size_t)panel * groups + g) * panel_width + lane] = scales[(size_t)r * groups + g] * nf4_unit;
  }
}

/// The 16 bits that stand for one input of a lane, in a 16-bit or 4-bit panel.
APUS_INLINE uint16_t stored_half(const apus_weight *w, const uint8_t *base, int k, int lane) {
  size_t at = (size_t)(k / 2) * panel_width;
  if (w->format != APUS_WEIGHT_NF4) return ((const uint16_t *)base)[(at + lane) * 2 + (k & 1)];
  nf4_place place = nf4_position(k & 1, lane);
  return (uint16_t)nf4_levels[base[at + place.byte] >> place.shift & 15];
}

static void linear_read_row(const apus_weight *w, int row, float *values) {
  int panel = row / panel_width, lane = row % panel_width;
  const uint8_t *base = panel_of(w, panel);
  for (int k = 0; k < w->inputs; k++) {
    if (w->format == APUS_WEIGHT_F32)
      values[k] = ((const float *)base)[(size_t)k * panel_width + lane];
    else if (w->format == APUS_WEIGHT_BF16)
      values[k] = float_from_bf16(stored_half(w, base, k, lane));
    else
      values[k] = half_value(stored_half(w, base, k, lane)) *
                  panel_scales(w, panel)[(size_t)(k / w->group) * panel_width + lane];
  }
}
