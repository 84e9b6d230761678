/* natsim: datagrams on their way through NATs.
 * Not here: the NATs themselves, connections (streams.c).
 * RFC 4787 §6 for hairpins. */
#include "natsim/flight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { REORDER_US = 30000 };

void natsim_init(struct natsim *sim, uint64_t seed)
{
    *sim = (struct natsim){.now = {NS_PER_S}, .realm_count = 1, .seed = seed};
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
    free(sim->streams);
    sim->streams = NULL;
    for (size_t i = 1; i < sim->realm_count; i++) {
        natbox_finish(&sim->boxes[i]);
        natbox_finish(&sim->tcp_boxes[i]);
    }
}

size_t natsim_realm(struct natsim *sim, size_t outside, const struct natbox_options *options)
{
    assert(sim->realm_count < NATSIM_REALMS && outside < sim->realm_count);
    size_t realm = sim->realm_count++;
    struct natbox_options tcp = *options;
    uint64_t seed = rng_u64(&sim->rng);
    tcp.protocol = NATBOX_TCP;
    tcp.initial_ms = 4 * 60 * 1000; /* RFC 5382 REQ-5 */
    tcp.established_ms = 124 * 60 * 1000;
    natbox_init(&sim->boxes[realm], options, seed);
    natbox_init(&sim->tcp_boxes[realm], &tcp, seed + 1);
    sim->outside[realm] = outside;
    return realm;
}

void natsim_reboot(struct natsim *sim, size_t realm)
{
    natbox_reboot(&sim->boxes[realm]);
    natbox_reboot(&sim->tcp_boxes[realm]);
}

void natsim_renumber(struct natsim *sim, size_t realm, struct addr external)
{
    sim->boxes[realm].options.external = sim->tcp_boxes[realm].options.external = external;
    natsim_reboot(sim, realm);
}

size_t natsim_host(struct natsim *sim, size_t realm, struct addr address, natsim_receive *receive,
                   void *context)
{
    assert(sim->host_count < NATSIM_HOSTS && realm < sim->realm_count);
    size_t host = sim->host_count++;
    sim->hosts[host] = (struct natsim_host){.receive = receive, .context = context};
    (void)natsim_interface(sim, host, realm, address);
    return host;
}

struct natsim_interface *natsim_interface(struct natsim *sim, size_t host, size_t realm,
                                          struct addr address)
{
    size_t at = 0;
    while (at < sim->interface_count && addr_is_set(&sim->interfaces[at].address))
        at++;
    assert(at < NATSIM_INTERFACES);
    sim->interface_count += at == sim->interface_count;
    sim->interfaces[at] = (struct natsim_interface){
        .host = host, .realm = realm, .address = addr_with_port(address, 0)};
    return &sim->interfaces[at];
}

struct natsim_interface *natsim_interface_find(struct natsim *sim, size_t host,
                                               const struct addr *address)
{
    for (size_t i = 0; i < sim->interface_count; i++) {
        if (sim->interfaces[i].host == host && addr_equal_ip(&sim->interfaces[i].address, address))
            return &sim->interfaces[i];
    }
    return NULL;
}

void natsim_interface_remove(struct natsim *sim, size_t host, const struct addr *address)
{
    struct natsim_interface *i = natsim_interface_find(sim, host, address);
    if (i)
        *i = (struct natsim_interface){0};
}

void flight_queue(struct natsim *sim, struct natsim_flight *f)
{
    struct natsim_flight **at = &sim->flights;
    while (*at && !tick_before(f->due, (*at)->due))
        at = &(*at)->next;
    f->next = *at;
    *at = f;
}

struct natsim_flight *flight_make(const struct natsim_interface *i, struct addr from,
                                  struct addr to, struct view bytes)
{
    struct natsim_flight *f = malloc(sizeof *f + bytes.len);
    assert(f);
    *f = (struct natsim_flight){.realm = i->realm,
                                .from = from,
                                .to = to,
                                .sender = i->host,
                                .sent_from = from,
                                .sent_to = to,
                                .len = bytes.len};
    if (bytes.len > 0)
        memcpy(f->bytes, bytes.at, bytes.len);
    return f;
}

int64_t flight_delay(struct natsim *sim, const struct natsim_link *link)
{
    int64_t us = link->delay_us;
    if (link->jitter_us > 0)
        us += rng_below(&sim->rng, (uint32_t)link->jitter_us);
    if (link->reorder > 0 && rng_chance(&sim->rng, link->reorder))
        us += REORDER_US;
    return us;
}

/* How many of it come out at the other end. */
static int copies(struct natsim *sim, const struct natsim_link *link, size_t len)
{
    if (link->down || (link->mtu > 0 && len > link->mtu) ||
        (link->loss > 0 && rng_chance(&sim->rng, link->loss)))
        return 0;
    return link->repeat > 0 && rng_chance(&sim->rng, link->repeat) ? 2 : 1;
}

bool natsim_send_late(struct natsim *sim, size_t host, struct addr from, struct addr to,
                      struct view bytes, int64_t late_us)
{
    struct natsim_interface *i = natsim_interface_find(sim, host, &from);
    assert(bytes.len <= NATSIM_DATAGRAM);
    if (!i)
        return false;
    sim->sent++;
    int own = copies(sim, &i->link, bytes.len);
    int count = own ? own * copies(sim, &sim->link, bytes.len) : 0;
    sim->dropped += count == 0;
    while (count-- > 0) {
        struct natsim_flight *f = flight_make(i, from, to, bytes);
        int64_t us = flight_delay(sim, &i->link) + flight_delay(sim, &sim->link) + late_us;
        f->due = tick_add_ns(sim->now, us * NS_PER_US);
        flight_queue(sim, f);
    }
    return true;
}

bool natsim_send(struct natsim *sim, size_t host, struct addr from, struct addr to,
                 struct view bytes)
{
    return natsim_send_late(sim, host, from, to, bytes, 0);
}

bool natsim_send_near(struct natsim *sim, size_t host, struct addr from, struct addr to,
                      unsigned hops)
{
    struct natsim_interface *i = natsim_interface_find(sim, host, &from);
    if (!i)
        return false;
    size_t realm = i->realm;
    for (; hops > 1 && realm != 0; hops--, realm = sim->outside[realm]) {
        if (natbox_owns(&sim->boxes[realm], &to) ||
            !natbox_out(&sim->boxes[realm], sim->now, &from, &to))
            break;
    }
    return true;
}

static struct natsim_interface *interface_at(struct natsim *sim, size_t realm,
                                             const struct addr *to)
{
    for (size_t i = 0; i < sim->interface_count; i++) {
        if (sim->interfaces[i].realm == realm && addr_equal_ip(&sim->interfaces[i].address, to))
            return &sim->interfaces[i];
    }
    return NULL;
}

/* Is the address somewhere behind a firewall, at whatever depth? */
static bool is_inside(struct natsim *sim, size_t realm, const struct addr *to)
{
    if (interface_at(sim, realm, to))
        return true;
    for (size_t i = realm + 1; i < sim->realm_count; i++) {
        if (sim->outside[i] == realm && (natbox_owns(&sim->boxes[i], to) ||
                                         (sim->boxes[i].options.firewall && is_inside(sim, i, to))))
            return true;
    }
    return false;
}

/* The box that stands in this realm with this outside address; 0: none.
 * A firewall is in front of its hosts. */
static size_t box_at(struct natsim *sim, size_t realm, const struct addr *to)
{
    for (size_t i = 1; i < sim->realm_count; i++) {
        if (sim->outside[i] != realm)
            continue;
        if (natbox_owns(&sim->boxes[i], to) ||
            (sim->boxes[i].options.firewall && is_inside(sim, i, to)))
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

struct natsim_interface *flight_route(struct natsim *sim, size_t realm,
                                      enum natbox_protocol protocol, struct addr *from,
                                      struct addr *to)
{
    struct natbox *boxes = protocol == NATBOX_UDP ? sim->boxes : sim->tcp_boxes;
    for (int hops = 0; hops < 2 * NATSIM_REALMS; hops++) {
        struct natsim_interface *found = interface_at(sim, realm, to);
        size_t inner = found ? 0 : box_at(sim, realm, to);
        if (found)
            return found;
        if (inner) {
            if (!natbox_in(&boxes[inner], sim->now, from, to))
                return NULL;
            realm = inner;
            continue;
        }
        if (realm == 0)
            return NULL;
        struct natbox *box = &boxes[realm];
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

static void hand_over(struct natsim *sim, const struct natsim_interface *i,
                      const struct natsim_flight *f)
{
    struct natsim_packet packet = {
        .from = f->from, .to = f->to, .bytes = view_of(f->bytes, f->len)};
    struct natsim_host *host = &sim->hosts[i->host];
    sim->arrived++;
    sim->handed = f;
    host->receive(sim, host->context, &packet);
    sim->handed = NULL;
}

void natsim_refuse(struct natsim *sim)
{
    assert(sim->handed);
    const struct natsim_flight *f = sim->handed;
    struct natsim_interface *i = natsim_interface_find(sim, f->sender, &f->sent_from);
    if (!i || copies(sim, &sim->link, 0) == 0)
        return;
    struct natsim_flight *error = flight_make(i, f->sent_to, f->sent_from, VIEW_NONE);
    error->kind = FLIGHT_REFUSAL;
    error->due = tick_add_ns(sim->now, flight_delay(sim, &sim->link) * NS_PER_US);
    flight_queue(sim, error);
}

static void refusal_arrive(struct natsim *sim, struct natsim_flight *f)
{
    struct natsim_packet packet = {.from = f->from, .to = f->to, .kind = NATSIM_REFUSED};
    struct natsim_host *host = &sim->hosts[f->sender];
    if (host->hears_refusals && natsim_interface_find(sim, f->sender, &f->to))
        host->receive(sim, host->context, &packet);
    free(f);
}

/* At the edge of the last link: over it, at once where it has no delay. Takes f. */
static void datagram_arrive(struct natsim *sim, struct natsim_flight *f)
{
    struct natsim_interface *i = f->at ? &sim->interfaces[f->at - 1]
                                       : flight_route(sim, f->realm, NATBOX_UDP, &f->from, &f->to);
    if (!i || (f->at ? !addr_equal_ip(&i->address, &f->to) : !copies(sim, &i->link, f->len))) {
        sim->dropped++;
        free(f);
        return;
    }
    int64_t us = f->at ? 0 : flight_delay(sim, &i->link);
    if (us > 0) {
        f->at = (size_t)(i - sim->interfaces) + 1;
        f->due = tick_add_ns(sim->now, us * NS_PER_US);
        flight_queue(sim, f);
        return;
    }
    hand_over(sim, i, f);
    free(f);
}

void natsim_run(struct natsim *sim, struct tick until)
{
    while (sim->flights && tick_due(sim->flights->due, until)) {
        struct natsim_flight *f = sim->flights;
        sim->flights = f->next;
        if (tick_before(sim->now, f->due))
            sim->now = f->due;
        if (f->kind == FLIGHT_DATAGRAM)
            datagram_arrive(sim, f);
        else if (f->kind == FLIGHT_REFUSAL)
            refusal_arrive(sim, f);
        else
            stream_arrive(sim, f);
    }
    if (tick_before(sim->now, until))
        sim->now = until;
}
