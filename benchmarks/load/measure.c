#include "measure.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + time.tv_nsec;
}

uint64_t now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t own_cpu_ns(void) {
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void measure_begin(struct measure *measure) {
    memset(measure, 0, sizeof *measure);
    measure->began = now_ns();
    measure->cpu_began = own_cpu_ns();
}

/* Values below 256 have a bucket each; above, the eight highest bits choose it. */
static int bucket_of(uint64_t value) {
    int shift = value < 256 ? 0 : 56 - __builtin_clzll(value);
    return shift * 128 + (int)(value >> shift);
}

static uint64_t value_of(int bucket) {
    int shift = bucket < 256 ? 0 : bucket / 128 - 1;
    uint64_t lowest = (uint64_t)(bucket - shift * 128) << shift;
    return lowest + ((uint64_t)1 << shift) / 2;
}

void measure_latency(struct measure *measure, uint64_t nanoseconds) {
    measure->latencies++;
    measure->buckets[bucket_of(nanoseconds)]++;
    if (nanoseconds > measure->slowest) measure->slowest = nanoseconds;
}

void measure_error(struct measure *measure, const char *text, size_t length) {
    measure->errors++;
    if (measure->first_error[0]) return;
    if (length >= sizeof measure->first_error) length = sizeof measure->first_error - 1;
    for (size_t i = 0; i < length; i++) { /* quotes become single ones: no escaping needed in our own JSON */
        char c = text[i];
        measure->first_error[i] = c == '"' ? '\'' : c < ' ' || c == '\\' ? ' ' : c;
    }
}

double measure_percentile_ms(const struct measure *measure, double share) {
    uint64_t wanted = (uint64_t)(share * measure->latencies), seen = 0;
    for (int bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        seen += measure->buckets[bucket];
        if (seen > wanted) return value_of(bucket) / 1e6;
    }
    return measure->slowest / 1e6;
}

void measure_print(const struct measure *measure) {
    printf("{\"event\":\"phase\",\"seconds\":%.6f,\"cpu\":%.6f", (now_ns() - measure->began) / 1e9,
           (own_cpu_ns() - measure->cpu_began) / 1e9);
    printf(",\"messages\":%lu,\"bytes\":%lu,\"ok\":%lu,\"errors\":%lu,\"pings\":%lu,\"closed\":%lu,\"reads\":%lu",
           measure->messages, measure->bytes, measure->ok, measure->errors, measure->pings, measure->closed,
           measure->reads);
    if (measure->latencies)
        printf(",\"latency_ms\":{\"count\":%lu,\"p50\":%.4f,\"p90\":%.4f,\"p99\":%.4f,\"p999\":%.4f,\"max\":%.4f}",
               measure->latencies, measure_percentile_ms(measure, 0.5), measure_percentile_ms(measure, 0.9),
               measure_percentile_ms(measure, 0.99), measure_percentile_ms(measure, 0.999), measure->slowest / 1e6);
    printf(",\"first_error\":\"%s\"}\n", measure->first_error);
    fflush(stdout);
}
