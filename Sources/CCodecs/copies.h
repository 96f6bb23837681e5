// What both decoders of copies share.
#ifndef APUS_COPIES_H
#define APUS_COPIES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline size_t little_endian(const uint8_t *bytes, size_t width) {
    size_t value = 0;
    for (size_t index = 0; index < width; index++) value |= (size_t)bytes[index] << (8 * index);
    return value;
}

// Repeats `length` bytes from `offset` before the end; 0 where they do not exist or have no room. A copy may reach into
// itself: then what it repeats is a period, which is copied in pieces that double.
static inline int copy_back(uint8_t *target, size_t *filled, size_t count, size_t offset, size_t length) {
    if (offset == 0 || offset > *filled || length > count - *filled) return 0;
    uint8_t *to = target + *filled;
    const uint8_t *from = to - offset;
    *filled += length;
    while (length > offset) {
        memcpy(to, from, offset);
        to += offset;
        length -= offset;
        offset *= 2;
    }
    memcpy(to, from, length);
    return 1;
}

#endif
