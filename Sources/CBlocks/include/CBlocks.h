// Loops over the bytes of files: GGUF's blocks of quantised values to fp32, and SHA-256 (apus_sha256.h).
//
// A block of GGUF, 32 or 256 values, shares its scales. Every value is computed by the same operations on every
// processor, so that the results do not depend on where they were made; only their speed does.
#ifndef CBLOCKS_H
#define CBLOCKS_H

#include "apus_sha1.h"
#include "apus_sha256.h"

#include <stdint.h>

/// The kinds of blocks, named as the format names them.
typedef enum {
  APUS_BLOCK_Q4_0,
  APUS_BLOCK_Q4_1,
  APUS_BLOCK_Q5_0,
  APUS_BLOCK_Q5_1,
  APUS_BLOCK_Q8_0,
  APUS_BLOCK_Q4_K,
  APUS_BLOCK_Q5_K,
  APUS_BLOCK_Q6_K,
  APUS_BLOCK_IQ4_NL,
  APUS_BLOCK_IQ4_XS,
} apus_block;

/// Decodes `count` blocks, which need not be aligned. y has room for all their values.
void apus_decode_blocks(apus_block kind, const void *blocks, long count, float *y);

/// The same without the processor's wider vectors.
void apus_decode_blocks_plain(apus_block kind, const void *blocks, long count, float *y);

#endif
