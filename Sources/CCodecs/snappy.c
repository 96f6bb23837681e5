#include "CCodecs.h"
#include "copies.h"

enum { LITERAL = 0, COPY_1 = 1, COPY_2 = 2, COPY_4 = 3 };

// The size of what follows, as a varint of at most 32 bits; 0 bytes taken where it is none.
static size_t preamble(const uint8_t *source, size_t size, size_t *count) {
    uint64_t value = 0;
    for (size_t index = 0; index < size && index < 5; index++) {
        value |= (uint64_t)(source[index] & 0x7F) << (7 * index);
        if (source[index] < 0x80) {
            *count = value;
            return index + 1;
        }
    }
    return 0;
}

// The length of a literal: in the tag, or in the 1 to 4 bytes after it.
static int literal_length(const uint8_t *source, size_t size, size_t *at, uint8_t tag, size_t *length) {
    size_t value = tag >> 2;
    if (value >= 60) {
        size_t width = value - 59;
        if (size - *at < width) return 0;
        value = little_endian(source + *at, width);
        *at += width;
    }
    *length = value + 1;
    return 1;
}

codecs_outcome codecs_snappy(const uint8_t *source, size_t size, uint8_t *target, size_t count) {
    size_t declared = 0, at = preamble(source, size, &declared), filled = 0;
    if (at == 0 || declared != count) return CODECS_DAMAGED;
    while (at < size) {
        uint8_t tag = source[at++];
        size_t length, offset, width;
        switch (tag & 3) {
        case LITERAL:
            if (!literal_length(source, size, &at, tag, &length)) return CODECS_DAMAGED;
            if (length > size - at || length > count - filled) return CODECS_DAMAGED;
            memcpy(target + filled, source + at, length);
            at += length;
            filled += length;
            continue;
        case COPY_1: width = 1, length = ((tag >> 2) & 7) + 4; break;
        case COPY_2: width = 2, length = (tag >> 2) + 1; break;
        default: width = 4, length = (tag >> 2) + 1; break;
        }
        if (size - at < width) return CODECS_DAMAGED;
        offset = little_endian(source + at, width);
        if ((tag & 3) == COPY_1) offset |= (size_t)(tag >> 5) << 8;
        at += width;
        if (!copy_back(target, &filled, count, offset, length)) return CODECS_DAMAGED;
    }
    return filled == count ? CODECS_OK : CODECS_DAMAGED;
}
