/* bench_ice: bytes of an ICE agent with ten candidates on each side, its heap included, and the
 * time in which 10,000 pairs of agents connect over a simulated wire. Use: bench_ice [PAIRS].
 * Not here: NATs (tests/sim). RFC 8445. */
#include "ice/ice.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AGENTS   500
#define EACH     10
#define DELAY_MS 20
#define WIRE     64

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct ice *create(unsigned seed, enum ice_role role)
{
    struct ice_options options = {.role = role, .components = 1};
    memcpy(options.seed, &seed, sizeof seed);
    struct ice *ice = ice_create(&options);
    if (!ice)
        abort();
    return ice;
}

static struct addr address(unsigned side, unsigned i)
{
    return addr_v4(198, 51, (uint8_t)(100 + side), (uint8_t)(i + 1), 5000);
}

static void describe(struct ice *to, const struct ice *from, struct tick now)
{
    struct candidate c[ICE_LOCALS];
    size_t count = ice_local_candidates(from, c, ICE_LOCALS);
    if (!ice_set_remote(to, now, view_of_string(ice_ufrag(from)), view_of_string(ice_pwd(from)),
                        false))
        abort();
    for (size_t i = 0; i < count; i++)
        (void)ice_add_remote(to, now, &c[i]);
    ice_end_remote(to, now);
}

static void fill(struct ice *ice, unsigned side, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)ice_add_local(ice, (struct candidate){.component = 1, .address = address(side, i)},
                            (struct ice_base){i}, (uint16_t)(65535 - i));
}

static void measure_memory(void)
{
    static struct ice *agents[AGENTS];
    struct tick now = {NS_PER_S};
    struct ice_packet packet;
    struct ice *peer = create(1, ICE_CONTROLLED);
    size_t pairs = 0;
    fill(peer, 1, EACH);
    ice_destroy(create(2, ICE_CONTROLLED)); /* what OpenSSL allocates once for all is no agent's */
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < AGENTS; i++) {
        agents[i] = create(3 + i, ICE_CONTROLLING);
        fill(agents[i], 0, EACH);
        describe(agents[i], peer, now);
        while (ice_output(agents[i], now, &packet))
            pairs = ice_status(agents[i]).pairs;
    }
    size_t after = mallinfo2().uordblks;
    printf("ice.agent_10x10           %7zu bytes  (%zu pairs; at most 16384)\n",
           (after - before) / AGENTS, pairs);
    for (unsigned i = 0; i < AGENTS; i++)
        ice_destroy(agents[i]);
    ice_destroy(peer);
}

/* ---- two agents and the wire between them -------------------------------------------------- */

struct flight {
    struct tick at;
    unsigned to;
    struct ice_path via;
    size_t len;
    uint8_t bytes[ICE_PACKET_SIZE];
};
static struct flight wire[WIRE];
static size_t wire_count;
static uint64_t packets;

static void pull(struct ice **agents, struct tick now)
{
    struct ice_packet packet;
    struct ice_event event;
    for (unsigned who = 0; who < 2; who++) {
        ice_expire(agents[who], now);
        while (ice_output(agents[who], now, &packet)) {
            if (wire_count == WIRE)
                continue;
            struct flight *f = &wire[wire_count++];
            *f = (struct flight){.at = tick_add_ms(now, DELAY_MS), .to = !who};
            /* Bases are numbered as addresses are: the peer's last byte tells its base, our base
             * our address. */
            f->via = (struct ice_path){{packet.path.peer.ip[3] - 1u},
                                       address(who, packet.path.base.number)};
            f->len = packet.bytes.len;
            memcpy(f->bytes, packet.bytes.at, f->len);
            packets++;
        }
        while (ice_event(agents[who], &event))
            ;
    }
}

/* Milliseconds of simulated time until both have completed; -1: they did not. */
static int64_t connect_pair(unsigned seed, unsigned candidates)
{
    struct tick now = {NS_PER_S};
    struct ice *agents[2] = {create(2 * seed, ICE_CONTROLLING),
                             create(2 * seed + 1, ICE_CONTROLLED)};
    int64_t took_ms = -1;
    wire_count = 0;
    for (unsigned side = 0; side < 2; side++)
        fill(agents[side], side, candidates);
    describe(agents[1], agents[0], now);
    describe(agents[0], agents[1], now);
    while (tick_diff_ms(now, (struct tick){NS_PER_S}) < 10000) {
        pull(agents, now);
        if (ice_status(agents[0]).state == ICE_STATE_COMPLETED &&
            ice_status(agents[1]).state == ICE_STATE_COMPLETED) {
            took_ms = tick_diff_ms(now, (struct tick){NS_PER_S});
            break;
        }
        struct tick next = tick_min(ice_deadline(agents[0]), ice_deadline(agents[1]));
        size_t first = WIRE;
        for (size_t i = 0; i < wire_count; i++) {
            if (!tick_before(next, wire[i].at)) {
                next = wire[i].at;
                first = i;
            }
        }
        now = tick_before(now, next) ? next : now;
        if (first == WIRE)
            continue;
        struct flight f = wire[first];
        wire[first] = wire[--wire_count];
        (void)ice_input(agents[f.to], now, &f.via, view_of(f.bytes, f.len));
    }
    ice_destroy(agents[0]);
    ice_destroy(agents[1]);
    return took_ms;
}

static void measure_connecting(unsigned pairs, unsigned candidates)
{
    int64_t sum_ms = 0;
    unsigned failed = 0;
    packets = 0;
    double start = now_ns();
    for (unsigned i = 0; i < pairs; i++) {
        int64_t took_ms = connect_pair(i + 1, candidates);
        failed += took_ms < 0;
        sum_ms += took_ms;
    }
    double took = now_ns() - start;
    printf("ice.connect_%02ux%02u         %7.2f s for %u pairs: %.0f us a pair, %.1f packets; %.0f "
           "ms of "
           "simulated time; %u failed\n",
           candidates, candidates, took / 1e9, pairs, took / 1e3 / pairs, (double)packets / pairs,
           (double)sum_ms / pairs, failed);
}

int main(int argc, char **argv)
{
    unsigned pairs = argc > 1 ? (unsigned)atoi(argv[1]) : 10000;
    measure_memory();
    measure_connecting(pairs, 1);
    measure_connecting(pairs / 10, EACH);
    return 0;
}
