/* Just enough of RFC 6455 for a client that measures: whole frames in, masked frames out. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

enum opcode { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

/* A growing byte buffer: bytes wait between start and end. */
struct buffer {
    char *data;
    size_t start, end, capacity;
};

size_t buffer_length(const struct buffer *buffer);
char *buffer_reserve(struct buffer *buffer, size_t length);
void buffer_append(struct buffer *buffer, const char *bytes, size_t length);
void buffer_consume(struct buffer *buffer, size_t length);
void buffer_free(struct buffer *buffer);

struct frame {
    enum opcode opcode;
    const char *payload;
    size_t length; /* of the payload */
};

/* Read one unmasked frame from the beginning of bytes. Returns its size in bytes, header included, or 0 when it is
 * not complete yet. */
size_t frame_read(struct frame *frame, const char *bytes, size_t available);

/* Append one masked, final frame to out (section 5.3: a client masks). */
void frame_write(struct buffer *out, enum opcode opcode, const char *payload, size_t length);

#endif
