/* natsim: datagrams on their way through NATs.
 * Not here: the NATs themselves.
 * RFC 4787 §6 for hairpins. */
#include "natsim/natsim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct natsim_flight {
    struct natsim_flight *next;
    struct tick due;
    size_t realm; /* where it was sent */
    struct addr from, to;
    size_t len;
    uint8_t bytes[];
};

void natsim_init(struct natsim *sim, uint64_t seed)
{
    *sim = (struct natsim){.now = {NS_PER_S}, .realm_count = 1};
    sim->link.delay_us = 10000;
    rng_init_number(&sim->rng, seed);
}

void natsim_finish(struct natsim *sim)
{
    for (struct natsim_flight *f = sim->flights; f;) {
        struct natsim_flight *next = f->next;
        free(f);
        f = next;
    }
    sim->flights = NULL;
    for (size_t i = 1; i < sim->realm_count; i++)
        natbox_finish(&sim->boxes[i]);
}

size_t natsim_realm(struct natsim *sim, size_t outside, const struct natbox_options *options)
{
    assert(sim->realm_count < NATSIM_REALMS && outside < sim->realm_count);
    size_t realm = sim->realm_count++;
    natbox_init(&sim->boxes[realm], options, rng_u64(&sim->rng));
    sim->outside[realm] = outside;
    return realm;
}

size_t natsim_host(struct natsim *sim, size_t realm, struct addr address, natsim_receive *receive,
                   void *context)
{
    assert(sim->host_count < NATSIM_HOSTS && realm < sim->realm_count);
    sim->hosts[sim->host_count] =
        (struct natsim_host){addr_with_port(address, 0), realm, receive, context};
    return sim->host_count++;
}

void natsim_send(struct natsim *sim, size_t host, struct addr from, struct addr to,
                 struct view bytes)
{
    int copies = 1;
    assert(bytes.len <= NATSIM_DATAGRAM && addr_equal_ip(&from, &sim->hosts[host].address));
    sim->sent++;
    if (sim->link.loss > 0 && rng_chance(&sim->rng, sim->link.loss))
        copies = 0;
    else if (sim->link.repeat > 0 && rng_chance(&sim->rng, sim->link.repeat))
        copies = 2;
    sim->dropped += copies == 0;
    while (copies-- > 0) {
        struct natsim_flight *f = malloc(sizeof *f + bytes.len);
        assert(f);
        int64_t us = sim->link.delay_us;
        if (sim->link.jitter_us > 0)
            us += rng_below(&sim->rng, (uint32_t)sim->link.jitter_us);
        *f = (struct natsim_flight){.due = tick_add_ns(sim->now, us * NS_PER_US),
                                    .realm = sim->hosts[host].realm,
                                    .from = from,
                                    .to = to,
                                    .len = bytes.len};
        memcpy(f->bytes, bytes.at, bytes.len);
        struct natsim_flight **at = &sim->flights;
        while (*at && !tick_before(f->due, (*at)->due))
            at = &(*at)->next;
        f->next = *at;
        *at = f;
    }
}

static struct natsim_host *host_at(struct natsim *sim, size_t realm, const struct addr *to)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        if (sim->hosts[i].realm == realm && addr_equal_ip(&sim->hosts[i].address, to))
            return &sim->hosts[i];
    }
    return NULL;
}

/* The box that stands in this realm with this outside address; 0: none.
 * A firewall is in front of its hosts. */
static size_t box_at(struct natsim *sim, size_t realm, const struct addr *to)
{
    for (size_t i = 1; i < sim->realm_count; i++) {
        if (sim->outside[i] != realm)
            continue;
        if (natbox_owns(&sim->boxes[i], to) ||
            (sim->boxes[i].options.firewall && host_at(sim, i, to)))
            return i;
    }
    return 0;
}

/* §6: from inside to the box's own outside address. *from becomes what the inside host sees. */
static bool hairpin(struct natbox *box, struct tick now, struct addr *from, struct addr *to)
{
    struct addr internal = *from, external = *from;
    if (box->options.hairpin == NATBOX_NO_HAIRPIN || !natbox_out(box, now, &external, to) ||
        !natbox_in(box, now, &external, to))
        return false;
    *from = box->options.hairpin == NATBOX_INTERNAL_SOURCE ? internal : external;
    return true;
}

/* Follows a datagram through the boxes to the host that gets it; NULL: dropped. */
static struct natsim_host *route(struct natsim *sim, size_t realm, struct addr *from,
                                 struct addr *to)
{
    for (int hops = 0; hops < 2 * NATSIM_REALMS; hops++) {
        struct natsim_host *host = host_at(sim, realm, to);
        size_t inner = host ? 0 : box_at(sim, realm, to);
        if (host)
            return host;
        if (inner) {
            if (!natbox_in(&sim->boxes[inner], sim->now, from, to))
                return NULL;
            realm = inner;
            continue;
        }
        if (realm == 0)
            return NULL;
        struct natbox *box = &sim->boxes[realm];
        if (natbox_owns(box, to)) {
            if (!hairpin(box, sim->now, from, to))
                return NULL;
            continue;
        }
        if (!natbox_out(box, sim->now, from, to))
            return NULL;
        realm = sim->outside[realm];
    }
    return NULL;
}

struct tick natsim_next(const struct natsim *sim)
{
    return sim->flights ? sim->flights->due : TICK_NEVER;
}

void natsim_run(struct natsim *sim, struct tick until)
{
    while (sim->flights && tick_due(sim->flights->due, until)) {
        struct natsim_flight *f = sim->flights;
        sim->flights = f->next;
        if (tick_before(sim->now, f->due))
            sim->now = f->due;
        struct natsim_packet packet = {
            .from = f->from, .to = f->to, .bytes = view_of(f->bytes, f->len)};
        struct natsim_host *host = route(sim, f->realm, &packet.from, &packet.to);
        if (host) {
            sim->arrived++;
            host->receive(sim, host->context, &packet);
        } else {
            sim->dropped++;
        }
        free(f);
    }
    if (tick_before(sim->now, until))
        sim->now = until;
}
