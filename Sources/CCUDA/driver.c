#include "ccuda.h"

#include <dlfcn.h>
#include <string.h>

#define NAME(result, name, parameters) #name,
static const char *const driver_names[] = {CUDA_DRIVER_FUNCTIONS(NAME)};
static const char *const blas_names[] = {CUBLAS_LT_FUNCTIONS(NAME)};
static const char *const compiler_names[] = {NVRTC_FUNCTIONS(NAME)};

#define COUNT(names) (sizeof names / sizeof *names)
_Static_assert(sizeof(struct cuda_driver) == sizeof driver_names, "a name for each field");
_Static_assert(sizeof(struct cublas_lt) == sizeof blas_names, "a name for each field");
_Static_assert(sizeof(struct nvrtc) == sizeof compiler_names, "a name for each field");

// The fields lie in the order of the names, a pointer each.
static const char *load(void *fields, const char *const *names, size_t count, void *library) {
    for (size_t i = 0; i < count; i++) {
        void *function = dlsym(library, names[i]);
        if (!function) return names[i];
        memcpy((char *)fields + i * sizeof function, &function, sizeof function);
    }
    return NULL;
}

const char *cuda_driver_load(struct cuda_driver *driver, void *library) {
    return load(driver, driver_names, COUNT(driver_names), library);
}

const char *cublas_lt_load(struct cublas_lt *blas, void *library) {
    return load(blas, blas_names, COUNT(blas_names), library);
}

const char *nvrtc_load(struct nvrtc *compiler, void *library) {
    return load(compiler, compiler_names, COUNT(compiler_names), library);
}
