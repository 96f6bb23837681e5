// What the compiler calls in instrumented code (see races.h).
#pragma once

#define EMULATION_HOOK extern "C" EMULATION_UNWATCHED __attribute__((weak, noinline)) void
#define EMULATION_CALLER __builtin_return_address(0)

EMULATION_HOOK __tsan_init() {}
EMULATION_HOOK __tsan_func_entry(void *) {}
EMULATION_HOOK __tsan_func_exit() {}
EMULATION_HOOK __tsan_vptr_update(void **, void *) {}
EMULATION_HOOK __tsan_vptr_read(void **) {}

#define EMULATION_ACCESS(size) \
    EMULATION_HOOK __tsan_read##size(void *p) { emulation::access(p, size, false, EMULATION_CALLER); } \
    EMULATION_HOOK __tsan_write##size(void *p) { emulation::access(p, size, true, EMULATION_CALLER); } \
    EMULATION_HOOK __tsan_read_write##size(void *p) { emulation::access(p, size, true, EMULATION_CALLER); } \
    EMULATION_HOOK __tsan_volatile_read##size(void *p) { emulation::access(p, size, false, EMULATION_CALLER); } \
    EMULATION_HOOK __tsan_volatile_write##size(void *p) { emulation::access(p, size, true, EMULATION_CALLER); } \
    EMULATION_HOOK __tsan_unaligned_read##size(void *p) { emulation::access(p, size, false, EMULATION_CALLER); } \
    EMULATION_HOOK __tsan_unaligned_write##size(void *p) { emulation::access(p, size, true, EMULATION_CALLER); } \
    EMULATION_HOOK __tsan_unaligned_read_write##size(void *p) { emulation::access(p, size, true, EMULATION_CALLER); }
EMULATION_ACCESS(1)
EMULATION_ACCESS(2)
EMULATION_ACCESS(4)
EMULATION_ACCESS(8)
EMULATION_ACCESS(16)
#undef EMULATION_ACCESS

extern "C" EMULATION_UNWATCHED __attribute__((weak)) void *__tsan_memcpy(void *to, const void *from, size_t count) {
    emulation::access(from, count, false, EMULATION_CALLER);
    emulation::access(to, count, true, EMULATION_CALLER);
    return memcpy(to, from, count);
}
extern "C" EMULATION_UNWATCHED __attribute__((weak)) void *__tsan_memmove(void *to, const void *from, size_t count) {
    emulation::access(from, count, false, EMULATION_CALLER);
    emulation::access(to, count, true, EMULATION_CALLER);
    return memmove(to, from, count);
}
extern "C" EMULATION_UNWATCHED __attribute__((weak)) void *__tsan_memset(void *to, int value, size_t count) {
    emulation::access(to, count, true, EMULATION_CALLER);
    return memset(to, value, count);
}

// Atomic operations are the standard library's, in the driver: they are done, and not watched.
#define EMULATION_ATOMIC(bits) \
    extern "C" EMULATION_UNWATCHED __attribute__((weak)) uint##bits##_t __tsan_atomic##bits##_load( \
        const volatile uint##bits##_t *p, int) { \
        return __atomic_load_n(p, __ATOMIC_SEQ_CST); \
    } \
    EMULATION_HOOK __tsan_atomic##bits##_store(volatile uint##bits##_t *p, uint##bits##_t value, int) { \
        __atomic_store_n(p, value, __ATOMIC_SEQ_CST); \
    } \
    extern "C" EMULATION_UNWATCHED __attribute__((weak)) uint##bits##_t __tsan_atomic##bits##_fetch_add( \
        volatile uint##bits##_t *p, uint##bits##_t value, int) { \
        return __atomic_fetch_add(p, value, __ATOMIC_SEQ_CST); \
    }
EMULATION_ATOMIC(8)
EMULATION_ATOMIC(32)
EMULATION_ATOMIC(64)
#undef EMULATION_ATOMIC
