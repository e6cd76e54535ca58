/* crowd: clients that come back where they left off, in one epoll loop.
 *
 * Commands come as lines on standard input, answers leave as lines of JSON on standard output:
 *   open N   have N members subscribed to all their topics   → {"event":"ready","clients":N}
 *   start    begin a phase   → {"event":"started","clients":N}
 *   cut      begin a phase, and cut all members off at once; each comes back by itself   → {"event":"started",…}
 *   count    what the phase saw so far   → {"event":"phase", …}
 *   stop     the same
 *   quit     (or the end of the input)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../commands.h"
#include "crowd.h"

#define MAX_EVENTS 1024
#define MAX_OPENING 100 /* below the usual listen() backlog */
#define TICK 1          /* ms between two looks at who is due */

struct crowd crowd;

static int wanted, ramp = 1500; /* members a second */
static bool asked_to_open;
static uint64_t ramp_began;
static int ramp_from;

static void die(const char *why) {
    fprintf(stderr, "crowd: %s\n", why);
    exit(2);
}

static int read_lines(const char *path, char ***lines) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    int count = 0;
    if (file == NULL) die("a file cannot be read");
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = 0;
        *lines = realloc(*lines, (count + 1) * sizeof(char *));
        (*lines)[count++] = strdup(line);
    }
    free(line);
    fclose(file);
    return count;
}

static void read_topics(const char *path) {
    char **names = NULL;
    crowd.topic_count = read_lines(path, &names);
    if (crowd.topic_count > MAX_TOPICS) die("too many topics");
    for (int i = 0; i < crowd.topic_count; i++)
        snprintf(crowd.topics[i].name, sizeof crowd.topics[i].name, "%s", names[i]);
}

static void add_door(int port) {
    if (crowd.door_count == MAX_DOORS || port == 0) die("--port is wrong, or there are too many");
    crowd.doors[crowd.door_count++] = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void set_up(int argc, char **argv) {
    static const struct option options[] = {{"port", 1, 0, 'p'},   {"topics", 1, 0, 't'},  {"each", 1, 0, 'e'},
                                            {"tokens", 1, 0, 'v'}, {"sources", 1, 0, 'a'}, {"ramp", 1, 0, 'r'}, {0}};
    int option;
    crowd.sources = crowd.each = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p': add_door(atoi(optarg)); break;
        case 't': read_topics(optarg); break;
        case 'e': crowd.each = atoi(optarg); break;
        case 'v': crowd.token_count = read_lines(optarg, &crowd.tokens); break;
        case 'a': crowd.sources = atoi(optarg); break;
        case 'r': ramp = atoi(optarg); break;
        default: die("usage: crowd --port N… --topics FILE --each N --tokens FILE [--sources N] [--ramp N]");
        }
    }
    if (!crowd.door_count || !crowd.token_count || crowd.each < 1 || crowd.each > MAX_EACH || crowd.sources < 1)
        die("--port, --tokens, --each or --sources is missing or wrong");
    if (crowd.topic_count < crowd.each) die("--topics: fewer than --each");
    snprintf(crowd.request, sizeof crowd.request,
             "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bG9hZGdlbmxvYWRnZW4wMQ==\r\n"
             "Sec-WebSocket-Protocol: penstock.v1.json\r\n\r\n");
    crowd.epoll = epoll_create1(0);
    srand48(now_ns());
}

static void tell(const char *event) {
    printf("{\"event\":\"%s\",\"clients\":%d}\n", event, crowd.member_count);
    fflush(stdout);
}

static void cut(void) {
    phase_begin();
    for (int i = 0; i < crowd.member_count; i++) member_cut(&crowd.members[i], now_ns());
}

static void obey(const char *command) {
    if (sscanf(command, "open %d", &wanted) == 1) {
        if (wanted > MAX_MEMBERS) die("too many members");
        asked_to_open = true;
        ramp_began = now_ns();
        ramp_from = crowd.member_count;
    } else if (strcmp(command, "start") == 0) {
        phase_begin();
        tell("started");
    } else if (strcmp(command, "cut") == 0) {
        cut();
        tell("started");
    } else if (strcmp(command, "count") == 0 || strcmp(command, "stop") == 0) {
        phase_print();
    } else if (strcmp(command, "quit") == 0) {
        exit(0);
    } else {
        die("unknown command");
    }
}

static void open_more(uint64_t now) {
    int allowed = ramp_from + 1 + (int)((now - ramp_began) * ramp / SECOND), ready = 0;
    for (int i = 0; i < crowd.member_count; i++) ready += crowd.members[i].subscriptions == crowd.each;
    int opening = crowd.member_count - ready;
    for (; crowd.member_count < wanted && crowd.member_count < allowed && opening < MAX_OPENING; opening++) {
        int index = crowd.member_count++;
        member_begin(&crowd.members[index], index);
    }
    if (ready == wanted) {
        asked_to_open = false;
        tell("ready");
    }
}

static void look_after(uint64_t now) {
    for (int i = 0; i < crowd.member_count; i++)
        if (crowd.due[i] && crowd.due[i] <= now) member_due(&crowd.members[i], now);
}

int main(int argc, char **argv) {
    static struct epoll_event events[MAX_EVENTS];
    struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
    uint64_t looked_at = 0;
    set_up(argc, argv);
    phase_begin();
    epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &commands);
    for (;;) {
        int count = epoll_wait(crowd.epoll, events, MAX_EVENTS, TICK);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                read_commands(obey);
            else
                member_ready(events[i].data.ptr, events[i].events);
        }
        uint64_t now = now_ns();
        if (now - looked_at < TICK * 1000000) continue;
        looked_at = now;
        look_after(now);
        if (asked_to_open) open_more(now);
    }
}
