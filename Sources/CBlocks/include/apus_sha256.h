// The inner loop of SHA-256 (FIPS 180-4, 6.2.2). Padding and pieces that do not fill a block are the caller's.
#ifndef APUS_SHA256_H
#define APUS_SHA256_H

#include <stdint.h>

/// Folds `count` blocks of 64 bytes, which need not be aligned, into the state.
void apus_sha256_blocks(uint32_t state[8], const void *blocks, long count);

/// The same without the processor's own instructions for it.
void apus_sha256_blocks_plain(uint32_t state[8], const void *blocks, long count);

#endif
