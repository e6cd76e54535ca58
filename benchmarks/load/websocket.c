#include "websocket.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char MASK[4] = {0x5a, 0x17, 0xc3, 0x2e};

size_t buffer_length(const struct buffer *buffer) {
    return buffer->end - buffer->start;
}

/* Make room for length more bytes and return where they begin; the caller moves end. */
char *buffer_reserve(struct buffer *buffer, size_t length) {
    if (buffer->capacity - buffer->end >= length) return buffer->data + buffer->end;
    if (buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, buffer_length(buffer));
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    if (buffer->capacity - buffer->end < length) {
        buffer->capacity = (buffer->end + length) * 2;
        buffer->data = realloc(buffer->data, buffer->capacity);
        if (buffer->data == NULL) {
            perror("realloc");
            exit(1);
        }
    }
    return buffer->data + buffer->end;
}

void buffer_append(struct buffer *buffer, const char *bytes, size_t length) {
    if (length == 0) return;
    memcpy(buffer_reserve(buffer, length), bytes, length);
    buffer->end += length;
}

void buffer_consume(struct buffer *buffer, size_t length) {
    buffer->start += length;
    if (buffer->start == buffer->end) buffer->start = buffer->end = 0;
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

size_t frame_read(struct frame *frame, const char *bytes, size_t available) {
    const unsigned char *head = (const unsigned char *)bytes;
    size_t header = 2;
    uint64_t length;
    if (available < header) return 0;
    length = head[1] & 0x7f;
    if (length == 126) {
        header = 4;
        if (available < header) return 0;
        length = (uint64_t)head[2] << 8 | head[3];
    } else if (length == 127) {
        header = 10;
        if (available < header) return 0;
        length = 0;
        for (int i = 2; i < 10; i++) length = length << 8 | head[i];
    }
    if (available - header < length) return 0;
    frame->opcode = head[0] & 0x0f;
    frame->payload = bytes + header;
    frame->length = length;
    return header + length;
}

void frame_write(struct buffer *out, enum opcode opcode, const char *payload, size_t length) {
    unsigned char head[14];
    size_t size = 2;
    head[0] = 0x80 | opcode;
    if (length < 126) {
        head[1] = 0x80 | length;
    } else if (length < 65536) {
        head[1] = 0x80 | 126;
        head[2] = length >> 8;
        head[3] = length;
        size = 4;
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++) head[2 + i] = (uint64_t)length >> (56 - 8 * i);
        size = 10;
    }
    memcpy(head + size, MASK, 4);
    size += 4;
    char *place = buffer_reserve(out, size + length);
    memcpy(place, head, size);
    for (size_t i = 0; i < length; i++) place[size + i] = payload[i] ^ MASK[i & 3];
    out->end += size + length;
}
