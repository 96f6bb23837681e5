#include "ccuda_images.h"

#include <stddef.h>

// A checkout without an image still builds: the program then says that it has no kernels for the card.
#if __has_embed("images/sm_80.cubin")
static const unsigned char sm_80[] __attribute__((aligned(64))) = {
#embed "images/sm_80.cubin"
};
#define HAS_80
#endif
#if __has_embed("images/sm_89.cubin")
static const unsigned char sm_89[] __attribute__((aligned(64))) = {
#embed "images/sm_89.cubin"
};
#define HAS_89
#endif
#if __has_embed("images/sm_90.cubin")
static const unsigned char sm_90[] __attribute__((aligned(64))) = {
#embed "images/sm_90.cubin"
};
#define HAS_90
#endif

static const struct {
    int architecture;
    const void *bytes;
} images[] = {
#ifdef HAS_90
    {90, sm_90},
#endif
#ifdef HAS_89
    {89, sm_89},
#endif
#ifdef HAS_80
    {80, sm_80},
#endif
    {0, NULL},
};

const void *ccuda_image(int architecture) {
    for (size_t i = 0; images[i].bytes; i++) {
        if (images[i].architecture <= architecture && images[i].architecture / 10 == architecture / 10) {
            return images[i].bytes;
        }
    }
    return NULL;
}
