// Decompression for tables. Snappy and LZ4 are small and written out here; zlib and zstd are the system's libraries, opened
// when the first page asks for them, so that neither building nor starting Apus needs them.
#ifndef APUS_CODECS_H
#define APUS_CODECS_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    CODECS_OK,
    /// The source is no such stream, or does not fill the target exactly.
    CODECS_DAMAGED,
    /// The system has no such library.
    CODECS_UNAVAILABLE,
    CODECS_OUT_OF_MEMORY,
} codecs_outcome;

// Each fills exactly `count` bytes of `target` and writes none beyond; `source` is read up to `size`.

/// A raw snappy block (github.com/google/snappy, format_description.txt).
codecs_outcome codecs_snappy(const uint8_t *source, size_t size, uint8_t *target, size_t count);
/// One LZ4 block (github.com/lz4/lz4, doc/lz4_Block_format.md).
codecs_outcome codecs_lz4_block(const uint8_t *source, size_t size, uint8_t *target, size_t count);
/// LZ4 blocks as Hadoop frames them: before each its size decompressed and compressed, both big-endian in 32 bits.
codecs_outcome codecs_lz4_hadoop(const uint8_t *source, size_t size, uint8_t *target, size_t count);
/// LZ4 frames (doc/lz4_Frame_format.md); checksums are not looked at.
codecs_outcome codecs_lz4_frame(const uint8_t *source, size_t size, uint8_t *target, size_t count);
/// One gzip or zlib stream, or several in a row, by zlib.
codecs_outcome codecs_gzip(const uint8_t *source, size_t size, uint8_t *target, size_t count);
/// Zstandard frames, by libzstd.
codecs_outcome codecs_zstd(const uint8_t *source, size_t size, uint8_t *target, size_t count);

#endif
