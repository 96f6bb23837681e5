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
    /// The answer is longer than `maximum`, or than what the file is to take.
    TRANSFER_TOO_LARGE,
    TRANSFER_CANCELLED,
    /// The file refuses the answer or does not give the body; `error` is the system's number.
    TRANSFER_FILE_FAILED,
} transfer_outcome;

typedef struct {
    const char *url;
    /// Such as "PUT"; NULL for what the body says: GET without one, POST with one.
    const char *method;
    /// "Name: value", with a NULL after the last.
    const char *const *headers;
    /// Whether the body, which may be empty, is sent; else the request has none.
    int has_body;
    const uint8_t *body;
    size_t body_size;
    /// A file whose `body_size` bytes from `body_offset` on are the body; -1 for none.
    int body_file;
    int64_t body_offset;
    /// For everything, from the look-up of the name to the last byte; 0 for no bound.
    long timeout_milliseconds;
    /// For the look-up of the name and the connection; 0 for libcurl's five minutes.
    long connect_milliseconds;
    /// Gives up on fewer than so many bytes a second over so many seconds; 0 for no bound.
    long least_speed;
    long least_speed_seconds;
    /// The longest answer in bytes; no more is held.
    size_t maximum;
    /// Asked about once a second; other than 0 gives up.
    int (*is_cancelled)(void *context);
    /// Asked before an answer's first byte, with the head's lines; other than 0 writes the answer into `file`. May be NULL.
    int (*wants_file)(void *context, long status, const char *head, size_t size);
    /// Told how many bytes were written into `file` at its end. May be NULL.
    void (*wrote)(void *context, size_t count);
    /// Told how many bytes of `body_file` were taken to be sent. May be NULL.
    void (*gave)(void *context, size_t count);
    void *context;
    /// Where an answer goes that `wants_file` says so of, from `file_offset` on and no more than `file_maximum` bytes.
    int file;
    int64_t file_offset;
    int64_t file_maximum;
} transfer_request;

typedef struct {
    transfer_outcome outcome;
    long status;
    /// The answer's bytes, as far as they did not go into a file.
    uint8_t *data;
    size_t size;
    /// The lines of the last head, without those of interim answers.
    char *head;
    size_t head_size;
    /// Where a redirection points to, else NULL; it is not followed.
    char *location;
    /// Bytes written into the file.
    int64_t written;
    int error;
    char problem[256];
} transfer_response;

/// Blocks until the answer is there. The response is to be freed with `transfer_free`, whatever the outcome.
void transfer_perform(const transfer_request *request, transfer_response *response);
void transfer_free(transfer_response *response);

#endif
