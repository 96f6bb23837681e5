// NF4 codes of a panel, and the pairs of 16-bit values that they stand for.
static const float nf4_table[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
    -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
    0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};

// The table as the 16-bit values that the products multiply. A stored scale carries the unit that they leave over.
#if APUS_BF16_PAIRS
static const uint32_t nf4_levels[16] = {0xBF80, 0xBF32, 0xBF06, 0xBECA, 0xBE92, 0xBE3D, 0xBDBA, 0x0000,
                                        0x3DA3, 0x3E25, 0x3E7C, 0x3EAD, 0x3EE2, 0x3F10, 0x3F39, 0x3F80};
static const float nf4_unit = 1;
APUS_INLINE float half_value(uint16_t half) { return float_from_bf16(half); }
#else
static const uint32_t nf4_levels[16] = {0xF001, 0xF4DD, 0xF79A, 0xF9AF, 0xFB73, 0xFD0B, 0xFE8B, 0x0000,
                                        0x0146, 0x0293, 0x03F0, 0x0568, 0x070D, 0x0900, 0x0B91, 0x0FFF};
static const float nf4_unit = 1.0f / (float)fixed_weight_limit;
APUS_INLINE float half_value(uint16_t half) { return (int16_t)half; }
#endif

/// Where the code of an even (0) or odd (1) input of a panel's lane lies within the panel_width bytes of an input pair.
typedef struct {
  int byte, shift;
} nf4_place;

#if APUS_LANES == 8 && APUS_AVX2
// Two shuffles of 16 bytes look up the low and the high bytes of 32 levels, and two interleavings join them. The codes
// lie so that pairs come out in the order of the lanes: byte 8v + 2i + odd holds lanes i and i + 4 of vector v.
APUS_INLINE nf4_place nf4_position(int odd, int lane) {
  nf4_place p = {lane / 8 * 8 + lane % 4 * 2 + odd, lane % 8 < 4 ? 0 : 4};
  return p;
}

/// The pairs of one input pair, [panel_width].
APUS_INLINE void nf4_unpack_pairs(const uint8_t *codes, pair *out) {
  static const uint8_t low[16] = {0x01, 0xDD, 0x9A, 0xAF, 0x73, 0x0B, 0x8B, 0x00,
                                  0x46, 0x93, 0xF0, 0x68, 0x0D, 0x00, 0x91, 0xFF};
  static const uint8_t high[16] = {0xF0, 0xF4, 0xF7, 0xF9, 0xFB, 0xFD, 0xFE, 0x00,
                                   0x01, 0x02, 0x03, 0x05, 0x07, 0x09, 0x0B, 0x0F};
  __m256i packed = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)codes));
  __m256i index = _mm256_and_si256(_mm256_srlv_epi64(packed, _mm256_set_epi64x(4, 4, 0, 0)), _mm256_set1_epi8(15));
  __m256i l = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)low)), index);
  __m256i h = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)high)), index);
  _mm256_storeu_si256((__m256i *)out, _mm256_unpacklo_epi8(l, h));
  _mm256_storeu_si256((__m256i *)(out + 8), _mm256_unpackhi_epi8(l, h));
}
#else
APUS_INLINE nf4_place nf4_position(int odd, int lane) {
  nf4_place p = {lane, 4 * odd};
  return p;
}

#if APUS_NEON
/// The pairs of one input pair, [panel_width]. One table instruction looks up the low bytes of 16 levels, one the high.
APUS_INLINE void nf4_unpack_pairs(const uint8_t *codes, pair *out) {
  const uint8x16x4_t levels = vld4q_u8((const uint8_t *)nf4_levels);
  for (int j = 0; j < panel_width; j += 8) {
    uint8x8_t packed = vld1_u8(codes + j);
    uint8x8x2_t zipped = vzip_u8(vand_u8(packed, vdup_n_u8(15)), vshr_n_u8(packed, 4));
    uint8x16_t index = vcombine_u8(zipped.val[0], zipped.val[1]);
    uint8x16_t low = vqtbl1q_u8(levels.val[0], index), high = vqtbl1q_u8(levels.val[1], index);
    vst1q_u8((uint8_t *)(out + j), vzip1q_u8(low, high));
    vst1q_u8((uint8_t *)(out + j + 4), vzip2q_u8(low, high));
  }
}
#else

/// The levels at 4-bit indices.
APUS_INLINE vu nf4_lookup(vu index) {
#if APUS_LANES == 16 && APUS_AVX512
  return (vu)_mm512_permutexvar_epi32((__m512i)index, _mm512_loadu_si512(nf4_levels));
#else
  vu v;
  for (int i = 0; i < APUS_LANES; i++) v[i] = nf4_levels[index[i]];
  return v;
#endif
}

/// The pairs of one input pair, [panel_width].
APUS_INLINE void nf4_unpack_pairs(const uint8_t *codes, pair *out) {
  typedef uint8_t bytes __attribute__((vector_size(APUS_LANES)));
  for (int j = 0; j < panel_width; j += APUS_LANES) {
    bytes b;
    memcpy(&b, codes + j, sizeof b);
    vu byte = __builtin_convertvector(b, vu), x = nf4_lookup(byte & 15) | nf4_lookup(byte >> 4) << 16;
    memcpy(out + j, &x, sizeof x);
  }
}
#endif
#endif
