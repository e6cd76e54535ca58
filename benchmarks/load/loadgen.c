/* loadgen: many WebSocket clients in one epoll loop, so that the clients are not what is measured.
 *
 * Commands come as lines on standard input, answers leave as lines of JSON on standard output:
 *   open N   have N clients through their handshake   → {"event":"ready","clients":N}
 *   start    begin a phase: counters at zero, publishers publish   → {"event":"started"}
 *   stop     end it   → {"event":"phase", what was counted, own CPU seconds, latencies}
 *   count    what the phase counted so far, without ending it   → the same line
 *   quit     (or the end of the input)
 * A client that does not get through its handshake ends the program: {"event":"failed","reason":"…"}.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client.h"
#include "commands.h"

#define MAX_CLIENTS 60000
#define MAX_OPENING 100 /* below the usual listen() backlog */
#define MAX_EVENTS 1024

static struct load load;
static struct client clients[MAX_CLIENTS];
static int begun, wanted;
static bool asked_to_open;
static uint64_t ramp_began;
static int ramp_from, ramp = 2000; /* clients a second */

static void die(const char *why) {
    fprintf(stderr, "loadgen: %s\n", why);
    exit(2);
}

static void read_values(const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    if (file == NULL) die("--values: cannot be read");
    while ((length = getline(&line, &room, file)) > 0) {
        line[strcspn(line, "\n")] = 0;
        load.plan.values = realloc(load.plan.values, (load.plan.value_count + 1) * sizeof(char *));
        load.plan.values[load.plan.value_count++] = strdup(line);
    }
    free(line);
    fclose(file);
}

static void set_up(int argc, char **argv) {
    static const struct option options[] = {
        {"host", 1, 0, 'h'},   {"port", 1, 0, 'p'}, {"path", 1, 0, 'P'},    {"subprotocol", 1, 0, 's'},
        {"header", 1, 0, 'H'}, {"send", 1, 0, 'S'}, {"publish", 1, 0, 'u'}, {"window", 1, 0, 'w'},
        {"ramp", 1, 0, 'r'},   {"sources", 1, 0, 'a'},
        {"values", 1, 0, 'v'}, {0}};
    const char *host = "127.0.0.1", *path = "/", *subprotocol = NULL;
    char headers[6000] = "";
    struct plan *plan = &load.plan;
    int port = 0, option;
    plan->sources = 1;
    plan->window = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'h': host = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 'P': path = optarg; break;
        case 's': subprotocol = optarg; break;
        case 'w': plan->window = atoi(optarg); break;
        case 'r': ramp = atoi(optarg); break;
        case 'a': plan->sources = atoi(optarg); break;
        case 'v': read_values(optarg); break;
        case 'u': plan->publish = optarg; break;
        case 'S':
            if (plan->handshakes == MAX_HANDSHAKE) die("too many --send");
            plan->handshake[plan->handshakes++] = optarg;
            break;
        case 'H':
            if (strlen(headers) + strlen(optarg) + 3 > sizeof headers) die("--header: too long");
            strcat(strcat(headers, optarg), "\r\n");
            break;
        default: die("usage: loadgen --port N [--host A] [--path P] [--subprotocol S] [--header H]… [--send FRAME]… "
                     "[--publish FRAME --window N] [--values FILE] [--ramp N] [--sources N]");
        }
    }
    plan->server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    if (port == 0 || inet_pton(AF_INET, host, &plan->server.sin_addr) != 1) die("--port, or --host as a number, is wrong");
    int length = snprintf(plan->request, sizeof plan->request,
                          "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bG9hZGdlbmxvYWRnZW4wMQ==\r\n%s%s%s%s\r\n",
                          path, host, port, subprotocol ? "Sec-WebSocket-Protocol: " : "",
                          subprotocol ? subprotocol : "", subprotocol ? "\r\n" : "", headers);
    if (length >= (int)sizeof plan->request) die("the request is too long");
    load.epoll = epoll_create1(0);
}

static void tell(const char *event) {
    printf("{\"event\":\"%s\",\"clients\":%d}\n", event, load.open);
    fflush(stdout);
}

static void obey(const char *command) {
    if (sscanf(command, "open %d", &wanted) == 1) {
        if (wanted > MAX_CLIENTS) die("too many clients");
        asked_to_open = true;
        ramp_began = now_ns();
        ramp_from = begun;
    } else if (strcmp(command, "start") == 0) {
        measure_begin(&load.measure);
        load.publishing = true;
        for (int i = 0; i < begun; i++) client_fill_window(&load, &clients[i]);
        tell("started");
    } else if (strcmp(command, "stop") == 0) {
        load.publishing = false;
        measure_print(&load.measure);
    } else if (strcmp(command, "count") == 0) {
        measure_print(&load.measure);
    } else if (strcmp(command, "quit") == 0) {
        exit(0);
    } else {
        die("unknown command");
    }
}

static void open_more(void) {
    int allowed = ramp_from + 1 + (int)((now_ns() - ramp_began) * ramp / 1000000000u);
    while (begun < wanted && begun < allowed && load.opening < MAX_OPENING && !load.failure[0]) {
        client_open(&load, &clients[begun], begun);
        begun++;
    }
    if (load.failure[0]) {
        for (char *c = load.failure; *c; c++)
            if (*c == '"' || *c == '\\' || *c < ' ') *c = '\'';
        printf("{\"event\":\"failed\",\"reason\":\"%s\"}\n", load.failure);
        exit(1);
    }
    if (begun >= wanted && load.opening == 0) {
        asked_to_open = false;
        tell("ready");
    }
}

int main(int argc, char **argv) {
    static struct epoll_event events[MAX_EVENTS];
    struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
    set_up(argc, argv);
    measure_begin(&load.measure);
    epoll_ctl(load.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &commands);
    for (;;) {
        int count = epoll_wait(load.epoll, events, MAX_EVENTS, asked_to_open ? 1 : -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                read_commands(obey);
            else
                client_ready(&load, events[i].data.ptr, events[i].events);
        }
        if (asked_to_open) open_more();
    }
}
