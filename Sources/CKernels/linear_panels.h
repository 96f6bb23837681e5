// Packed panels of weights: how they are written, and how they come into the form that the register tiles read.
static const float nf4_table[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
    -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
    0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};

/// Where the code of an even (0) or odd (1) input of a panel's lane lies within the panel_width bytes of an input pair.
typedef struct {
  int byte, shift;
} nf4_place;

#if APUS_LANES == 8 && APUS_AVX2
// One shuffle of 16 bytes looks up one byte of 32 values; four of them and two rounds of interleaving give 32 floats.
// The codes lie so that they come out in order: byte 4s + i holds lanes i and i + 4 of vector s of (even, even, odd, odd).
APUS_INLINE nf4_place nf4_position(int odd, int lane) {
  nf4_place p = {(2 * odd + lane / 8) * 4 + lane % 4, lane % 8 < 4 ? 0 : 4};
  return p;
}

/// The two rows of values of an input pair, [2][panel_width], times the lanes' scales.
APUS_INLINE void nf4_unpack_pair(const uint8_t *codes, const float *scale, float *out) {
  // nf4_table's floats cut into their four bytes, lowest first.
  static const uint8_t bytes[4][16] = {
      {0x00, 0xb1, 0x30, 0xa0, 0x4d, 0x3f, 0x71, 0x00, 0xff, 0xe3, 0xdd, 0x3a, 0xb8, 0xab, 0xb3, 0x00},
      {0x00, 0x39, 0x6b, 0x32, 0xa2, 0x35, 0x78, 0x00, 0xfa, 0xca, 0x04, 0x03, 0xa4, 0x07, 0x13, 0x00},
      {0x80, 0x32, 0x06, 0xca, 0x91, 0x3d, 0xba, 0x00, 0xa2, 0x24, 0x7c, 0xad, 0xe1, 0x10, 0x39, 0x80},
      {0xbf, 0xbf, 0xbf, 0xbe, 0xbe, 0xbe, 0xbd, 0x00, 0x3d, 0x3e, 0x3e, 0x3e, 0x3e, 0x3f, 0x3f, 0x3f}};
  __m128i packed = _mm_loadu_si128((const __m128i *)codes);
  __m256i index = _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(packed, 4), packed), _mm256_set1_epi8(15));
  __m256i b[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++)
    b[i] = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bytes[i])), index);
  __m256i low01 = _mm256_unpacklo_epi8(b[0], b[1]), high01 = _mm256_unpackhi_epi8(b[0], b[1]);
  __m256i low23 = _mm256_unpacklo_epi8(b[2], b[3]), high23 = _mm256_unpackhi_epi8(b[2], b[3]);
  vf s0 = vf_load(scale), s1 = vf_load(scale + 8);
  vf_store(out, (vf)_mm256_unpacklo_epi16(low01, low23) * s0);
  vf_store(out + 8, (vf)_mm256_unpackhi_epi16(low01, low23) * s1);
  vf_store(out + 16, (vf)_mm256_unpacklo_epi16(high01, high23) * s0);
  vf_store(out + 24, (vf)_mm256_unpackhi_epi16(high01, high23) * s1);
}
#else
APUS_INLINE nf4_place nf4_position(int odd, int lane) {
  nf4_place p = {lane, 4 * odd};
  return p;
}

/// The table's values at 4-bit indices.
APUS_INLINE vf nf4_lookup(vu index) {
#if APUS_LANES == 16 && APUS_AVX512
  return (vf)_mm512_permutexvar_ps((__m512i)index, _mm512_loadu_ps(nf4_table));
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

/// The two rows of values of an input pair, [2][panel_width], times the lanes' scales.
APUS_INLINE void nf4_unpack_pair(const uint8_t *codes, const float *scale, float *out) {
  for (int j = 0; j < panel_width; j += APUS_LANES) {
    vu byte = widen_bytes(codes + j);
    vf s = vf_load(scale + j);
    vf_store(out + j, nf4_lookup(byte & 15) * s);
    vf_store(out + panel_width + j, nf4_lookup(byte >> 4) * s);
  }
}
#endif

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
    for (; k < end; k += 2, codes += panel_width, out += 2 * panel_width) nf4_unpack_pair(codes, scale, out);
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
/// Bits rounded to the nearest bf16, which is left in the upper half. Finite values only.
APUS_INLINE vu round_to_bf16(vu bits) { return bits + 0x7FFF + (bits >> 16 & 1); }

/// Rounds an fp32 panel [depth][panel_width] to bf16 pairs [ceil(depth / 2)][panel_width].
static void panel_to_pairs(const float *in, int depth, uint32_t *out) {
  for (int k = 0; k < depth; k += 2, in += 2 * panel_width, out += panel_width)
    for (int j = 0; j < panel_width; j += APUS_LANES) {
      vu even = round_to_bf16((vu)vf_load(in + j)) >> 16, odd = {0};
      if (k + 1 < depth) odd = round_to_bf16((vu)vf_load(in + panel_width + j)) & 0xFFFF0000u;
      even |= odd;
      memcpy(out + j, &even, sizeof even);
    }
}

/// Rounds rows of x to bf16 pairs, [rows][depth_block / 2].
static void rows_to_pairs(const float *x, long ldx, int rows, int depth, uint32_t *out) {
  for (int i = 0; i < rows; i++) {
    const float *row = x + i * ldx;
    uint16_t *to = (uint16_t *)(out + i * (depth_block / 2));
    // Written without a branch, so that the compiler makes vectors of it.
    for (int k = 0; k < depth; k++) {
      uint32_t bits;
      memcpy(&bits, row + k, 4);
      to[k] = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }
    if (depth & 1) to[depth] = 0;
  }
}
#endif

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
    for (int k = 0; k < w->inputs; k++) {
      nf4_place place = nf4_position(k & 1, lane);
      base[(size_t)(k / 2) * panel_width + place.byte] |= (uint8_t)(row[k] << place.shift);
    }
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
    else {
      nf4_place place = nf4_position(k & 1, lane);
      int code = base[(size_t)(k / 2) * panel_width + place.byte] >> place.shift & 15;
      values[k] = nf4_table[code] * scales[(size_t)(k / w->group) * panel_width];
    }
  }
}
