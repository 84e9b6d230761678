/* world: see world.h. A heap of datagrams in flight, ordered by arrival and then by sending.
 * Not here: actors.
 * RFC: none. */
#include "world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "src.h"
#include "srs.h"

struct flight {
    struct tick at;
    uint64_t order;
    struct addr from, to;
    bool stream;
    size_t len;
    char bytes[];
};

/* 2026-03-01T12:00:00Z */
static const int64_t noon_ns = INT64_C(1772366400) * NS_PER_S;

void world_init(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->now = (struct tick){NS_PER_S};
    rng_init_number(&world->rng, seed);
    world->sip.delay_us = world->media.delay_us = 1000;
}

void world_finish(struct world *world)
{
    for (size_t i = 0; i < world->flight_count; i++)
        free(world->flights[i]);
    free(world->flights);
    world->flights = NULL;
    world->flight_count = world->flight_room = 0;
}

struct wall world_wall(const struct world *world)
{
    return (struct wall){noon_ns + world->now.ns};
}

static bool flies_before(const struct flight *a, const struct flight *b)
{
    return a->at.ns != b->at.ns ? a->at.ns < b->at.ns : a->order < b->order;
}

static void flight_push(struct world *world, struct flight *flight)
{
    if (world->flight_count == world->flight_room) {
        world->flight_room = world->flight_room ? world->flight_room * 2 : 256;
        world->flights = realloc(world->flights, world->flight_room * sizeof *world->flights);
        assert(world->flights);
    }
    size_t i = world->flight_count++;
    for (; i > 0 && flies_before(flight, world->flights[(i - 1) / 2]); i = (i - 1) / 2)
        world->flights[i] = world->flights[(i - 1) / 2];
    world->flights[i] = flight;
}

static struct flight *flight_pop(struct world *world)
{
    struct flight *first = world->flights[0];
    struct flight *last = world->flights[--world->flight_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= world->flight_count)
            break;
        if (child + 1 < world->flight_count &&
            flies_before(world->flights[child + 1], world->flights[child]))
            child++;
        if (flies_before(last, world->flights[child]))
            break;
        world->flights[i] = world->flights[child];
        i = child;
    }
    if (world->flight_count)
        world->flights[i] = last;
    return first;
}

static void launch(struct world *world, int64_t late_us, const struct flight *how,
                   struct view bytes)
{
    struct flight *flight = malloc(sizeof *flight + bytes.len);
    assert(flight);
    *flight = *how;
    flight->at = tick_add_ns(world->now, late_us * NS_PER_US);
    flight->order = world->order++;
    flight->len = bytes.len;
    if (bytes.len)
        memcpy(flight->bytes, bytes.at, bytes.len);
    flight_push(world, flight);
}

static void fly(struct world *world, const struct link *link, struct addr from, struct addr to,
                struct view bytes)
{
    world->sent++;
    if (rng_chance(&world->rng, link->loss)) {
        world->lost++;
        return;
    }
    int64_t late_us = link->delay_us;
    if (link->jitter_us)
        late_us += rng_below(&world->rng, (uint32_t)link->jitter_us);
    launch(world, late_us, &(struct flight){.from = from, .to = to}, bytes);
}

void world_stream(struct world *world, struct addr from, struct addr to, struct view bytes)
{
    launch(world, world->sip.delay_us, &(struct flight){.from = from, .to = to, .stream = true},
           bytes);
}

void world_send(struct world *world, struct addr from, struct addr to, struct view bytes)
{
    /* SIP lives below port 10000 in this world, media above. */
    const struct link *link = to.port < 10000 ? &world->sip : &world->media;
    fly(world, link, from, to, bytes);
    if (rng_chance(&world->rng, link->repeat))
        fly(world, link, from, to, bytes);
}

static void deliver(struct world *world, const struct flight *flight)
{
    struct view bytes = view_of(flight->bytes, flight->len);
    if (flight->stream && srs_owns(world->srs, &flight->to)) {
        srs_receive_stream(world->srs, flight->from, flight->to, bytes);
        return;
    }
    if (srs_owns(world->srs, &flight->to)) {
        srs_receive(world->srs, flight->from, flight->to, bytes);
        return;
    }
    for (unsigned i = 0; i < world->src_count; i++) {
        if (src_owns(world->srcs[i], &flight->to)) {
            src_receive(world->srcs[i], flight->from, flight->to, bytes);
            return;
        }
    }
}

static struct tick next_event(const struct world *world)
{
    struct tick next = srs_deadline(world->srs);
    if (world->flight_count)
        next = tick_min(next, world->flights[0]->at);
    for (unsigned i = 0; i < world->src_count; i++)
        next = tick_min(next, src_deadline(world->srcs[i]));
    return next;
}

static void step(struct world *world)
{
    while (world->flight_count && tick_due(world->flights[0]->at, world->now)) {
        struct flight *flight = flight_pop(world);
        deliver(world, flight);
        free(flight);
    }
    for (unsigned i = 0; i < world->src_count; i++) {
        if (tick_due(src_deadline(world->srcs[i]), world->now))
            src_expire(world->srcs[i]);
    }
    if (tick_due(srs_deadline(world->srs), world->now))
        srs_expire(world->srs);
}

static bool never(void *context)
{
    return false;
}

void world_run(struct world *world, int64_t ms)
{
    (void)world_until(world, ms, never, NULL);
}

bool world_until(struct world *world, int64_t ms, bool (*done)(void *context), void *context)
{
    struct tick end = tick_add_ms(world->now, ms);
    for (;;) {
        if (done(context))
            return true;
        struct tick next = next_event(world);
        if (tick_before(end, next)) {
            world->now = end;
            return done(context);
        }
        /* An event may be overdue, never early: time does not run backwards. */
        if (tick_before(world->now, next))
            world->now = next;
        step(world);
    }
}
