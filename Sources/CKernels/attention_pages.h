// Pages of keys and values (apus_attention.h has their layout): how rows are rounded into them and widened again.

// Sums of products of the largest integers still fit 32 bits: of queries and keys 32 * 8191 * 8191 < 2^31, of weights
// and values 64 * 4095 * 8191.
enum { ATTENTION_LIMIT = 8191, ATTENTION_WEIGHT_LIMIT = 4095 };
/// Lanes of vectors that one page's positions fill.
enum { ATTENTION_PAGE_VECTORS = APUS_PAGE_TOKENS / APUS_LANES };

/// Floats of a cache line, at which every part of scratch begins.
enum { ATTENTION_ALIGNMENT = 16 };

APUS_INLINE float *attention_aligned(float *scratch) {
  return (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
}

APUS_INLINE long attention_round_up(long floats) {
  return (floats + ATTENTION_ALIGNMENT - 1) / ATTENTION_ALIGNMENT * ATTENTION_ALIGNMENT;
}

APUS_INLINE int attention_rows_together(const apus_pages *pages, int queries) {
  int group = pages->heads / pages->kv_heads;
  return group < queries ? queries / group : 1;
}

/// The first key that a row of this context sees.
APUS_INLINE int attention_first_seen(const apus_pages *pages, int context) {
  return pages->window > 0 && context > pages->window ? context - pages->window : 0;
}

/// The records of one key/value head.
typedef struct {
  char *base;
  long stride;  // bytes from page to page
} attention_records;

APUS_INLINE attention_records attention_records_of(const apus_pages *pages, int kv) {
  const long bytes = apus_page_bytes(pages->head_size, pages->fixed);
  return (attention_records){(char *)pages->base + kv * bytes, pages->kv_heads * bytes};
}

APUS_INLINE char *attention_record(attention_records records, long page) {
  return records.base + page * records.stride;
}

// Offsets of a 16-bit record's parts; keys are at 0.
APUS_INLINE long attention_key_scales(int head_size) { return 32L * head_size; }
APUS_INLINE long attention_value_scales(int head_size) { return 32L * head_size + 64 * apus_key_blocks(head_size); }
APUS_INLINE long attention_fixed_values(int head_size) { return attention_value_scales(head_size) + 64; }
/// Offset of an fp32 record's values.
APUS_INLINE long attention_float_values(int head_size) { return 64L * head_size; }

APUS_INLINE vu attention_load_pairs(const pair *p) { vu v; memcpy(&v, p, sizeof v); return v; }

APUS_INLINE void attention_store_halves(int16_t *to, vf shifted, int count) {
  typedef uint16_t halves __attribute__((vector_size(APUS_LANES * 2)));
  halves h = __builtin_convertvector((vu)shifted, halves);
  memcpy(to, &h, sizeof(int16_t) * (size_t)count);
}

/// What an integer of a block is worth. Below 1e-30 its inverse would leave the range of normal numbers.
APUS_INLINE float attention_unit(float largest, int limit) {
  return (largest > 1e-30f ? largest : 1e-30f) * (1.0f / (float)limit);
}

APUS_INLINE float attention_inverse(float largest, int limit) {
  return (float)limit / (largest > 1e-30f ? largest : 1e-30f);
}

/// The largest magnitude, of which infinity and NaN are the last: numbers that are not negative order as their bits do.
APUS_INLINE int32_t attention_magnitude(const float *x, int count) {
  const int whole = count / APUS_LANES * APUS_LANES;
  vi most = {0};
  for (int i = 0; i < whole; i += APUS_LANES) most = __builtin_elementwise_max(most, (vi)vf_load(x + i) & 0x7fffffff);
  if (whole < count) most = __builtin_elementwise_max(most, (vi)load_part(x + whole, count - whole) & 0x7fffffff);
  return __builtin_reduce_max(most);
}

APUS_INLINE int attention_is_finite(int32_t magnitude) { return magnitude < 0x7f800000; }

APUS_INLINE float attention_magnitude_value(int32_t magnitude) {
  float value;
  memcpy(&value, &magnitude, sizeof value);
  return value;
}

/// Writes count values as the nearest integers.
APUS_INLINE void attention_round_by(const float *x, int count, float inverse, int16_t *out) {
  const int whole = count / APUS_LANES * APUS_LANES;
  // 1.5 * 2^23: the sum's last bit weighs one, and its own low half is zero.
  for (int i = 0; i < whole; i += APUS_LANES)
    attention_store_halves(out + i, vf_load(x + i) * inverse + 12582912.0f, APUS_LANES);
  if (whole < count)
    attention_store_halves(out + whole, load_part(x + whole, count - whole) * inverse + 12582912.0f, count - whole);
}

/// The same on a scale that makes the largest one ATTENTION_LIMIT. Returns what one unit is worth: NaN where a value is
/// not finite.
APUS_INLINE float attention_round(const float *x, int count, int16_t *out) {
  const int32_t magnitude = attention_magnitude(x, count);
  const float largest = attention_magnitude_value(magnitude);
  attention_round_by(x, count, attention_inverse(largest, ATTENTION_LIMIT), out);
  return attention_is_finite(magnitude) ? attention_unit(largest, ATTENTION_LIMIT) : NAN;
}

static void attention_write_fixed(char *record, int size, int slot, const float *key, const float *value) {
  const int32_t magnitude = attention_magnitude(value, size);
  const int finite = attention_is_finite(magnitude);
  const float largest = finite ? attention_magnitude_value(magnitude) : 0;
  const float inverse = attention_inverse(largest, ATTENTION_LIMIT);
  ((float *)(record + attention_value_scales(size)))[slot] = attention_unit(largest, ATTENTION_LIMIT);
  int16_t *values = (int16_t *)(record + attention_fixed_values(size));
  values += slot / 2 * 2 * apus_padded_head(size) + slot % 2;
  pair *keys = (pair *)record + slot;
  float *scales = (float *)(record + attention_key_scales(size)) + slot;
  for (int d = 0; d < size; d += APUS_KEY_BLOCK) {
    const int count = size - d < APUS_KEY_BLOCK ? size - d : APUS_KEY_BLOCK;
    int16_t rounded[APUS_KEY_BLOCK];
    const float unit = attention_round(key + d, count, rounded);
    // A value that is not finite shows in the key's scale: a score that is NaN reaches every output.
    scales[d / APUS_KEY_BLOCK * APUS_PAGE_TOKENS] = finite ? unit : NAN;
    for (int i = 0; i < count / 2; i++) memcpy(keys + (d / 2 + i) * APUS_PAGE_TOKENS, rounded + 2 * i, 4);
    attention_round_by(value + d, count, inverse, rounded);
    for (int i = 0; i < count; i++) values[2 * (d + i)] = rounded[i];
  }
}

static void attention_write_float(char *record, int size, int slot, const float *key, const float *value) {
  float *keys = (float *)record + slot, *values = (float *)(record + attention_float_values(size));
  float finite = 0;
  for (int d = 0; d < size; d++) keys[d * APUS_PAGE_TOKENS] = key[d], finite += key[d] * 0 + value[d] * 0;
  // An infinite score could be the lowest of all and be forgotten.
  if (finite != 0) keys[0] = NAN;
  memcpy(values + slot * apus_padded_head(size), value, size * sizeof(float));
}

static void attention_write(const apus_pages *pages, const float *k, long ldk, const float *v, long ldv,
                            const int32_t *rows, const int32_t *slots, int entries) {
  const int size = pages->head_size;
  for (int kv = 0; kv < pages->kv_heads; kv++)
    for (int e = 0; e < entries; e++) {
      char *record = attention_record(attention_records_of(pages, kv), slots[e] / APUS_PAGE_TOKENS);
      (pages->fixed ? attention_write_fixed : attention_write_float)(
          record, size, slots[e] % APUS_PAGE_TOKENS, k + rows[e] * ldk + kv * size, v + rows[e] * ldv + kv * size);
    }
}

/// to[c][r] = from[r][c] for 4 x 4 words of 32 bits.
APUS_INLINE void attention_transpose_4(const char *from, long from_row, char *to, long to_row) {
  typedef uint32_t words __attribute__((vector_size(16)));
  words a, b, c, d;
  memcpy(&a, from, 16), memcpy(&b, from + from_row, 16);
  memcpy(&c, from + 2 * from_row, 16), memcpy(&d, from + 3 * from_row, 16);
  const words ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const words ef = __builtin_shufflevector(a, b, 2, 6, 3, 7), gh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  a = __builtin_shufflevector(ab, cd, 0, 1, 4, 5), b = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  c = __builtin_shufflevector(ef, gh, 0, 1, 4, 5), d = __builtin_shufflevector(ef, gh, 2, 3, 6, 7);
  memcpy(to, &a, 16), memcpy(to + to_row, &b, 16), memcpy(to + 2 * to_row, &c, 16), memcpy(to + 3 * to_row, &d, 16);
}

/// Transposes rows x columns words, both multiples of 4; distances between rows are in bytes.
static void attention_transpose(const void *from, long from_row, int rows, int columns, void *to, long to_row) {
  for (int r = 0; r < rows; r += 4)
    for (int c = 0; c < columns; c += 4)
      attention_transpose_4((const char *)from + r * from_row + 4 * c, from_row, (char *)to + c * to_row + 4 * r,
                            to_row);
}

/// 16 integers as fp32.
APUS_INLINE void attention_widen(const int16_t *from, vf to[ATTENTION_PAGE_VECTORS]) {
  typedef int16_t halves __attribute__((vector_size(APUS_LANES * 2)));
  for (int j = 0; j < ATTENTION_PAGE_VECTORS; j++) {
    halves h;
    memcpy(&h, from + j * APUS_LANES, sizeof h);
    to[j] = __builtin_convertvector(h, vf);
  }
}

/// A 16-bit record's keys as [16][W] and its values as [W][`row`].
static void attention_open_fixed(const char *record, int size, float *keys, float *values, long row) {
  const long width = apus_padded_head(size);
  // What is turned of the keys are 16 rows at a time. A small head's record ends before them.
  char small[1024] __attribute__((aligned(64))) = {0};
  const char *rows = record;
  if (apus_page_bytes(size, 1) < (long)sizeof small) rows = memcpy(small, record, (size_t)apus_page_bytes(size, 1));
  const float *key_scales = (const float *)(record + attention_key_scales(size));
  pair turned[APUS_PAGE_TOKENS][APUS_PAGE_TOKENS];
  vf wide[ATTENTION_PAGE_VECTORS];
  for (int d = 0; d < width; d += APUS_KEY_BLOCK, key_scales += APUS_PAGE_TOKENS) {
    // Past the head's last pair come scales: what they widen to are the columns that pad a row.
    attention_transpose(rows + 32 * d, 64, 16, 16, turned, sizeof turned[0]);
    for (int slot = 0; slot < APUS_PAGE_TOKENS; slot++)
      for (int part = 0; part < APUS_KEY_BLOCK && d + part < width; part += 16) {
        attention_widen((const int16_t *)turned[slot] + part, wide);
        for (int j = 0; j < ATTENTION_PAGE_VECTORS; j++)
          vf_store(keys + slot * width + d + part + j * APUS_LANES, wide[j] * key_scales[slot]);
      }
  }
  const float *value_scales = (const float *)(record + attention_value_scales(size));
  for (int d = 0; d < width; d += 16) {
    attention_transpose(record + attention_fixed_values(size) + 4 * d, 4 * width, 8, 16, turned, sizeof turned[0]);
    for (int i = 0; i < 16; i++) {
      attention_widen((const int16_t *)turned[i], wide);
      for (int j = 0; j < ATTENTION_PAGE_VECTORS; j++)
        vf_store(values + (d + i) * row + j * APUS_LANES, wide[j] * vf_load(value_scales + j * APUS_LANES));
    }
  }
}

static void attention_open_float(const char *record, int size, float *keys, float *values, long row) {
  const long width = apus_padded_head(size);
  attention_transpose(record, 64, size, APUS_PAGE_TOKENS, keys, 4 * width);
  attention_transpose(record + attention_float_values(size), 4 * width, APUS_PAGE_TOKENS, (int)width, values, 4 * row);
}
