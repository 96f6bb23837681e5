#include "transfer.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Of libcurl's binary interface, which has not changed since version 7.16 (its name ends in .so.4); the newest option
// used is CURLOPT_XFERINFOFUNCTION, of 7.32.
enum {
    CURLOPT_WRITEDATA = 10001, CURLOPT_URL = 10002, CURLOPT_ERRORBUFFER = 10010, CURLOPT_POSTFIELDS = 10015,
    CURLOPT_HTTPHEADER = 10023, CURLOPT_NOPROGRESS = 43, CURLOPT_FOLLOWLOCATION = 52, CURLOPT_XFERINFODATA = 10057,
    CURLOPT_NOSIGNAL = 99, CURLOPT_TIMEOUT_MS = 155, CURLOPT_PROTOCOLS = 181, CURLOPT_WRITEFUNCTION = 20011,
    CURLOPT_XFERINFOFUNCTION = 20219, CURLOPT_POSTFIELDSIZE_LARGE = 30120,
};
enum { CURLINFO_RESPONSE_CODE = 0x200002, CURLINFO_REDIRECT_URL = 0x10001F };
enum { CURLE_OK = 0, CURLE_WRITE_ERROR = 23, CURLE_OPERATION_TIMEDOUT = 28, CURLE_ABORTED_BY_CALLBACK = 42 };
enum { CURL_GLOBAL_DEFAULT = 3, CURLPROTO_HTTP = 1, CURLPROTO_HTTPS = 2, CURL_ERROR_SIZE = 256 };

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
    transfer_response *response;
    size_t capacity;
    size_t maximum;
} sink;

// Fewer bytes taken than given make libcurl give up.
static size_t take(char *bytes, size_t unit, size_t count, void *context) {
    sink *sink = context;
    transfer_response *response = sink->response;
    size_t size = unit * count;
    if (size > sink->maximum - response->size) {
        response->outcome = TRANSFER_TOO_LARGE;
        return 0;
    }
    if (response->size + size > sink->capacity) {
        size_t capacity = sink->capacity * 2 > response->size + size ? sink->capacity * 2 : response->size + size;
        uint8_t *data = realloc(response->data, capacity);
        if (!data) {
            response->outcome = TRANSFER_TOO_LARGE;
            return 0;
        }
        response->data = data;
        sink->capacity = capacity;
    }
    memcpy(response->data + response->size, bytes, size);
    response->size += size;
    return size;
}

static int watch(void *context, long long a, long long b, long long c, long long d) {
    (void)a, (void)b, (void)c, (void)d;
    const transfer_request *request = context;
    return request->is_cancelled ? request->is_cancelled(request->context) : 0;
}

static void set(void *handle, const transfer_request *request, sink *sink, curl_slist *headers) {
    curl.easy_setopt(handle, CURLOPT_URL, request->url);
    curl.easy_setopt(handle, CURLOPT_ERRORBUFFER, sink->response->problem);
    curl.easy_setopt(handle, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    curl.easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    // Time limits by signals would reach threads that are not ours.
    curl.easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(handle, CURLOPT_TIMEOUT_MS, request->timeout_milliseconds);
    curl.easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl.easy_setopt(handle, CURLOPT_WRITEFUNCTION, take);
    curl.easy_setopt(handle, CURLOPT_WRITEDATA, sink);
    curl.easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl.easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, watch);
    curl.easy_setopt(handle, CURLOPT_XFERINFODATA, request);
    if (request->is_post) {
        curl.easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (long long)request->body_size);
        curl.easy_setopt(handle, CURLOPT_POSTFIELDS, request->body ? (const char *)request->body : "");
    }
}

static transfer_outcome outcome(int code, transfer_outcome known) {
    switch (code) {
    case CURLE_OK: return TRANSFER_OK;
    case CURLE_OPERATION_TIMEDOUT: return TRANSFER_TIMED_OUT;
    case CURLE_ABORTED_BY_CALLBACK: return TRANSFER_CANCELLED;
    case CURLE_WRITE_ERROR: return known == TRANSFER_TOO_LARGE ? known : TRANSFER_FAILED;
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
    sink sink = {.response = response, .maximum = request->maximum};
    set(handle, request, &sink, headers);
    int code = curl.easy_perform(handle);
    response->outcome = outcome(code, response->outcome);
    if (response->outcome == TRANSFER_FAILED && !response->problem[0])
        snprintf(response->problem, sizeof response->problem, "%s", curl.easy_strerror(code));
    curl.easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &response->status);
    char *location = NULL;
    if (curl.easy_getinfo(handle, CURLINFO_REDIRECT_URL, &location) == CURLE_OK && location)
        snprintf(response->location, sizeof response->location, "%s", location);
    curl.slist_free_all(headers);
    curl.easy_cleanup(handle);
}

void transfer_free(transfer_response *response) {
    free(response->data);
    response->data = NULL;
    response->size = 0;
}
