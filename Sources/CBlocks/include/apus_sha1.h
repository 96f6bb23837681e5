// The inner loop of SHA-1 (FIPS 180-4, 6.1.2). Padding and pieces that do not fill a block are the caller's.
#ifndef APUS_SHA1_H
#define APUS_SHA1_H

#include <stdint.h>

/// Folds `count` blocks of 64 bytes, which need not be aligned, into the state.
void apus_sha1_blocks(uint32_t state[5], const void *blocks, long count);

#endif
