#include "CCodecs.h"
#include "copies.h"

enum { LEAST_MATCH = 4, LONG_LENGTH = 15 };

// A length that fills its four bits goes on in bytes, up to one that is not 255.
static int extend(const uint8_t *source, size_t size, size_t *at, size_t *length) {
    if (*length != LONG_LENGTH) return 1;
    uint8_t byte;
    do {
        if (*at == size) return 0;
        byte = source[(*at)++];
        *length += byte;
    } while (byte == 255);
    return 1;
}

// Appends one block after `filled` bytes, to which its matches may reach back.
static int append_block(const uint8_t *source, size_t size, uint8_t *target, size_t *filled, size_t count) {
    size_t at = 0;
    while (at < size) {
        uint8_t token = source[at++];
        size_t length = token >> 4;
        if (!extend(source, size, &at, &length)) return 0;
        if (length > size - at || length > count - *filled) return 0;
        // An empty block may have no target at all.
        if (length) memcpy(target + *filled, source + at, length);
        at += length;
        *filled += length;
        // The last sequence has no match.
        if (at == size) return 1;
        if (size - at < 2) return 0;
        size_t offset = little_endian(source + at, 2);
        at += 2;
        length = token & 15;
        if (!extend(source, size, &at, &length)) return 0;
        if (!copy_back(target, filled, count, offset, length + LEAST_MATCH)) return 0;
    }
    return 0;
}

codecs_outcome codecs_lz4_block(const uint8_t *source, size_t size, uint8_t *target, size_t count) {
    size_t filled = 0;
    return append_block(source, size, target, &filled, count) && filled == count ? CODECS_OK : CODECS_DAMAGED;
}

static size_t big_endian(const uint8_t *bytes) {
    return (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
}

codecs_outcome codecs_lz4_hadoop(const uint8_t *source, size_t size, uint8_t *target, size_t count) {
    size_t at = 0, filled = 0;
    while (at < size) {
        if (size - at < 8) return CODECS_DAMAGED;
        size_t declared = big_endian(source + at), compressed = big_endian(source + at + 4);
        at += 8;
        if (compressed > size - at || declared > count - filled) return CODECS_DAMAGED;
        if (codecs_lz4_block(source + at, compressed, target + filled, declared) != CODECS_OK) return CODECS_DAMAGED;
        at += compressed;
        filled += declared;
    }
    return filled == count ? CODECS_OK : CODECS_DAMAGED;
}

enum { MAGIC = 0x184D2204, FIRST_SKIPPABLE = 0x184D2A50 };
enum { HAS_DICTIONARY = 1, HAS_CHECKSUM = 4, HAS_SIZE = 8, HAS_BLOCK_CHECKSUMS = 16 };

// What follows the magic number of a frame, up to its first block; the flags, or -1 where it is no header.
static int frame_header(const uint8_t *source, size_t size, size_t *at) {
    if (size - *at < 3) return -1;
    int flags = source[*at];
    if (flags >> 6 != 1 || flags & HAS_DICTIONARY) return -1;
    size_t length = flags & HAS_SIZE ? 11 : 3;
    if (size - *at < length) return -1;
    *at += length;
    return flags;
}

static int append_frame(
    const uint8_t *source, size_t size, size_t *at, uint8_t *target, size_t *filled, size_t count
) {
    int flags = frame_header(source, size, at);
    if (flags < 0) return 0;
    while (size - *at >= 4) {
        size_t word = little_endian(source + *at, 4), length = word & 0x7FFFFFFF;
        *at += 4;
        size_t checksum = flags & (word ? HAS_BLOCK_CHECKSUMS : HAS_CHECKSUM) ? 4 : 0;
        if (size - *at < length || size - *at - length < checksum) return 0;
        if (word >> 31) {
            if (length > count - *filled) return 0;
            memcpy(target + *filled, source + *at, length);
            *filled += length;
        } else if (word && !append_block(source + *at, length, target, filled, count)) {
            return 0;
        }
        *at += length + checksum;
        if (word == 0) return 1;
    }
    return 0;
}

codecs_outcome codecs_lz4_frame(const uint8_t *source, size_t size, uint8_t *target, size_t count) {
    size_t at = 0, filled = 0;
    while (at < size) {
        if (size - at < 8) return CODECS_DAMAGED;
        size_t magic = little_endian(source + at, 4);
        at += 4;
        if ((magic & ~(size_t)15) == FIRST_SKIPPABLE) {
            size_t length = little_endian(source + at, 4);
            at += 4;
            if (length > size - at) return CODECS_DAMAGED;
            at += length;
        } else if (magic != MAGIC || !append_frame(source, size, &at, target, &filled, count)) {
            return CODECS_DAMAGED;
        }
    }
    return filled == count ? CODECS_OK : CODECS_DAMAGED;
}
