// One HTTP request by libcurl, which the system has wherever Foundation's networking runs: that is a wrapper of it. It is
// called here directly, since the wrapper keeps a processor busy for as long as it waits for an answer.
#ifndef APUS_TRANSFER_H
#define APUS_TRANSFER_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    TRANSFER_OK,
    /// libcurl is not there.
    TRANSFER_UNAVAILABLE,
    /// The server cannot be reached, or broke off; `problem` says how.
    TRANSFER_FAILED,
    TRANSFER_TIMED_OUT,
    /// The answer is longer than `maximum`.
    TRANSFER_TOO_LARGE,
    TRANSFER_CANCELLED,
} transfer_outcome;

typedef struct {
    const char *url;
    /// "Name: value", with a NULL after the last.
    const char *const *headers;
    /// Whether the body, which may be empty, is posted; else the request is a GET.
    int is_post;
    const uint8_t *body;
    size_t body_size;
    /// For everything, from the look-up of the name to the last byte.
    long timeout_milliseconds;
    /// The longest answer in bytes; no more is held.
    size_t maximum;
    /// Asked about once a second; other than 0 gives up.
    int (*is_cancelled)(void *context);
    void *context;
} transfer_request;

typedef struct {
    transfer_outcome outcome;
    long status;
    /// The answer's bytes, to be freed with `transfer_free`.
    uint8_t *data;
    size_t size;
    /// Where a redirection points to, else empty; it is not followed.
    char location[2048];
    char problem[256];
} transfer_response;

/// Blocks until the answer is there.
void transfer_perform(const transfer_request *request, transfer_response *response);
void transfer_free(transfer_response *response);

#endif
