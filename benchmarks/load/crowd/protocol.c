/* What members say and understand of penstock.v1.json: connect and all subscribes in one array, the places kept. */
#define _GNU_SOURCE
#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t subscribe_text(char *text, size_t room, const struct place *place, int number) {
    const struct topic *topic = &crowd.topics[place->topic];
    if (!place->begun)
        return snprintf(text, room, "{\"type\":\"subscribe\",\"id\":%d,\"topic\":\"%s\"}", number + 2, topic->name);
    return snprintf(text, room,
                    "{\"type\":\"subscribe\",\"id\":%d,\"topic\":\"%s\",\"from\":{\"epoch\":\"%s\",\"offset\":%lu}}",
                    number + 2, topic->name, topic->epoch, place->offset);
}

void protocol_hello(struct member *member) {
    char text[16 * 1024];
    size_t length = snprintf(text, sizeof text, "[{\"type\":\"connect\",\"id\":1,\"token\":\"%s\"}",
                             crowd.tokens[member->index % crowd.token_count]);
    for (int i = 0; i < crowd.each; i++) {
        text[length++] = ',';
        length += subscribe_text(text + length, sizeof text - length, &member->places[i], i);
    }
    text[length++] = ']';
    frame_write(&member->out, OP_TEXT, text, length);
}

/* Ask for what was refused and is to be asked for again; false where nothing is. */
bool protocol_ask_again(struct member *member) {
    bool asked = false;
    for (int i = 0; i < crowd.each; i++) {
        char text[512];
        struct place *place = &member->places[i];
        if (!place->refused) continue;
        place->refused = false;
        asked = true;
        frame_write(&member->out, OP_TEXT, text, subscribe_text(text, sizeof text, place, i));
    }
    return asked;
}

/* Where the value of a key begins in a frame, NULL where it is not there. Our own keys come before `data`. */
static const char *value_of(const char *text, size_t length, const char *key) {
    const char *found = memmem(text, length, key, strlen(key));
    return found == NULL ? NULL : found + strlen(key);
}

static uint64_t number_of(const char *text, size_t length, const char *key) {
    const char *value = value_of(text, length, key);
    return value == NULL ? 0 : strtoull(value, NULL, 10); /* a frame's number is always followed by a comma or brace */
}

static struct place *place_of(struct member *member, const char *text, size_t length) {
    const char *name = value_of(text, length, "\"topic\":\"");
    for (int i = 0; name != NULL && i < crowd.each; i++) {
        const char *mine = crowd.topics[member->places[i].topic].name;
        size_t size = strlen(mine);
        if ((size_t)(text + length - name) > size && memcmp(name, mine, size) == 0 && name[size] == '"')
            return &member->places[i];
    }
    crowd.tally.strangers++;
    trouble("a topic that was not asked for", text, length);
    return NULL;
}

static void note_epoch(struct topic *topic, const char *text, size_t length) {
    const char *epoch = value_of(text, length, "\"epoch\":\"");
    if (epoch == NULL) return;
    size_t size = strcspn(epoch, "\"");
    if (size >= sizeof topic->epoch || (topic->epoch[size] == 0 && memcmp(topic->epoch, epoch, size) == 0)) return;
    if (topic->epoch[0]) crowd.tally.new_epochs++;
    memcpy(topic->epoch, epoch, size);
    topic->epoch[size] = 0;
}

static void on_message(struct member *member, const char *text, size_t length, uint64_t now) {
    struct place *place = place_of(member, text, length);
    if (place == NULL) return;
    struct topic *topic = &crowd.topics[place->topic];
    uint64_t offset = number_of(text, length, "\"offset\":"), sent = number_of(text, length, "\"t\":");
    crowd.tally.messages++;
    if (offset <= place->offset) {
        crowd.tally.doubles++;
        trouble("doubled", text, length);
        return;
    }
    if (offset > place->offset + 1) {
        crowd.tally.holes++;
        trouble("a hole before", text, length);
    }
    place->offset = offset;
    if (offset > topic->head) topic->head = offset;
    if (sent <= place->subscribed_at) place->complete_at = now;
    if (place->heard_at && now - place->heard_at > place->silence) place->silence = now - place->heard_at;
    place->heard_at = now;
}

static void on_subscribed(struct member *member, const char *text, size_t length, uint64_t now) {
    struct place *place = place_of(member, text, length);
    if (place == NULL) return;
    note_epoch(&crowd.topics[place->topic], text, length);
    place->subscribed = true;
    place->subscribed_at = place->complete_at = now;
    if (++member->subscriptions == crowd.each) crowd.due[member->index] = 0;
    if (!place->begun) {
        place->offset = number_of(text, length, "\"offset\":");
        place->begun = true;
    } else if (value_of(text, length, "\"recovered\":true") == NULL) {
        crowd.tally.unrecovered++;
        trouble("not recovered", text, length);
    }
}

static void on_gap(struct member *member, const char *text, size_t length) {
    struct place *place = place_of(member, text, length);
    if (place == NULL) return;
    crowd.tally.gaps++;
    trouble("gap", text, length);
    note_epoch(&crowd.topics[place->topic], text, length);
    place->offset = number_of(text, length, "\"offset\":") - 1;
}

/* A refused subscribe is asked for again when the server says; a refused connect ends with the server's close. */
static void on_error(struct member *member, const char *text, size_t length, uint64_t now) {
    uint64_t id = number_of(text, length, "\"id\":");
    const char *wait = value_of(text, length, "\"retry_after\":");
    crowd.tally.refused++;
    trouble("refused", text, length);
    if (id < 2 || id >= (uint64_t)crowd.each + 2) return;
    member->places[id - 2].refused = true;
    crowd.due[member->index] = now + (uint64_t)((wait == NULL ? 0.5 : strtod(wait, NULL)) * SECOND);
}

void protocol_text(struct member *member, const char *text, size_t length, uint64_t now) {
    static const char head[] = "{\"type\":\"";
    const char *type = text + sizeof head - 1;
    if (length < sizeof head + 8 || memcmp(text, head, sizeof head - 1) != 0) {
        if (length > 14 && memcmp(type, "ping", 4) == 0) frame_write(&member->out, OP_TEXT, "{\"type\":\"pong\"}", 15);
        return;
    }
    if (memcmp(type, "message\"", 8) == 0)
        on_message(member, text, length, now);
    else if (memcmp(type, "subscrib", 8) == 0)
        on_subscribed(member, text, length, now);
    else if (memcmp(type, "gap\"", 4) == 0)
        on_gap(member, text, length);
    else if (memcmp(type, "error\"", 6) == 0)
        on_error(member, text, length, now);
}
