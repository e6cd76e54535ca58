/* The life of one member: connect, say everything at once, listen; when it ends, come back after a pause by chance. */
#define _GNU_SOURCE
#include "crowd.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)

/* Full jitter: anything from 0 to the span of this attempt. */
static uint64_t pause_of(int attempt) {
    uint64_t span = attempt > 6 ? BACKOFF_CAP : BACKOFF_BASE << attempt;
    return (uint64_t)(drand48() * (span < BACKOFF_CAP ? span : BACKOFF_CAP));
}

/* The connection is over: come back, and try the next door then. */
static void leave(struct member *member, uint64_t now) {
    if (member->state == OPEN && now - member->opened_at > LONG_LIFE) member->attempt = 0;
    if (member->fd >= 0) close(member->fd);
    buffer_free(&member->in);
    buffer_free(&member->out);
    member->fd = -1;
    member->state = AWAY;
    member->subscriptions = 0;
    member->waits_to_write = false;
    for (int i = 0; i < crowd.each; i++) member->places[i].subscribed = member->places[i].refused = false;
    member->door = (member->door + 1) % crowd.door_count;
    crowd.due[member->index] = now + 1 + pause_of(member->attempt++);
}

static void fail(struct member *member, const char *what, uint64_t now) {
    if (member->state == OPEN)
        crowd.tally.closed++;
    else
        crowd.tally.failed++;
    trouble(what, "", 0);
    leave(member, now);
}

void member_cut(struct member *member, uint64_t now) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0}; /* a reset, and no socket that lingers */
    if (member->fd < 0) return;
    setsockopt(member->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    member->attempt = 0;
    leave(member, now);
}

static void watch(struct member *member, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (member->waits_to_write ? EPOLLOUT : 0), .data.ptr = member};
    epoll_ctl(crowd.epoll, operation, member->fd, &event);
}

static void flush(struct member *member) {
    bool wait = false;
    while (buffer_length(&member->out) > 0 && !wait) {
        struct buffer *out = &member->out;
        ssize_t sent = send(member->fd, out->data + out->start, buffer_length(out), MSG_NOSIGNAL);
        if (sent > 0)
            buffer_consume(out, sent);
        else if (errno == EAGAIN)
            wait = true;
        else {
            fail(member, "send failed", now_ns());
            return;
        }
    }
    if (wait != member->waits_to_write) {
        member->waits_to_write = wait;
        watch(member, EPOLL_CTL_MOD);
    }
}

static void attempt(struct member *member, uint64_t now) {
    int one = 1;
    struct sockaddr_in *door = &crowd.doors[member->door];
    struct sockaddr_in source = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK + member->index % crowd.sources)};
    crowd.tally.attempts++;
    crowd.due[member->index] = now + PATIENCE;
    member->state = CONNECTING;
    member->waits_to_write = true;
    member->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(member->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(member->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    bind(member->fd, (struct sockaddr *)&source, sizeof source);
    if (member->fd < 0 || (connect(member->fd, (struct sockaddr *)door, sizeof *door) < 0 && errno != EINPROGRESS))
        fail(member, strerror(errno), now);
    else
        watch(member, EPOLL_CTL_ADD);
}

void member_begin(struct member *member, int index) {
    *member = (struct member){.index = index, .fd = -1};
    for (int i = 0; i < crowd.each; i++) member->places[i].topic = (index * crowd.each + i) % crowd.topic_count;
    attempt(member, now_ns());
}

void member_due(struct member *member, uint64_t now) {
    crowd.due[member->index] = 0;
    if (member->state == AWAY) {
        attempt(member, now);
    } else if (protocol_ask_again(member)) {
        crowd.due[member->index] = now + PATIENCE;
        flush(member);
    } else {
        fail(member, "no answer in time", now);
    }
}

/* Returns the bytes of the server's answer to the upgrade, or 0 while it is incomplete. */
static size_t on_upgrade(struct member *member, const char *bytes, size_t length, uint64_t now) {
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    if (length < 12 || memcmp(bytes + 9, "101", 3) != 0) {
        fail(member, "upgrade refused", now);
        return 0;
    }
    member->state = OPEN;
    member->opened_at = now;
    crowd.due[member->index] = now + PATIENCE;
    protocol_hello(member);
    return end + 4 - bytes;
}

static void on_frame(struct member *member, const struct frame *frame, uint64_t now) {
    if (frame->opcode == OP_TEXT) {
        protocol_text(member, frame->payload, frame->length, now);
    } else if (frame->opcode == OP_PING) {
        frame_write(&member->out, OP_PONG, frame->payload, frame->length);
    } else if (frame->opcode == OP_CLOSE) {
        trouble("closed", frame->payload + 2, frame->length > 2 ? frame->length - 2 : 0);
        fail(member, "closed by the server", now);
    }
}

static void on_readable(struct member *member) {
    static char shared[READ_SIZE];
    char *bytes = shared;
    ssize_t length = recv(member->fd, shared, sizeof shared, 0);
    uint64_t now = now_ns();
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0) {
        fail(member, length ? strerror(errno) : "the server ended the connection", now);
        return;
    }
    size_t available = length, used = 0, size = 0;
    bool continues = buffer_length(&member->in) > 0; /* a frame began in an earlier read */
    if (continues) {
        buffer_append(&member->in, shared, length);
        bytes = member->in.data + member->in.start;
        available = buffer_length(&member->in);
    }
    if (member->state == UPGRADING) used = on_upgrade(member, bytes, available, now);
    struct frame frame;
    while (member->state == OPEN && (size = frame_read(&frame, bytes + used, available - used)) > 0) {
        on_frame(member, &frame, now);
        used += size;
    }
    if (member->state == AWAY) return;
    if (continues)
        buffer_consume(&member->in, used);
    else
        buffer_append(&member->in, bytes + used, available - used);
    flush(member);
}

void member_ready(struct member *member, unsigned events) {
    if (member->state == AWAY) return;
    if (member->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(member->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            fail(member, strerror(error), now_ns());
            return;
        }
        member->state = UPGRADING;
        buffer_append(&member->out, crowd.request, strlen(crowd.request));
        flush(member);
        return;
    }
    if (events & EPOLLOUT) flush(member);
    if (member->state != AWAY && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(member);
}
