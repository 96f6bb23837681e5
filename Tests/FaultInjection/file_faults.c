// Loaded into `apus` with LD_PRELOAD: makes one call that changes files under a folder fail, and writes down all of them.
//
//   FAULT_ROOT   the folder; calls on other files pass unseen
//   FAULT_AT     which call fails, from 1; 0 for none
//   FAULT_STICKY 1 lets all later calls that need room fail too, as on a disk that stays full
//   FAULT_ERROR  errno of the failure (28 is ENOSPC)
//   FAULT_LOG    a file that gets one line a call
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long calls = 0;

static const char *root(void) { return getenv("FAULT_ROOT"); }

static int concerns(const char *path) {
    const char *folder = root();
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static void log_call(const char *name, const char *path, const char *result) {
    const char *file = getenv("FAULT_LOG");
    if (!file) return;
    int log = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0) return;
    char line[PATH_MAX + 64];
    int size = snprintf(line, sizeof line, "%ld %s %s%s\n", calls, name, path, result);
    if (size > 0) syscall(SYS_write, log, line, (size_t)size);
    syscall(SYS_close, log);
}

/// Whether this call is to fail; `needs_room` is false for calls that succeed on a full disk.
static int fails(const char *name, const char *path, int needs_room) {
    if (!concerns(path)) return 0;
    pthread_mutex_lock(&lock);
    calls++;
    const char *at = getenv("FAULT_AT");
    const char *sticky = getenv("FAULT_STICKY");
    long wanted = at ? atol(at) : 0;
    int hit = wanted > 0 && (calls == wanted || (sticky && *sticky == '1' && calls > wanted && needs_room));
    log_call(name, path, hit ? " FAILS" : "");
    pthread_mutex_unlock(&lock);
    if (hit) {
        const char *error = getenv("FAULT_ERROR");
        errno = error ? atoi(error) : ENOSPC;
    }
    return hit;
}

static int fails_on(const char *name, int descriptor, int needs_room) {
    if (!root()) return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return fails(name, path, needs_room);
}

#define NEXT(name) static __typeof__(name) *next; if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define OPEN(name)                                                     \
    int name(const char *path, int flags, ...) {                       \
        NEXT(name);                                                    \
        va_list list;                                                  \
        va_start(list, flags);                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list);                                                  \
        if (flags & O_CREAT && fails("create", path, 1)) return -1;    \
        return next(path, flags, mode);                                \
    }
OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode) {
    NEXT(mkdir);
    return fails("mkdir", path, 1) ? -1 : next(path, mode);
}
ssize_t write(int descriptor, const void *bytes, size_t count) {
    NEXT(write);
    // Half of it arrives, as on a disk that fills up in between.
    if (fails_on("write", descriptor, 1)) {
        if (count > 1) syscall(SYS_write, descriptor, bytes, count / 2);
        errno = getenv("FAULT_ERROR") ? atoi(getenv("FAULT_ERROR")) : ENOSPC;
        return -1;
    }
    return next(descriptor, bytes, count);
}
int fsync(int descriptor) {
    NEXT(fsync);
    return fails_on("fsync", descriptor, 1) ? -1 : next(descriptor);
}
int rename(const char *from, const char *to) {
    NEXT(rename);
    char both[2 * PATH_MAX];
    snprintf(both, sizeof both, "%s -> %s", from, to);
    return fails("rename", both, 1) ? -1 : next(from, to);
}
int renameat(int fromFolder, const char *from, int toFolder, const char *to) {
    NEXT(renameat);
    char both[2 * PATH_MAX];
    snprintf(both, sizeof both, "%s -> %s", from, to);
    return fails("rename", both, 1) ? -1 : next(fromFolder, from, toFolder, to);
}
int renameat2(int fromFolder, const char *from, int toFolder, const char *to, unsigned flags) {
    NEXT(renameat2);
    char both[2 * PATH_MAX];
    snprintf(both, sizeof both, "%s -> %s", from, to);
    return fails("rename", both, 1) ? -1 : next(fromFolder, from, toFolder, to, flags);
}
