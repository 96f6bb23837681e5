// The kernels as they are embedded in the program: images, which Scripts/build_kernels.py made, and their sources.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// All kernels for an architecture, packed.
typedef struct {
    /// Such as 89 for 8.9.
    int architecture;
    /// Whether it is PTX, which the driver compiles for the card, and not code of the architecture itself.
    int is_ptx;
    const uint8_t *packed;
    size_t size;
} ccuda_image;

/// The images that the program has: code, later architectures first, then PTX.
const ccuda_image *ccuda_images(size_t *count);

/// How many bytes an image has unpacked; 0 for one that is damaged.
size_t ccuda_unpacked_size(const uint8_t *packed, size_t size);
/// Unpacks an image into as many bytes. Returns whether it is whole.
int ccuda_unpack(const uint8_t *packed, size_t size, uint8_t *target, size_t count);

/// A file of the kernels' sources; the text ends with a 0.
typedef struct {
    const char *name;
    const char *text;
} ccuda_source;

/// The sources: what is compiled first, then what it includes.
const ccuda_source *ccuda_sources(size_t *count);
/// The options that they are compiled with, a line each.
const char *ccuda_options(void);

#ifdef __cplusplus
}
#endif
