/* What one phase counted, and how long messages took. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* Latencies in nanoseconds, in buckets of 1/128 of their value: every percentile is within 0.8 % of the truth. */
#define LATENCY_BUCKETS (58 * 128)

struct measure {
    uint64_t began, cpu_began; /* ns */
    uint64_t messages, bytes;  /* deliveries, and the bytes of their payloads */
    uint64_t ok, errors;       /* answers to published frames */
    uint64_t pings, closed;
    uint64_t reads; /* recv() calls that brought something */
    uint64_t latencies, slowest;
    uint64_t buckets[LATENCY_BUCKETS];
    char first_error[240];
};

uint64_t now_ns(void);     /* CLOCK_MONOTONIC */
uint64_t own_cpu_ns(void); /* user and system time of this process */

void measure_begin(struct measure *measure);
void measure_latency(struct measure *measure, uint64_t nanoseconds);
/* The latency below which a share of them lies, in milliseconds. */
double measure_percentile_ms(const struct measure *measure, double share);
void measure_error(struct measure *measure, const char *text, size_t length);

/* One line of JSON on standard output. */
void measure_print(const struct measure *measure);

#endif
