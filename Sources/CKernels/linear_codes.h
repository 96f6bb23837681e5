// Weights of 4 and 8 bits, and the pairs of 16-bit values that they stand for.
static const float nf4_table[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
    -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
    0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};

// The table as the 16-bit values that the products multiply, and what one of their units is worth.
#if APUS_BF16_PAIRS
static const uint16_t nf4_levels[16] = {0xBF80, 0xBF32, 0xBF06, 0xBECA, 0xBE92, 0xBE3D, 0xBDBA, 0x0000,
                                        0x3DA3, 0x3E25, 0x3E7C, 0x3EAD, 0x3EE2, 0x3F10, 0x3F39, 0x3F80};
static const float nf4_unit = 1;
APUS_INLINE float half_value(uint16_t half) { return float_from_bf16(half); }
#else
static const uint16_t nf4_levels[16] = {0xF001, 0xF4DD, 0xF79A, 0xF9AF, 0xFB73, 0xFD0B, 0xFE8B, 0x0000,
                                        0x0146, 0x0293, 0x03F0, 0x0568, 0x070D, 0x0900, 0x0B91, 0x0FFF};
static const float nf4_unit = 1.0f / (float)fixed_weight_limit;
APUS_INLINE float half_value(uint16_t half) { return (int16_t)half; }
#endif

/// The 16 bits of an 8-bit integer, as the products multiply it.
APUS_INLINE uint16_t int8_half(int8_t value) {
#if APUS_BF16_PAIRS
  return bf16_from_float((float)value);
#else
  return (uint16_t)(int16_t)value;
#endif
}

/// Bytes of one pair of inputs in a panel of `width` outputs, for every format that is stored as pairs or as codes of pairs.
APUS_INLINE size_t pair_bytes(apus_weight_format format, int width) {
  return (size_t)width * (format == APUS_WEIGHT_NF4 ? 1 : format == APUS_WEIGHT_INT8 ? 2 : 4);
}

/// Where the NF4 code of an input pair's half (0 or 1) of a panel's lane lies within the pair's panel_width bytes.
typedef struct {
  int byte, shift;
} nf4_place;

#if APUS_LANES == 16
// 64 outputs: word 2 l + h of a pair's 32 words holds the codes of its half h for the outputs l, 32 + l, 16 + l and
// 48 + l, from the lowest four bits on. A shift and one look-up of words give a vector of pairs.
APUS_INLINE nf4_place nf4_position(int half, int lane) {
  int nibble = lane / 16 % 2 * 2 + lane / 32;
  nf4_place p = {4 * (lane % 16) + 2 * half + nibble / 2, 4 * (nibble % 2)};
  return p;
}

/// The pairs of outputs 16 v ..< 16 v + 16.
APUS_INLINE vu nf4_unpack(const uint8_t *codes, int v) {
  vu words;
  memcpy(&words, codes, sizeof words);
  words >>= (uint32_t)(4 * (v % 2 * 2 + v / 2));
#if APUS_AVX512
  // The table stands there twice, so that the fifth bit of an index has no meaning; those above it are not looked at.
  static const uint16_t twice[32] = {
      0xF001, 0xF4DD, 0xF79A, 0xF9AF, 0xFB73, 0xFD0B, 0xFE8B, 0x0000, 0x0146, 0x0293, 0x03F0,
      0x0568, 0x070D, 0x0900, 0x0B91, 0x0FFF, 0xF001, 0xF4DD, 0xF79A, 0xF9AF, 0xFB73, 0xFD0B,
      0xFE8B, 0x0000, 0x0146, 0x0293, 0x03F0, 0x0568, 0x070D, 0x0900, 0x0B91, 0x0FFF};
  return (vu)_mm512_permutexvar_epi16((__m512i)words, _mm512_loadu_si512(twice));
#else
  vu pairs;
  for (int i = 0; i < APUS_LANES; i++)
    pairs[i] = nf4_levels[words[i] & 15] | (uint32_t)nf4_levels[words[i] >> 16 & 15] << 16;
  return pairs;
#endif
}
#elif APUS_AVX2
// Two shuffles of 16 bytes look up the low and the high bytes of 16 levels, and an interleaving joins them. The codes lie
// so that pairs come out in the order of the lanes: byte 8v + 2i + half holds lanes i and i + 4 of vector v.
APUS_INLINE nf4_place nf4_position(int half, int lane) {
  nf4_place p = {lane / 8 * 8 + lane % 4 * 2 + half, lane % 8 < 4 ? 0 : 4};
  return p;
}

/// The pairs of one pair of inputs, [panel_width].
APUS_INLINE void nf4_unpack_panel(const uint8_t *codes, vu out[2]) {
  static const uint8_t low[16] = {0x01, 0xDD, 0x9A, 0xAF, 0x73, 0x0B, 0x8B, 0x00,
                                  0x46, 0x93, 0xF0, 0x68, 0x0D, 0x00, 0x91, 0xFF};
  static const uint8_t high[16] = {0xF0, 0xF4, 0xF7, 0xF9, 0xFB, 0xFD, 0xFE, 0x00,
                                   0x01, 0x02, 0x03, 0x05, 0x07, 0x09, 0x0B, 0x0F};
  __m256i packed = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)codes));
  __m256i index = _mm256_and_si256(_mm256_srlv_epi64(packed, _mm256_set_epi64x(4, 4, 0, 0)), _mm256_set1_epi8(15));
  __m256i l = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)low)), index);
  __m256i h = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)high)), index);
  out[0] = (vu)_mm256_unpacklo_epi8(l, h);
  out[1] = (vu)_mm256_unpackhi_epi8(l, h);
}

APUS_INLINE vu nf4_unpack(const uint8_t *codes, int v) {
  vu both[2];
  nf4_unpack_panel(codes, both);
  return both[v];
}
#else
APUS_INLINE nf4_place nf4_position(int half, int lane) {
  nf4_place p = {lane, 4 * half};
  return p;
}

APUS_INLINE vu nf4_unpack(const uint8_t *codes, int v) {
  codes += v * APUS_LANES;
#if APUS_NEON
  // One table instruction looks up the low bytes of 16 levels, one the high.
  const uint8x16x2_t levels = vld2q_u8((const uint8_t *)nf4_levels);
  uint32_t four;
  memcpy(&four, codes, sizeof four);
  uint8x8_t packed = vcreate_u8(four);
  uint8x8_t index = vzip_u8(vand_u8(packed, vdup_n_u8(15)), vshr_n_u8(packed, 4)).val[0];
  uint8x8_t low = vqtbl1_u8(levels.val[0], index), high = vqtbl1_u8(levels.val[1], index);
  uint8x8x2_t pairs = vzip_u8(low, high);
  return (vu)vcombine_u8(pairs.val[0], pairs.val[1]);
#else
  vu pairs;
  for (int i = 0; i < APUS_LANES; i++) pairs[i] = nf4_levels[codes[i] & 15] | (uint32_t)nf4_levels[codes[i] >> 4] << 16;
  return pairs;
#endif
}
#endif

/// The pairs of vector v of a pair of inputs that is stored as 8-bit integers, [panel_width][2].
APUS_INLINE vu int8_unpack(const uint8_t *codes, int v) {
#if APUS_BF16_PAIRS
  vu pairs;
  for (int i = 0; i < APUS_LANES; i++) {
    const uint8_t *two = codes + 2 * (v * APUS_LANES + i);
    pairs[i] = int8_half((int8_t)two[0]) | (uint32_t)int8_half((int8_t)two[1]) << 16;
  }
  return pairs;
#else
  typedef int8_t bytes __attribute__((vector_size(2 * APUS_LANES)));
  typedef int16_t halves __attribute__((vector_size(4 * APUS_LANES)));
  bytes b;
  memcpy(&b, codes + 2 * v * APUS_LANES, sizeof b);
  return (vu)__builtin_convertvector(b, halves);
#endif
}

/// The pairs of vectors first ..< first + count of a pair of inputs in a panel of `format`.
APUS_INLINE void unpack_pairs(apus_weight_format format, const uint8_t *from, int first, int count, vu *out) {
#if APUS_LANES == 8 && APUS_AVX2
  // Both vectors come out of one shuffle.
  if (format == APUS_WEIGHT_NF4 && count == 2) {
    nf4_unpack_panel(from, out);
    return;
  }
#endif
#pragma clang loop unroll(full)
  for (int j = 0; j < count; j++) {
    if (format == APUS_WEIGHT_NF4)
      out[j] = nf4_unpack(from, first + j);
    else if (format == APUS_WEIGHT_INT8)
      out[j] = int8_unpack(from, first + j);
    else
      memcpy(&out[j], (const pair *)from + (first + j) * APUS_LANES, sizeof out[j]);
  }
}
