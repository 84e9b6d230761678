/* finder: our discovery at a host of the simulated network: its sockets, and the loop that plays it.
 * Not here: servers (stunhost.h), what is expected.
 * RFC 5780 §4. */
#ifndef NATSIM_FINDER_H
#define NATSIM_FINDER_H

#include "nat/discovery.h"
#include "nat/profile.h"
#include "natsim/natsim.h"
#include "tap.h"

#include <assert.h>

struct finder {
    struct natsim *sim;
    size_t host; /* the owner's */
    struct discovery_options options;
    struct discovery *discovery; /* NULL: not started */
    int events[DISCOVERY_SILENT + 1];
    uint64_t packets;
    struct tick known; /* when the behaviour was */
};

/* What happens over a relay is the owner's. */
struct finder_relay {
    void (*send)(const struct discovery_packet *packet);
    void (*give)(void); /* one is wanted */
};

/* Before it starts: its sockets are the host's at address, from its port on; the servers are set by the
 * owner. */
static inline void finder_init(struct finder *f, struct natsim *sim, struct addr address)
{
    f->sim = sim;
    for (int i = 0; i < DISCOVERY_SOCKETS; i++)
        f->options.local[i] = addr_with_port(address, (uint16_t)(address.port + 10 * i));
    rng_bytes(&sim->rng, f->options.seed, sizeof f->options.seed);
}

static inline void finder_start(struct finder *f)
{
    f->discovery = discovery_create(&f->options);
    assert(f->discovery);
    nat_discover_mapping(f->discovery, f->sim->now);
}

static inline void finder_finish(struct finder *f)
{
    discovery_destroy(f->discovery);
    f->discovery = NULL;
}

/* A datagram that came to the host. False: to none of its sockets. */
static inline bool finder_take(struct finder *f, const struct natsim_packet *packet)
{
    for (int i = 0; i < DISCOVERY_SOCKETS && f->discovery; i++) {
        if (f->options.local[i].port != packet->to.port)
            continue;
        (void)discovery_input(f->discovery, f->sim->now, (enum discovery_socket)i, &packet->from,
                              packet->bytes);
        return true;
    }
    return false;
}

static inline void finder_send(struct finder *f, const struct finder_relay *relay)
{
    struct discovery_packet out;
    discovery_expire(f->discovery, f->sim->now);
    while (discovery_output(f->discovery, f->sim->now, &out)) {
        f->packets++;
        if (out.socket == DISCOVERY_OVER_RELAY)
            relay->send(&out);
        else
            (void)natsim_send(f->sim, f->host, f->options.local[out.socket], out.to, out.bytes);
    }
}

/* What is due, and what came of it into the profile. Nothing before it starts. */
static inline void finder_turn(struct finder *f, struct nat_profile *profile)
{
    enum discovery_event_kind e;
    if (!f->discovery)
        return;
    finder_send(f, NULL);
    struct discovery_result result = discovery_result(f->discovery);
    while (discovery_event(f->discovery, &e)) {
        if (e == DISCOVERY_SILENT)
            profile_tell_silence(profile, f->sim->now);
        else if (e == DISCOVERY_BEHAVIOUR)
            profile_tell_behaviour(profile, f->sim->now, &result);
    }
}

static inline bool finder_is_done(const struct finder *f)
{
    return !f->discovery || discovery_result(f->discovery).is_done;
}

static inline struct tick finder_deadline(const struct finder *f)
{
    return f->discovery ? discovery_deadline(f->discovery) : TICK_NEVER;
}

/* Until it is done, or hours are over. The clock jumps. relay: NULL: there is none. */
static inline struct discovery_result finder_run(struct finder *f, int64_t hours,
                                                 const struct finder_relay *relay)
{
    struct tick end = tick_add_ms(f->sim->now, hours * 3600 * 1000);
    enum discovery_event_kind e;
    for (int rounds = 0; tick_before(f->sim->now, end) && CHECK(rounds < 100000); rounds++) {
        bool wants = false;
        finder_send(f, relay);
        while (discovery_event(f->discovery, &e)) {
            f->events[e]++;
            wants |= e == DISCOVERY_WANTS_RELAY;
            if (e == DISCOVERY_BEHAVIOUR)
                f->known = f->sim->now;
        }
        if (wants && relay) {
            relay->give();
            continue;
        }
        if (discovery_result(f->discovery).is_done)
            break;
        struct tick next = tick_min(natsim_next(f->sim), discovery_deadline(f->discovery));
        if (!CHECK(!tick_is_never(next)))
            break;
        natsim_run(f->sim, next);
    }
    return discovery_result(f->discovery);
}

#endif
