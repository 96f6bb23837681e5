#include "transfer.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Of libcurl's binary interface, which has not changed since version 7.16 (its name ends in .so.4); the newest option
// used is CURLOPT_XFERINFOFUNCTION, of 7.32.
enum {
    CURLOPT_WRITEDATA = 10001, CURLOPT_URL = 10002, CURLOPT_READDATA = 10009, CURLOPT_ERRORBUFFER = 10010,
    CURLOPT_POSTFIELDS = 10015, CURLOPT_LOW_SPEED_LIMIT = 19, CURLOPT_LOW_SPEED_TIME = 20, CURLOPT_HTTPHEADER = 10023,
    CURLOPT_HEADERDATA = 10029, CURLOPT_CUSTOMREQUEST = 10036, CURLOPT_NOPROGRESS = 43, CURLOPT_NOBODY = 44,
    CURLOPT_UPLOAD = 46, CURLOPT_FOLLOWLOCATION = 52, CURLOPT_XFERINFODATA = 10057, CURLOPT_NOSIGNAL = 99,
    CURLOPT_TIMEOUT_MS = 155, CURLOPT_CONNECTTIMEOUT_MS = 156, CURLOPT_PROTOCOLS = 181, CURLOPT_WRITEFUNCTION = 20011,
    CURLOPT_READFUNCTION = 20012, CURLOPT_HEADERFUNCTION = 20079, CURLOPT_XFERINFOFUNCTION = 20219,
    CURLOPT_INFILESIZE_LARGE = 30115, CURLOPT_POSTFIELDSIZE_LARGE = 30120,
};
enum { CURLINFO_RESPONSE_CODE = 0x200002, CURLINFO_REDIRECT_URL = 0x10001F };
enum { CURLE_OK = 0, CURLE_OPERATION_TIMEDOUT = 28, CURLE_ABORTED_BY_CALLBACK = 42 };
enum { CURL_GLOBAL_DEFAULT = 3, CURLPROTO_HTTP = 1, CURLPROTO_HTTPS = 2, CURL_ERROR_SIZE = 256 };
enum { CURL_READFUNC_ABORT = 0x10000000, HEAD_MAXIMUM = 1 << 18 };

typedef struct curl_slist curl_slist;

static struct {
    int (*global_init)(long);
    void *(*easy_init)(void);
    int (*easy_setopt)(void *, int, ...);
    int (*easy_perform)(void *);
    int (*easy_getinfo)(void *, int, ...);
    void (*easy_cleanup)(void *);
    const char *(*easy_strerror)(int);
    curl_slist *(*slist_append)(curl_slist *, const char *);
    void (*slist_free_all)(curl_slist *);
    int is_there;
} curl;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) library = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    int found = 1;
#define FIND(field, name) (found &= (*(void **)&curl.field = dlsym(library, name)) != NULL)
    FIND(global_init, "curl_global_init");
    FIND(easy_init, "curl_easy_init");
    FIND(easy_setopt, "curl_easy_setopt");
    FIND(easy_perform, "curl_easy_perform");
    FIND(easy_getinfo, "curl_easy_getinfo");
    FIND(easy_cleanup, "curl_easy_cleanup");
    FIND(easy_strerror, "curl_easy_strerror");
    FIND(slist_append, "curl_slist_append");
    FIND(slist_free_all, "curl_slist_free_all");
#undef FIND
    curl.is_there = found && curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

typedef struct {
    const transfer_request *request;
    transfer_response *response;
    void *handle;
    size_t capacity;
    size_t head_capacity;
    int64_t sent;
    int has_asked;
    int is_for_file;
} exchange;

// Makes room for `size` bytes and a zero after them; 0 where there is none.
static int reserve(void **bytes, size_t *capacity, size_t size) {
    if (size < *capacity) return 1;
    size_t wanted = *capacity * 2 > size + 1 ? *capacity * 2 : size + 1;
    void *longer = realloc(*bytes, wanted);
    if (!longer) return 0;
    *bytes = longer;
    *capacity = wanted;
    return 1;
}

// Fewer bytes taken than given make libcurl give up.
static size_t take_head(char *bytes, size_t unit, size_t count, void *context) {
    exchange *exchange = context;
    transfer_response *response = exchange->response;
    size_t size = unit * count;
    // An interim answer, or that of a proxy, comes before the one that counts.
    if (size >= 5 && !memcmp(bytes, "HTTP/", 5)) response->head_size = 0;
    if (size > HEAD_MAXIMUM - response->head_size ||
        !reserve((void **)&response->head, &exchange->head_capacity, response->head_size + size)) {
        response->outcome = TRANSFER_TOO_LARGE;
        return 0;
    }
    memcpy(response->head + response->head_size, bytes, size);
    response->head_size += size;
    response->head[response->head_size] = 0;
    return size;
}

static size_t write_file(exchange *exchange, const char *bytes, size_t size) {
    const transfer_request *request = exchange->request;
    transfer_response *response = exchange->response;
    if ((int64_t)size > request->file_maximum - response->written) {
        response->outcome = TRANSFER_TOO_LARGE;
        return 0;
    }
    for (size_t done = 0; done < size;) {
        ssize_t count =
            pwrite(request->file, bytes + done, size - done, (off_t)(request->file_offset + response->written));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            response->error = count < 0 ? errno : EIO;
            response->outcome = TRANSFER_FILE_FAILED;
            return 0;
        }
        done += (size_t)count;
        response->written += count;
    }
    if (request->wrote) request->wrote(request->context, size);
    return size;
}

static size_t take(char *bytes, size_t unit, size_t count, void *context) {
    exchange *exchange = context;
    const transfer_request *request = exchange->request;
    transfer_response *response = exchange->response;
    size_t size = unit * count;
    if (!exchange->has_asked) {
        exchange->has_asked = 1;
        curl.easy_getinfo(exchange->handle, CURLINFO_RESPONSE_CODE, &response->status);
        exchange->is_for_file =
            request->wants_file &&
            request->wants_file(
                request->context, response->status, response->head ? response->head : "", response->head_size);
    }
    if (exchange->is_for_file) return write_file(exchange, bytes, size);
    if (size > request->maximum - response->size ||
        !reserve((void **)&response->data, &exchange->capacity, response->size + size)) {
        response->outcome = TRANSFER_TOO_LARGE;
        return 0;
    }
    memcpy(response->data + response->size, bytes, size);
    response->size += size;
    return size;
}

static size_t give(char *bytes, size_t unit, size_t count, void *context) {
    exchange *exchange = context;
    const transfer_request *request = exchange->request;
    int64_t rest = (int64_t)request->body_size - exchange->sent;
    size_t size = unit * count;
    if ((int64_t)size > rest) size = (size_t)rest;
    if (!size) return 0;
    ssize_t got;
    do got = pread(request->body_file, bytes, size, (off_t)(request->body_offset + exchange->sent));
    while (got < 0 && errno == EINTR);
    if (got <= 0) {
        exchange->response->error = got < 0 ? errno : EIO;
        exchange->response->outcome = TRANSFER_FILE_FAILED;
        return CURL_READFUNC_ABORT;
    }
    exchange->sent += got;
    if (request->gave) request->gave(request->context, (size_t)got);
    return (size_t)got;
}

static int watch(void *context, long long a, long long b, long long c, long long d) {
    (void)a, (void)b, (void)c, (void)d;
    const transfer_request *request = context;
    return request->is_cancelled ? request->is_cancelled(request->context) : 0;
}

static void set_body(void *handle, const transfer_request *request, exchange *exchange) {
    if (request->has_body && request->body_file >= 0) {
        curl.easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl.easy_setopt(handle, CURLOPT_READFUNCTION, give);
        curl.easy_setopt(handle, CURLOPT_READDATA, exchange);
        curl.easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (long long)request->body_size);
    } else if (request->has_body) {
        curl.easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (long long)request->body_size);
        curl.easy_setopt(handle, CURLOPT_POSTFIELDS, request->body ? (const char *)request->body : "");
    }
    if (!request->method) return;
    if (!strcmp(request->method, "HEAD")) curl.easy_setopt(handle, CURLOPT_NOBODY, 1L);
    else curl.easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set(void *handle, const transfer_request *request, exchange *exchange, curl_slist *headers) {
    curl.easy_setopt(handle, CURLOPT_URL, request->url);
    curl.easy_setopt(handle, CURLOPT_ERRORBUFFER, exchange->response->problem);
    curl.easy_setopt(handle, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    curl.easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    // Time limits by signals would reach threads that are not ours.
    curl.easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(handle, CURLOPT_TIMEOUT_MS, request->timeout_milliseconds);
    curl.easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, request->connect_milliseconds);
    curl.easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, request->least_speed);
    curl.easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, request->least_speed_seconds);
    curl.easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl.easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_head);
    curl.easy_setopt(handle, CURLOPT_HEADERDATA, exchange);
    curl.easy_setopt(handle, CURLOPT_WRITEFUNCTION, take);
    curl.easy_setopt(handle, CURLOPT_WRITEDATA, exchange);
    curl.easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl.easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, watch);
    curl.easy_setopt(handle, CURLOPT_XFERINFODATA, request);
    set_body(handle, request, exchange);
}

static transfer_outcome outcome(int code, transfer_outcome known) {
    // What a callback found is the reason for libcurl's giving up.
    if (code != CURLE_OK && known != TRANSFER_OK) return known;
    switch (code) {
    case CURLE_OK: return TRANSFER_OK;
    case CURLE_OPERATION_TIMEDOUT: return TRANSFER_TIMED_OUT;
    case CURLE_ABORTED_BY_CALLBACK: return TRANSFER_CANCELLED;
    default: return TRANSFER_FAILED;
    }
}

void transfer_perform(const transfer_request *request, transfer_response *response) {
    memset(response, 0, sizeof *response);
    pthread_once(&once, load);
    void *handle = curl.is_there ? curl.easy_init() : NULL;
    if (!handle) {
        response->outcome = TRANSFER_UNAVAILABLE;
        return;
    }
    curl_slist *headers = NULL;
    for (const char *const *header = request->headers; header && *header; header++) {
        curl_slist *longer = curl.slist_append(headers, *header);
        if (longer) headers = longer;
    }
    exchange exchange = {.request = request, .response = response, .handle = handle};
    set(handle, request, &exchange, headers);
    int code = curl.easy_perform(handle);
    response->outcome = outcome(code, response->outcome);
    if (response->outcome == TRANSFER_FAILED && !response->problem[0])
        snprintf(response->problem, sizeof response->problem, "%s", curl.easy_strerror(code));
    curl.easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &response->status);
    char *location = NULL;
    if (curl.easy_getinfo(handle, CURLINFO_REDIRECT_URL, &location) == CURLE_OK && location)
        response->location = strdup(location);
    curl.slist_free_all(headers);
    curl.easy_cleanup(handle);
}

void transfer_free(transfer_response *response) {
    free(response->data);
    free(response->head);
    free(response->location);
    memset(response, 0, sizeof *response);
}
