#include "CCodecs.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

// The names under which one interface is installed; its number is part of them, and has not changed for many years.
static void *open_library(const char *const *names) {
    for (; *names; names++) {
        void *library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
        if (library) return library;
    }
    return NULL;
}

#define FIND(library, field, name) ((*(void **)&(field) = dlsym(library, name)) != NULL)

// Of zlib's interface: the structure is checked by `inflateInit2_`, which is told its size.
typedef struct {
    const uint8_t *next_in;
    unsigned avail_in;
    unsigned long total_in;
    uint8_t *next_out;
    unsigned avail_out;
    unsigned long total_out;
    const char *msg;
    void *state;
    void *zalloc, *zfree, *opaque;
    int data_type;
    unsigned long adler, reserved;
} z_stream;
enum { Z_FINISH = 4, Z_OK = 0, Z_STREAM_END = 1, Z_MEM_ERROR = -4, WINDOW_OF_GZIP_OR_ZLIB = 15 + 32 };

static struct {
    int (*init)(z_stream *, int, const char *, int);
    int (*inflate)(z_stream *, int);
    int (*reset)(z_stream *);
    int (*end)(z_stream *);
    int is_there;
} zlib;
static pthread_once_t zlib_once = PTHREAD_ONCE_INIT;

static void load_zlib(void) {
    static const char *const names[] = {"libz.so.1", "libz.1.dylib", "/usr/lib/libz.1.dylib", NULL};
    void *library = open_library(names);
    if (!library) return;
    zlib.is_there = FIND(library, zlib.init, "inflateInit2_") && FIND(library, zlib.inflate, "inflate")
        && FIND(library, zlib.reset, "inflateReset") && FIND(library, zlib.end, "inflateEnd");
}

// Streams stand one behind another; the last fills the target.
static codecs_outcome inflate_all(z_stream *stream) {
    while (1) {
        int code = zlib.inflate(stream, Z_FINISH);
        if (code == Z_MEM_ERROR) return CODECS_OUT_OF_MEMORY;
        if (code != Z_STREAM_END) return CODECS_DAMAGED;
        if (stream->avail_in == 0) return stream->avail_out == 0 ? CODECS_OK : CODECS_DAMAGED;
        if (zlib.reset(stream) != Z_OK) return CODECS_DAMAGED;
    }
}

codecs_outcome codecs_gzip(const uint8_t *source, size_t size, uint8_t *target, size_t count) {
    pthread_once(&zlib_once, load_zlib);
    if (!zlib.is_there) return CODECS_UNAVAILABLE;
    if (size > UINT_MAX || count > UINT_MAX) return CODECS_DAMAGED;
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (zlib.init(&stream, WINDOW_OF_GZIP_OR_ZLIB, "1", sizeof stream) != Z_OK) return CODECS_OUT_OF_MEMORY;
    uint8_t nowhere;
    stream.next_in = source;
    stream.avail_in = (unsigned)size;
    // zlib wants an address even for no bytes.
    stream.next_out = count ? target : &nowhere;
    stream.avail_out = (unsigned)count;
    codecs_outcome outcome = inflate_all(&stream);
    zlib.end(&stream);
    return outcome;
}

static struct {
    size_t (*decompress)(void *, size_t, const void *, size_t);
    unsigned (*is_error)(size_t);
    int is_there;
} zstd;
static pthread_once_t zstd_once = PTHREAD_ONCE_INIT;

static void load_zstd(void) {
    static const char *const names[] = {
        "libzstd.so.1", "libzstd.1.dylib", "/opt/homebrew/lib/libzstd.1.dylib", "/usr/local/lib/libzstd.1.dylib", NULL,
    };
    void *library = open_library(names);
    if (!library) return;
    zstd.is_there = FIND(library, zstd.decompress, "ZSTD_decompress") && FIND(library, zstd.is_error, "ZSTD_isError");
}

codecs_outcome codecs_zstd(const uint8_t *source, size_t size, uint8_t *target, size_t count) {
    pthread_once(&zstd_once, load_zstd);
    if (!zstd.is_there) return CODECS_UNAVAILABLE;
    size_t filled = zstd.decompress(target, count, source, size);
    return !zstd.is_error(filled) && filled == count ? CODECS_OK : CODECS_DAMAGED;
}
