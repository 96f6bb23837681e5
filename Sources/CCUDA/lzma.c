#include "ccuda_images.h"

#include <string.h>

// LZMA as its specification has it (7-zip.org/sdk.html): a range coder reads bits by what they mostly were in their place,
// and the bits say literals and matches.

enum {
    HEADER = 13,
    STATES = 12,
    LITERAL_STATES = 7,
    POSITIONS = 16,
    LEAST_MATCH = 2,
    LENGTHS = 4,
    HALF = 1 << 10,
    LEARNING = 5,
    PROBABILITY_BITS = 11,
};

struct lengths {
    uint16_t is_long, is_longest;
    uint16_t low[POSITIONS][8], middle[POSITIONS][8], high[256];
};

struct decoder {
    const uint8_t *source, *end;
    uint8_t *target;
    size_t filled, count;
    uint32_t range, code;
    int is_damaged;
    unsigned literal_context, literal_position, position_mask;
    // The distances of the last four matches, less one.
    uint32_t distances[4];
    unsigned state;
    // Everything from here on is probabilities, which begin as halves.
    uint16_t is_match[STATES][POSITIONS], is_repeat[STATES], is_older[STATES], is_third[STATES], is_fourth[STATES];
    uint16_t is_long_repeat[STATES][POSITIONS];
    uint16_t slots[LENGTHS][64], special[128], align[16];
    struct lengths match, repeat;
    uint16_t literals[16][0x300];
};

static uint8_t next_byte(struct decoder *d) {
    if (d->source < d->end) return *d->source++;
    d->is_damaged = 1;
    return 0;
}

static void normalize(struct decoder *d) {
    if (d->range >> 24) return;
    d->range <<= 8;
    d->code = d->code << 8 | next_byte(d);
}

static unsigned bit(struct decoder *d, uint16_t *probability) {
    uint32_t bound = (d->range >> PROBABILITY_BITS) * *probability;
    unsigned result = d->code >= bound;
    if (result) {
        d->range -= bound;
        d->code -= bound;
        *probability -= *probability >> LEARNING;
    } else {
        d->range = bound;
        *probability += ((1 << PROBABILITY_BITS) - *probability) >> LEARNING;
    }
    normalize(d);
    return result;
}

// A number of so many bits, the first the highest.
static unsigned tree(struct decoder *d, uint16_t *probabilities, unsigned bits) {
    unsigned node = 1;
    for (unsigned i = 0; i < bits; i++) node = node << 1 | bit(d, probabilities + node);
    return node - (1u << bits);
}

// The same, the first the lowest.
static unsigned reverse_tree(struct decoder *d, uint16_t *probabilities, unsigned bits) {
    unsigned node = 1, number = 0;
    for (unsigned i = 0; i < bits; i++) {
        unsigned next = bit(d, probabilities + node);
        node = node << 1 | next;
        number |= next << i;
    }
    return number;
}

// Bits that are as often one as the other.
static uint32_t direct(struct decoder *d, unsigned bits) {
    uint32_t number = 0;
    for (unsigned i = 0; i < bits; i++) {
        d->range >>= 1;
        unsigned next = d->code >= d->range;
        if (next) d->code -= d->range;
        number = number << 1 | next;
        normalize(d);
    }
    return number;
}

static unsigned length(struct decoder *d, struct lengths *lengths, unsigned position) {
    if (!bit(d, &lengths->is_long)) return LEAST_MATCH + tree(d, lengths->low[position], 3);
    if (!bit(d, &lengths->is_longest)) return LEAST_MATCH + 8 + tree(d, lengths->middle[position], 3);
    return LEAST_MATCH + 16 + tree(d, lengths->high, 8);
}

static uint32_t distance(struct decoder *d, unsigned length) {
    unsigned kind = length - LEAST_MATCH < LENGTHS ? length - LEAST_MATCH : LENGTHS - 1;
    unsigned slot = tree(d, d->slots[kind], 6);
    if (slot < 4) return slot;
    unsigned bits = (slot >> 1) - 1;
    uint32_t base = (2 | (slot & 1)) << bits;
    if (slot < 14) return base + reverse_tree(d, d->special + base - slot, bits);
    base += direct(d, bits - 4) << 4;
    return base + reverse_tree(d, d->align, 4);
}

static void literal(struct decoder *d) {
    unsigned before = d->filled ? d->target[d->filled - 1] : 0;
    unsigned place = d->filled & ((1u << d->literal_position) - 1);
    uint16_t *own = d->literals[(place << d->literal_context) + (before >> (8 - d->literal_context))];
    unsigned symbol = 1;
    if (d->state >= LITERAL_STATES) {
        // After a match: as long as the literal is what the match would have gone on with, its bits are context.
        unsigned other = d->target[d->filled - d->distances[0] - 1];
        do {
            unsigned expected = other >> 7 & 1, found = bit(d, own + ((1 + expected) << 8) + symbol);
            other <<= 1;
            symbol = symbol << 1 | found;
            if (found != expected) break;
        } while (symbol < 0x100);
    }
    while (symbol < 0x100) symbol = symbol << 1 | bit(d, own + symbol);
    d->target[d->filled++] = (uint8_t)symbol;
    d->state = d->state < 4 ? 0 : d->state < 10 ? d->state - 3 : d->state - 6;
}

// Which of the last matches' distances is meant; moves it to the front.
static void recall(struct decoder *d) {
    unsigned which = !bit(d, &d->is_third[d->state]) ? 1 : 2 + bit(d, &d->is_fourth[d->state]);
    uint32_t distance = d->distances[which];
    memmove(d->distances + 1, d->distances, which * sizeof *d->distances);
    d->distances[0] = distance;
}

// A match's length; 0 at the end mark.
static unsigned match(struct decoder *d, unsigned position) {
    int follows_literal = d->state < LITERAL_STATES;
    if (!bit(d, &d->is_repeat[d->state])) {
        unsigned count = length(d, &d->match, position);
        memmove(d->distances + 1, d->distances, 3 * sizeof *d->distances);
        d->distances[0] = distance(d, count);
        d->state = follows_literal ? 7 : 10;
        return d->distances[0] == UINT32_MAX ? 0 : count;
    }
    if (bit(d, &d->is_older[d->state])) {
        recall(d);
    } else if (!bit(d, &d->is_long_repeat[d->state][position])) {
        d->state = follows_literal ? 9 : 11;
        return 1;
    }
    unsigned count = length(d, &d->repeat, position);
    d->state = follows_literal ? 8 : 11;
    return count;
}

// Whether all was there, up to the end mark and not a byte more.
static int decode(struct decoder *d) {
    while (!d->is_damaged) {
        unsigned position = d->filled & d->position_mask;
        if (!bit(d, &d->is_match[d->state][position])) {
            if (d->filled == d->count) return 0;
            literal(d);
            continue;
        }
        unsigned count = match(d, position);
        if (!count) return d->filled == d->count && d->source == d->end && d->code == 0 && !d->is_damaged;
        if (d->distances[0] >= d->filled || count > d->count - d->filled) return 0;
        // Byte by byte: a match may reach into what it writes.
        const uint8_t *from = d->target + d->filled - d->distances[0] - 1;
        for (unsigned i = 0; i < count; i++) d->target[d->filled + i] = from[i];
        d->filled += count;
    }
    return 0;
}

size_t ccuda_unpacked_size(const uint8_t *packed, size_t size) {
    uint64_t count = 0;
    if (size < HEADER) return 0;
    for (int i = 7; i >= 0; i--) count = count << 8 | packed[5 + i];
    // Nothing is packed to less than a thousandth.
    return count / 1024 <= size ? (size_t)count : 0;
}

int ccuda_unpack(const uint8_t *packed, size_t size, uint8_t *target, size_t count) {
    if (count == 0 || count != ccuda_unpacked_size(packed, size) || packed[0] >= 9 * 5 * 5) return 0;
    struct decoder d;
    unsigned shape = packed[0];
    d = (struct decoder){.source = packed + HEADER, .end = packed + size, .target = target, .count = count};
    d.literal_context = shape % 9;
    d.literal_position = shape / 9 % 5;
    d.position_mask = (1u << shape / 45) - 1;
    if (d.literal_context + d.literal_position > 4) return 0;
    for (uint16_t *p = &d.is_match[0][0]; p < (uint16_t *)(&d + 1); p++) *p = HALF;
    d.range = UINT32_MAX;
    if (next_byte(&d) != 0) return 0;
    for (int i = 0; i < 4; i++) d.code = d.code << 8 | next_byte(&d);
    return decode(&d);
}
