/* ports: which pairs of media ports of a range are lent, resting or free: the choice alone.
 * Not here: sockets: the caller binds what it is told and says when that failed.
 * RFC 3550 §11 (RTP on an even port, RTCP on the next). */
#include "io/ports.h"

#include <assert.h>
#include <stdlib.h>

/* A late packet of the call before must not be recorded into the next one. */
static const int64_t ports_rest_ns = 30 * INT64_C(1000000000);
static const int64_t ports_rest_pressed_ns = 2 * INT64_C(1000000000);

struct ports_pair {
    uint16_t rtp_port;
    bool lent;
    bool used;               /* rested_from counts */
    struct tick rested_from; /* when it was returned */
};

/* The line of pairs that are not lent is a ring of indexes, the longest rested first: pairs join at
 * the end when they are returned, and time goes one way, so the head is always the best. */
struct io_ports {
    size_t total;
    size_t lent;
    struct ports_pair *pairs;
    uint16_t *line;
    size_t line_head;
    uint16_t min;    /* port of pairs[0] */
    unsigned stride; /* between two of our pairs, in ports */
};

struct io_ports *io_ports_create(const struct io_ports_range *range, struct rng *rng)
{
    unsigned first_even = (range->min + 1u) & ~1u;
    unsigned first = first_even + 2 * range->share;
    unsigned stride = 2 * range->shares;
    struct io_ports *ports = calloc(1, sizeof *ports);
    size_t start;
    assert(range->shares >= 1 && range->share < range->shares);
    if (!ports)
        return NULL;
    ports->total = first + 1 <= range->max ? (range->max - first - 1) / stride + 1 : 0;
    ports->stride = stride;
    ports->min = (uint16_t)first;
    ports->pairs = calloc(ports->total + 1, sizeof *ports->pairs);
    ports->line = calloc(ports->total + 1, sizeof *ports->line);
    if (!ports->pairs || !ports->line) {
        io_ports_destroy(ports);
        return NULL;
    }
    start = ports->total > 0 ? rng_below(rng, (uint32_t)ports->total) : 0;
    for (size_t i = 0; i < ports->total; i++) {
        ports->pairs[i].rtp_port = (uint16_t)(first + i * stride);
        ports->line[i] = (uint16_t)((start + i) % ports->total);
    }
    return ports;
}

void io_ports_destroy(struct io_ports *ports)
{
    if (!ports)
        return;
    free(ports->pairs);
    free(ports->line);
    free(ports);
}

enum io_ports_result io_ports_take(struct io_ports *ports, struct tick now, uint16_t *rtp_port)
{
    struct ports_pair *pair;
    enum io_ports_result result = IO_PORTS_OK;
    if (ports->lent == ports->total)
        return IO_PORTS_NONE;
    pair = &ports->pairs[ports->line[ports->line_head]];
    if (pair->used) {
        int64_t rested_ns = now.ns - pair->rested_from.ns;
        if (rested_ns < ports_rest_pressed_ns)
            return IO_PORTS_NONE;
        if (rested_ns < ports_rest_ns)
            result = IO_PORTS_PRESSED;
    }
    pair->lent = true;
    ports->line_head = (ports->line_head + 1) % ports->total;
    ports->lent++;
    *rtp_port = pair->rtp_port;
    return result;
}

void io_ports_return(struct io_ports *ports, struct tick now, uint16_t rtp_port)
{
    size_t index = (size_t)(rtp_port - ports->min) / ports->stride;
    size_t waiting = ports->total - ports->lent;
    struct ports_pair *pair = &ports->pairs[index];
    assert(index < ports->total && pair->rtp_port == rtp_port && pair->lent);
    pair->lent = false;
    pair->used = true;
    pair->rested_from = now;
    ports->line[(ports->line_head + waiting) % ports->total] = (uint16_t)index;
    ports->lent--;
}

void io_ports_blocked(struct io_ports *ports, struct tick now, uint16_t rtp_port)
{
    /* Whoever holds it may hold it for long; the line's end is the longest wait there is. */
    io_ports_return(ports, now, rtp_port);
}

size_t io_ports_total(const struct io_ports *ports)
{
    return ports->total;
}
