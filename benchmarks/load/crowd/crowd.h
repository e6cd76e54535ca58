/* Many clients that keep their places in topics' logs, come back when they are cut off, and check that nothing is
 * missing or doubled. */
#ifndef CROWD_H
#define CROWD_H

#include <netinet/in.h>

#include "../measure.h"
#include "../websocket.h"

#define MAX_MEMBERS 20000
#define MAX_EACH 16   /* topics of one member */
#define MAX_TOPICS 1000
#define MAX_DOORS 4

#define SECOND 1000000000ull
#define PATIENCE (10 * SECOND)        /* for the handshake, and again for the answers to connect and subscribes */
#define LONG_LIFE (30 * SECOND)       /* after so long a life the next pause is a first one again */
#define BACKOFF_BASE (SECOND / 2)
#define BACKOFF_CAP (20 * SECOND)

struct topic {
    char name[128], epoch[32];
    uint64_t head; /* the highest offset that anybody has */
};

/* One subscription of one member. Times are CLOCK_MONOTONIC in ns. */
struct place {
    int topic;
    bool begun;      /* it has a place in the log, and comes back with `from` */
    bool subscribed;
    bool refused;    /* and is to be asked for once more */
    uint64_t offset; /* of the last message */
    uint64_t subscribed_at;
    uint64_t complete_at; /* when the last message came that was published before `subscribed_at` */
    uint64_t heard_at, silence; /* when a message came last, and the longest time without one in this phase */
};

enum state { AWAY, CONNECTING, UPGRADING, OPEN };

struct member {
    int fd, index, door;
    enum state state;
    int attempt;       /* n of the next pause */
    int subscriptions; /* that are answered with `subscribed` */
    uint64_t opened_at;
    bool waits_to_write;
    struct buffer in, out;
    struct place places[MAX_EACH];
};

/* What went wrong or was to be expected, in one phase. */
struct tally {
    uint64_t attempts, failed, closed, refused; /* connections tried, failed, ended by the server; requests refused */
    uint64_t messages, holes, doubles, gaps, unrecovered, new_epochs, strangers;
    char first_trouble[240];
};

struct crowd {
    struct sockaddr_in doors[MAX_DOORS];
    int door_count, sources;
    char request[1024];
    char **tokens;
    int token_count;
    struct topic topics[MAX_TOPICS];
    int topic_count, each;
    struct member members[MAX_MEMBERS];
    uint64_t due[MAX_MEMBERS]; /* when to look after a member: to come back, to ask again, or to give up; 0: never */
    int member_count;
    int epoll;
    struct tally tally;
    uint64_t began, cpu_began; /* of the phase */
};

extern struct crowd crowd;

void member_begin(struct member *member, int index);
void member_ready(struct member *member, unsigned events);
void member_due(struct member *member, uint64_t now);
void member_cut(struct member *member, uint64_t now);

void protocol_hello(struct member *member);
bool protocol_ask_again(struct member *member);
void protocol_text(struct member *member, const char *text, size_t length, uint64_t now);

void phase_begin(void);
void phase_print(void);
void trouble(const char *what, const char *text, size_t length);

#endif
