#include "ccuda_images.h"

// A checkout without an image still builds: the program then does without it.
#if __has_embed("images/sm_90.cubin.lzma")
#define HAS_90
static const uint8_t sm_90[] = {
#embed "images/sm_90.cubin.lzma"
};
#endif
#if __has_embed("images/sm_89.cubin.lzma")
#define HAS_89
static const uint8_t sm_89[] = {
#embed "images/sm_89.cubin.lzma"
};
#endif
#if __has_embed("images/sm_80.cubin.lzma")
#define HAS_80
static const uint8_t sm_80[] = {
#embed "images/sm_80.cubin.lzma"
};
#endif
#if __has_embed("images/compute_80.ptx.lzma")
#define HAS_PTX
static const uint8_t ptx[] = {
#embed "images/compute_80.ptx.lzma"
};
#endif

static const ccuda_image images[] = {
#ifdef HAS_90
    {90, 0, sm_90, sizeof sm_90},
#endif
#ifdef HAS_89
    {89, 0, sm_89, sizeof sm_89},
#endif
#ifdef HAS_80
    {80, 0, sm_80, sizeof sm_80},
#endif
#ifdef HAS_PTX
    {80, 1, ptx, sizeof ptx},
#endif
    {0, 0, NULL, 0},
};

const ccuda_image *ccuda_images(size_t *count) {
    *count = sizeof images / sizeof *images - 1;
    return images;
}
