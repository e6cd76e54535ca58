/* What a phase saw: times until members were back, silences, and whatever was not as it should be. */
#include "crowd.h"

#include <stdio.h>
#include <string.h>

#define LISTED 64 /* subscriptions whose silences are listed one by one, where there are no more */

void trouble(const char *what, const char *text, size_t length) {
    char *place = crowd.tally.first_trouble;
    if (place[0]) return;
    snprintf(place, sizeof crowd.tally.first_trouble, "%s: %.*s", what, length > 200 ? 200 : (int)length, text);
    for (char *c = place; *c; c++) /* no escaping needed in our own JSON */
        *c = *c == '"' ? '\'' : *c < ' ' || *c == '\\' ? ' ' : *c;
}

void phase_begin(void) {
    memset(&crowd.tally, 0, sizeof crowd.tally);
    crowd.began = now_ns();
    crowd.cpu_began = own_cpu_ns();
    for (int i = 0; i < crowd.member_count; i++)
        for (int j = 0; j < crowd.each; j++) crowd.members[i].places[j].silence = 0;
}

static void print_times(const char *name, const struct measure *times) {
    printf(",\"%s\":{\"count\":%lu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name, times->latencies,
           measure_percentile_ms(times, 0.5), measure_percentile_ms(times, 0.99), times->slowest / 1e6);
}

void phase_print(void) {
    static struct measure back, silent;
    const struct tally *t = &crowd.tally;
    uint64_t now = now_ns(), total = 0;
    int connected = 0, subscribed = 0, behind = 0;
    memset(&back, 0, sizeof back);
    memset(&silent, 0, sizeof silent);
    for (int i = 0; i < crowd.topic_count; i++) total += crowd.topics[i].head;
    printf("{\"event\":\"phase\",\"seconds\":%.6f,\"cpu\":%.6f", (now - crowd.began) / 1e9,
           (own_cpu_ns() - crowd.cpu_began) / 1e9);
    bool listed = crowd.member_count * crowd.each <= LISTED;
    if (listed) printf(",\"silences_ms\":[");
    for (int i = 0; i < crowd.member_count; i++) {
        const struct member *member = &crowd.members[i];
        uint64_t complete = 0;
        connected += member->state == OPEN;
        for (int j = 0; j < crowd.each; j++) {
            const struct place *place = &member->places[j];
            uint64_t still = place->heard_at ? now - place->heard_at : 0;
            uint64_t silence = still > place->silence ? still : place->silence;
            behind += place->offset < crowd.topics[place->topic].head;
            if (place->complete_at > complete) complete = place->complete_at;
            measure_latency(&silent, silence);
            if (listed) printf("%s%.1f", i + j ? "," : "", silence / 1e6);
        }
        if (member->subscriptions < crowd.each) continue;
        subscribed++;
        if (complete > crowd.began) measure_latency(&back, complete - crowd.began);
    }
    if (listed) printf("]");
    printf(",\"members\":%d,\"connected\":%d,\"subscribed\":%d,\"behind\":%d,\"total\":%lu", crowd.member_count, connected,
           subscribed, behind, total);
    printf(",\"attempts\":%lu,\"failed\":%lu,\"closed\":%lu,\"refused\":%lu,\"messages\":%lu,\"holes\":%lu,\"doubles\":%lu",
           t->attempts, t->failed, t->closed, t->refused, t->messages, t->holes, t->doubles);
    printf(",\"gaps\":%lu,\"unrecovered\":%lu,\"new_epochs\":%lu,\"strangers\":%lu", t->gaps, t->unrecovered,
           t->new_epochs, t->strangers);
    print_times("back_ms", &back);
    print_times("silence_ms", &silent);
    printf(",\"first_trouble\":\"%s\"}\n", t->first_trouble);
    fflush(stdout);
}
