// The decoders. They are compiled once for each instruction set that blocks.c includes this file for; DECODE names the
// function that the inclusion defines.
static TARGET void DECODE(apus_block kind, const uint8_t *block, long count, float *y) {
  switch (kind) {
    case APUS_BLOCK_Q4_0:
      for (long b = 0; b < count; b++, block += 18, y += 32) {
        bytes16 q = load16(block + 2);
        store(y, minus(q & 15, 8), half_at(block));
        store(y + 16, minus(q >> 4, 8), half_at(block));
      }
      return;
    case APUS_BLOCK_Q4_1:
      for (long b = 0; b < count; b++, block += 20, y += 32) {
        bytes16 q = load16(block + 4);
        store_plus(y, q & 15, half_at(block), half_at(block + 2));
        store_plus(y + 16, q >> 4, half_at(block), half_at(block + 2));
      }
      return;
    case APUS_BLOCK_Q5_0:
      for (long b = 0; b < count; b++, block += 22, y += 32) {
        bytes16 q = load16(block + 6);
        store(y, minus((q & 15) | fifth_bits(block + 2), 16), half_at(block));
        store(y + 16, minus(q >> 4 | fifth_bits(block + 4), 16), half_at(block));
      }
      return;
    case APUS_BLOCK_Q5_1:
      for (long b = 0; b < count; b++, block += 24, y += 32) {
        bytes16 q = load16(block + 8);
        store_plus(y, (q & 15) | fifth_bits(block + 4), half_at(block), half_at(block + 2));
        store_plus(y + 16, q >> 4 | fifth_bits(block + 6), half_at(block), half_at(block + 2));
      }
      return;
    case APUS_BLOCK_Q8_0:
      for (long b = 0; b < count; b++, block += 34, y += 32) {
        store(y, (signed16)load16(block + 2), half_at(block));
        store(y + 16, (signed16)load16(block + 18), half_at(block));
      }
      return;
    case APUS_BLOCK_Q4_K:
      for (long b = 0; b < count; b++, block += 144)
        for (int run = 0; run < 4; run++, y += 64) {
          sub_scale low = scale_and_minimum(block, 2 * run), high = scale_and_minimum(block, 2 * run + 1);
          for (int part = 0; part < 32; part += 16) {
            bytes16 q = load16(block + 16 + 32 * run + part);
            store_plus(y + part, q & 15, low.scale, -low.minimum);
            store_plus(y + 32 + part, q >> 4, high.scale, -high.minimum);
          }
        }
      return;
    case APUS_BLOCK_Q5_K:
      for (long b = 0; b < count; b++, block += 176)
        for (int run = 0; run < 4; run++, y += 64) {
          sub_scale low = scale_and_minimum(block, 2 * run), high = scale_and_minimum(block, 2 * run + 1);
          for (int part = 0; part < 32; part += 16) {
            bytes16 q = load16(block + 48 + 32 * run + part), fifths = load16(block + 16 + part) >> (2 * run);
            store_plus(y + part, (q & 15) | (fifths & 1) << 4, low.scale, -low.minimum);
            store_plus(y + 32 + part, q >> 4 | (fifths & 2) << 3, high.scale, -high.minimum);
          }
        }
      return;
    case APUS_BLOCK_Q6_K:
      for (long b = 0; b < count; b++, block += 210)
        for (int half = 0; half < 2; half++, y += 128) {
          const int8_t *scales = (const int8_t *)block + 192 + 8 * half;
          const float d = half_at(block + 208);
          for (int part = 0; part < 2; part++) {
            bytes16 low = load16(block + 64 * half + 16 * part), next = load16(block + 64 * half + 32 + 16 * part);
            bytes16 high = load16(block + 128 + 32 * half + 16 * part);
            float *out = y + 16 * part;
            store(out, minus((low & 15) | (high & 3) << 4, 32), d * (float)scales[part]);
            store(out + 32, minus((next & 15) | (high >> 2 & 3) << 4, 32), d * (float)scales[part + 2]);
            store(out + 64, minus(low >> 4 | (high >> 4 & 3) << 4, 32), d * (float)scales[part + 4]);
            store(out + 96, minus(next >> 4 | high >> 6 << 4, 32), d * (float)scales[part + 6]);
          }
        }
      return;
    case APUS_BLOCK_IQ4_NL:
      for (long b = 0; b < count; b++, block += 18, y += 32) {
        bytes16 q = load16(block + 2);
        store(y, uneven_steps(q & 15), half_at(block));
        store(y + 16, uneven_steps(q >> 4), half_at(block));
      }
      return;
    case APUS_BLOCK_IQ4_XS:
      for (long b = 0; b < count; b++, block += 136)
        for (int run = 0; run < 8; run++, y += 32) {
          // Four bits of each scale lie in a nibble, the two above them in a word of their own.
          int low = block[4 + run / 2] >> 4 * (run % 2) & 15, high = block[2 + run / 4] >> 2 * (run % 4) & 3;
          const float scale = half_at(block) * (float)((low | high << 4) - 32);
          bytes16 q = load16(block + 8 + 16 * run);
          store(y, uneven_steps(q & 15), scale);
          store(y + 16, uneven_steps(q >> 4), scale);
        }
      return;
  }
}
