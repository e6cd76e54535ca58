#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)

enum kind { MESSAGE, PING, OK, ERROR, ANSWER };

static void fail(struct load *load, struct client *client, const char *why, const char *text, size_t length) {
    if (length > 200) length = 200;
    snprintf(load->failure, sizeof load->failure, "client %d: %s: %.*s", client->index, why, (int)length, text);
}

static void client_close(struct load *load, struct client *client, const char *why, const char *text, size_t length) {
    if (client->state == CLOSED) return;
    if (client->state == OPEN) {
        load->open--;
        load->measure.closed++;
        measure_error(&load->measure, why, strlen(why));
    } else {
        load->opening--;
        fail(load, client, why, text, length);
    }
    close(client->fd);
    buffer_free(&client->in);
    buffer_free(&client->out);
    client->state = CLOSED;
}

static void watch(struct load *load, struct client *client, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (client->waits_to_write ? EPOLLOUT : 0), .data.ptr = client};
    epoll_ctl(load->epoll, operation, client->fd, &event);
}

static void flush(struct load *load, struct client *client) {
    bool wait = false;
    while (client->state != CLOSED && buffer_length(&client->out) > 0 && !wait) {
        ssize_t sent = send(client->fd, client->out.data + client->out.start, buffer_length(&client->out), MSG_NOSIGNAL);
        if (sent > 0)
            buffer_consume(&client->out, sent);
        else if (errno == EAGAIN)
            wait = true;
        else
            client_close(load, client, "send failed", strerror(errno), strlen(strerror(errno)));
    }
    if (client->state == CLOSED) return;
    if (wait != client->waits_to_write) {
        client->waits_to_write = wait;
        watch(load, client, EPOLL_CTL_MOD);
    }
}

static size_t expand(char *place, size_t room, const char *text, const struct plan *plan, const struct client *client) {
    const char *value = plan->value_count ? plan->values[client->index % plan->value_count] : "";
    size_t length = 0, value_length = strlen(value);
    while (*text && length + value_length + 24 < room) {
        if (strncmp(text, "<value>", 7) == 0) {
            memcpy(place + length, value, value_length);
            length += value_length;
            text += 7;
        } else if (strncmp(text, "<id>", 4) == 0) {
            length += sprintf(place + length, "%lu", client->next_id);
            text += 4;
        } else if (strncmp(text, "<i>", 3) == 0) {
            length += sprintf(place + length, "%d", client->index);
            text += 3;
        } else if (strncmp(text, "<t>", 3) == 0) {
            length += sprintf(place + length, "%lu", now_ns());
            text += 3;
        } else {
            place[length++] = *text++;
        }
    }
    return length;
}

static void say(struct load *load, struct client *client, const char *text) {
    char frame[65536];
    frame_write(&client->out, OP_TEXT, frame, expand(frame, sizeof frame, text, &load->plan, client));
}

void client_fill_window(struct load *load, struct client *client) {
    if (client->state != OPEN || load->plan.publish == NULL || !load->publishing) return;
    while (client->in_flight < load->plan.window) {
        client->next_id++;
        client->in_flight++;
        say(load, client, load->plan.publish);
    }
    flush(load, client);
}

/* The protocol's frames carry their type first; whatever has none is a message (a peer without a protocol). */
static enum kind kind_of(const char *text, size_t length) {
    static const char key[] = "\"type\"";
    const char *type = memmem(text, length < 16 ? length : 16, key, sizeof key - 1);
    if (type == NULL) return MESSAGE;
    type += sizeof key - 1;
    while (type < text + length && (*type == ':' || *type == ' ' || *type == '"')) type++;
    size_t left = text + length - type;
    if (left >= 7 && memcmp(type, "message", 7) == 0) return MESSAGE;
    if (left >= 4 && memcmp(type, "ping", 4) == 0) return PING;
    if (left >= 3 && memcmp(type, "ok\"", 3) == 0) return OK;
    if (left >= 5 && memcmp(type, "error", 5) == 0) return ERROR;
    return ANSWER;
}

static void count_message(struct load *load, const char *text, size_t length, uint64_t now) {
    static const char key[] = "\"t\":";
    load->measure.messages++;
    load->measure.bytes += length;
    const char *stamp = memmem(text, length, key, sizeof key - 1);
    if (stamp == NULL) return;
    uint64_t sent = 0;
    for (stamp += sizeof key - 1; stamp < text + length && *stamp >= '0' && *stamp <= '9'; stamp++)
        sent = sent * 10 + (*stamp - '0');
    if (sent > 0 && sent <= now) measure_latency(&load->measure, now - sent);
}

static void next_step(struct load *load, struct client *client) {
    if (client->step < load->plan.handshakes) {
        client->state = SHAKING;
        say(load, client, load->plan.handshake[client->step]);
        return;
    }
    client->state = OPEN;
    load->opening--;
    load->open++;
}

static void on_text(struct load *load, struct client *client, const struct frame *frame, uint64_t now) {
    enum kind kind = kind_of(frame->payload, frame->length);
    if (kind == PING) {
        load->measure.pings++;
        say(load, client, "{\"type\":\"pong\"}");
    } else if (kind == MESSAGE) {
        count_message(load, frame->payload, frame->length, now);
    } else if (client->state == SHAKING) {
        if (kind == ERROR) {
            client_close(load, client, "handshake refused", frame->payload, frame->length);
            return;
        }
        client->step++;
        next_step(load, client);
    } else if (kind == OK) {
        load->measure.ok++;
        client->in_flight--;
    } else if (kind == ERROR) {
        measure_error(&load->measure, frame->payload, frame->length);
        client->in_flight--;
    }
}

static void on_frame(struct load *load, struct client *client, const struct frame *frame, uint64_t now) {
    if (frame->opcode == OP_TEXT || frame->opcode == OP_BINARY) {
        on_text(load, client, frame, now);
    } else if (frame->opcode == OP_PING) {
        load->measure.pings++;
        frame_write(&client->out, OP_PONG, frame->payload, frame->length);
    } else if (frame->opcode == OP_CLOSE) {
        char why[160] = "closed by the server";
        if (frame->length >= 2)
            snprintf(why, sizeof why, "closed by the server with %d %.*s",
                     (unsigned char)frame->payload[0] << 8 | (unsigned char)frame->payload[1],
                     (int)(frame->length - 2), frame->payload + 2);
        client_close(load, client, why, "", 0);
    }
}

/* Returns the bytes of the server's answer to the upgrade, or 0 while it is incomplete or was refused. */
static size_t on_upgrade(struct load *load, struct client *client, const char *bytes, size_t length) {
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    if (length < 12 || memcmp(bytes + 9, "101", 3) != 0) {
        const char *line = memchr(bytes, '\r', length);
        client_close(load, client, "upgrade refused", bytes, line - bytes);
        return 0;
    }
    next_step(load, client);
    return end + 4 - bytes;
}

static void on_readable(struct load *load, struct client *client) {
    static char shared[READ_SIZE];
    char *bytes = shared;
    ssize_t length = recv(client->fd, shared, sizeof shared, 0);
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0) {
        client_close(load, client, "connection lost", length ? strerror(errno) : "", length ? strlen(strerror(errno)) : 0);
        return;
    }
    uint64_t now = now_ns();
    load->measure.reads++;
    size_t available = length, used = 0, size = 0;
    bool continues = buffer_length(&client->in) > 0; /* a frame began in an earlier read */
    if (continues) {
        buffer_append(&client->in, shared, length);
        bytes = client->in.data + client->in.start;
        available = buffer_length(&client->in);
    }
    if (client->state == UPGRADING) {
        used = on_upgrade(load, client, bytes, available);
        if (client->state == CLOSED) return;
    }
    struct frame frame;
    while (client->state > UPGRADING && (size = frame_read(&frame, bytes + used, available - used)) > 0) {
        on_frame(load, client, &frame, now);
        if (client->state == CLOSED) return;
        used += size;
    }
    if (continues)
        buffer_consume(&client->in, used);
    else
        buffer_append(&client->in, bytes + used, available - used);
    client_fill_window(load, client);
    flush(load, client);
}

void client_open(struct load *load, struct client *client, int index) {
    int one = 1;
    *client = (struct client){.index = index, .state = CONNECTING, .waits_to_write = true};
    load->opening++;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (load->plan.sources > 1) {
        struct sockaddr_in source = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK + index % load->plan.sources)};
        setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        bind(client->fd, (struct sockaddr *)&source, sizeof source);
    }
    if (client->fd < 0 ||
        (connect(client->fd, (struct sockaddr *)&load->plan.server, sizeof load->plan.server) < 0 && errno != EINPROGRESS)) {
        client_close(load, client, "connect failed", strerror(errno), strlen(strerror(errno)));
        return;
    }
    watch(load, client, EPOLL_CTL_ADD);
}

void client_ready(struct load *load, struct client *client, unsigned events) {
    if (client->state == CLOSED) return;
    if (client->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            client_close(load, client, "connect failed", strerror(error), strlen(strerror(error)));
            return;
        }
        client->state = UPGRADING;
        buffer_append(&client->out, load->plan.request, strlen(load->plan.request));
        flush(load, client);
        return;
    }
    if (events & EPOLLOUT) flush(load, client);
    if (client->state != CLOSED && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(load, client);
}
