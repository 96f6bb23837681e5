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

#if APUS_BF16_PAIRS
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
#else
/// [panel_width][panel_width / 2] pairs to [panel_width / 2][panel_width].
APUS_INLINE void transpose_pairs(const pair *in, pair *out) {
#if APUS_LANES == 8
  for (int half = 0; half < panel_width; half += 8) {
    vu r[8], s[8];
    for (int i = 0; i < 8; i++) memcpy(&r[i], in + (half + i) * 8, sizeof r[i]);
    for (int i = 0; i < 8; i += 2) {
      s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
      s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4)
      for (int j = 0; j < 2; j++) {
        r[i + 2 * j] = __builtin_shufflevector(s[i + j], s[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        r[i + 2 * j + 1] = __builtin_shufflevector(s[i + j], s[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
      }
    for (int i = 0; i < 4; i++) {
      s[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
      s[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    for (int i = 0; i < 8; i++) memcpy(out + i * panel_width + half, &s[i], sizeof s[i]);
  }
#else
  for (int i = 0; i < panel_width; i++)
    for (int j = 0; j < panel_width / 2; j++) out[j * panel_width + i] = in[i * (panel_width / 2) + j];
#endif
}

/// For outputs n0 ..< n0 + depth, one block: the largest scale of each input of the panel, [panel_width].
static void block_scales(const apus_weight *w, int first, int valid, int n0, int depth, float *out) {
  for (int l = 0; l < panel_width; l++) {
    if (l >= valid || (l > 0 && (first + l) % w->group != 0)) {
      out[l] = l < valid ? out[l - 1] : 0;
      continue;
    }
    out[l] = 0;
    for (int n = n0; n < n0 + depth; n++) {
      float scale = panel_scales(w, n / panel_width)[(first + l) / w->group * panel_width + n % panel_width];
      out[l] = scale > out[l] ? scale : out[l];
    }
  }
}

/// One panel_width x panel_width tile, outputs n0 …, turned: integers in units of the inputs' `scales`.
static void tile_transposed_fixed(const apus_weight *w, int first, int valid, int n0, const float *scales, pair *out) {
  pair room[panel_width / 2 * panel_width], tile[panel_width * panel_width / 2];
  const pair *pairs = panel_pairs(w, n0 / panel_width, first, valid, room);
  if (valid < panel_width) memset(tile, 0, sizeof tile);
  for (int k = 0; k < valid; k++) {
    const float *own = panel_scales(w, n0 / panel_width) + (first + k) / w->group * panel_width;
    float inverse = scales[k] > 0 ? 1 / scales[k] : 0;
    for (int j = 0; j < panel_width; j += APUS_LANES) {
      vi x;
      memcpy(&x, pairs + k / 2 * panel_width + j, sizeof x);
      x = k & 1 ? x >> 16 : x << 16 >> 16;
      // Rounded outward the ratio of the largest scale to itself could exceed 1 by an ulp; the integer cannot.
      vf value = __builtin_convertvector(x, vf) * (vf_load(own + j) * inverse);
      store_low_halves((uint16_t *)(tile + k * (panel_width / 2)) + j, round_to_low_half(value), APUS_LANES);
    }
  }
  transpose_pairs(tile, out);
}

/// Outputs n0 ..< n0 + depth of the inputs in input panel `panel`, as pairs of outputs [depth / 2][panel_width] and one
/// scale an input and block of outputs, [block][panel_width]. What lies past the weight's outputs is zero.
static void panel_transposed_fixed(const apus_weight *w, int panel, int n0, int depth, pair *out, float *scales) {
  int first = panel * panel_width;
  int valid = w->inputs - first < panel_width ? w->inputs - first : panel_width;
  for (int n = 0; n < depth; n += panel_width) {
    int block = n / backward_block;
    if (n % backward_block == 0)
      block_scales(w, first, valid, n0 + n, depth - n < backward_block ? depth - n : backward_block,
                   scales + block * panel_width);
    tile_transposed_fixed(w, first, valid, n0 + n, scales + block * panel_width, out + n / 2 * panel_width);
  }
}
#endif
