/* One WebSocket connection of the load: connect, upgrade, say the handshake frames, then receive or publish. */
#ifndef CLIENT_H
#define CLIENT_H

#include <netinet/in.h>

#include "measure.h"
#include "websocket.h"

#define MAX_HANDSHAKE 8

/* What every client does; the same for all of them. In texts, <i> becomes the client's number, <value> its line of
 * the file of values (a token, say), <id> the request's number and <t> the time (CLOCK_MONOTONIC, ns). */
struct plan {
    struct sockaddr_in server;
    int sources;            /* how many addresses 127.0.0.1, .2, … to connect from */
    char request[8192];     /* the HTTP upgrade */
    const char *handshake[MAX_HANDSHAKE];
    int handshakes;         /* each is sent when the one before was answered */
    const char *publish;    /* NULL: the clients only receive */
    int window;             /* unanswered published frames a client may have */
    char **values;          /* one per client; with fewer, they are used again from the first */
    int value_count;
};

enum state { UNOPENED, CONNECTING, UPGRADING, SHAKING, OPEN, CLOSED };

struct client {
    int fd, index;
    enum state state;
    int step;               /* handshake frames answered */
    long in_flight;         /* published frames without an answer */
    unsigned long next_id;
    bool waits_to_write;
    struct buffer in, out;
};

/* Shared by all clients: what they do, where they count, how many reached OPEN, whether they publish now. */
struct load {
    struct plan plan;
    struct measure measure;
    int epoll;
    int opening, open;
    bool publishing;
    char failure[300];      /* why a client did not get through its handshake; empty: none failed */
};

void client_open(struct load *load, struct client *client, int index);
void client_ready(struct load *load, struct client *client, unsigned events);
void client_fill_window(struct load *load, struct client *client);

#endif
