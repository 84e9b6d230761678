/* vantage: the tests of discovery with a relayed address of ours as the other end, where no STUN server has two addresses.
 * Not here: the relay (its owner has it), the order of everything else (discovery.c).
 * RFC 5780 §4.3, §4.4 in what they ask; RFC 8656 §11 for how it is done. */
#include "nat/probes.h"

#define DISCARD_PORT 9 /* nobody has to be there */

/* R: the relay. A: the server that answered the race. F, X, Y: our sockets. The relay's server may be A itself: then R
 * is not somebody who was never addressed, and a filter by address cannot be told from none. */
bool vantage_is_same_host(const struct discovery *d)
{
    return addr_equal_ip(&d->relay, &d->probes[d->primary].to);
}

void discovery_relay(struct discovery *d, struct tick now, const struct addr *relayed)
{
    const struct addr server = d->probes[d->primary].to;
    if (d->round != ROUND_RELAY_WANTED)
        return;
    d->wait = TICK_NEVER;
    if (!relayed || relayed->family != server.family) {
        discovery_finish(d, now);
        return;
    }
    d->relay = *relayed;
    d->round = ROUND_RELAY_CONTROL;
    probe_start(d, now, PROBE_RELAY_ASK,
                (struct probe){.socket = DISCOVERY_PROBE_SOCKET, .to = server, .from = server});
    probe_start(d, now, PROBE_RELAY_FIRST,
                (struct probe){.socket = DISCOVERY_FILTERING_SOCKET, .to = server, .from = server});
    probe_start(d, now, PROBE_RELAY_SEEN,
                (struct probe){.socket = DISCOVERY_PROBE_SOCKET, .to = d->relay, .to_relay = true});
}

void discovery_lost_relay(struct discovery *d, struct tick now)
{
    if (d->round == ROUND_RELAY_WANTED || !addr_is_set(&d->relay)) {
        discovery_relay(d, now, NULL);
        return;
    }
    /* Silence from now on would be the relay's, not the NAT's. */
    bool is_known = d->round > ROUND_RELAY_EXACT;
    d->result.by_relay = d->result.by_relay && is_known;
    d->wait = TICK_NEVER;
    for (size_t i = 0; i < PROBES; i++) {
        if (d->probes[i].state == PROBE_OPEN)
            d->probes[i].state = PROBE_UNUSED;
    }
    if (d->round == ROUND_DONE)
        return;
    d->round = ROUND_DONE;
    d->result.is_done = true;
    if (is_known)
        discovery_tell(d, DISCOVERY_LIFETIME);
    else
        discovery_finish(d, now);
}

static void from_relay(struct discovery *d, struct tick now, enum probe_name name,
                       enum discovery_socket to, const struct addr *mapped)
{
    probe_start(d, now, name, (struct probe){.arrives = to, .to = *mapped, .from_relay = true});
}

/* From R to F's mapping, after F has addressed `opened` (NULL: nobody new). */
static void start_filter(struct discovery *d, struct tick now, enum round round,
                         enum probe_name name, enum probe_name opening, const struct addr *opened)
{
    d->round = round;
    if (opened)
        probe_start(d, now, opening,
                    (struct probe){.socket = DISCOVERY_FILTERING_SOCKET,
                                   .to = *opened,
                                   .to_relay = opening == PROBE_RELAY_OPEN,
                                   .is_touch = true});
    from_relay(d, now, name, DISCOVERY_FILTERING_SOCKET, probe_mapped(d, PROBE_RELAY_FIRST));
}

static void touch_over(struct discovery *d, enum probe_name name)
{
    if (d->probes[name].state == PROBE_OPEN)
        d->probes[name].state = PROBE_SILENT;
}

void vantage_round_over(struct discovery *d, struct tick now)
{
    const struct addr other_port = addr_with_port(d->relay, DISCARD_PORT);
    switch (d->round) {
    case ROUND_RELAY_CONTROL:
        if (!probe_mapped(d, PROBE_RELAY_SEEN)) {
            discovery_finish(d, now);
            return;
        }
        d->round = ROUND_RELAY_BACK;
        from_relay(d, now, PROBE_RELAY_BACK, DISCOVERY_PROBE_SOCKET,
                   probe_mapped(d, PROBE_RELAY_SEEN));
        return;
    case ROUND_RELAY_BACK:
        d->result.by_relay = d->probes[PROBE_RELAY_BACK].state == PROBE_ANSWERED;
        if (d->result.by_relay && probe_mapped(d, PROBE_RELAY_FIRST))
            start_filter(d, now, ROUND_RELAY_NONE, PROBE_RELAY_NONE, PROBE_RELAY_TOUCH, NULL);
        else
            discovery_finish(d, now);
        return;
    case ROUND_RELAY_NONE:
        if (d->probes[PROBE_RELAY_NONE].state == PROBE_ANSWERED)
            discovery_finish(d, now);
        else
            start_filter(d, now, ROUND_RELAY_IP, PROBE_RELAY_IP, PROBE_RELAY_TOUCH, &other_port);
        return;
    case ROUND_RELAY_IP:
        touch_over(d, PROBE_RELAY_TOUCH);
        if (d->probes[PROBE_RELAY_IP].state == PROBE_ANSWERED)
            discovery_finish(d, now);
        else
            start_filter(d, now, ROUND_RELAY_EXACT, PROBE_RELAY_EXACT, PROBE_RELAY_OPEN, &d->relay);
        return;
    default:
        touch_over(d, PROBE_RELAY_OPEN);
        discovery_finish(d, now);
        return;
    }
}

/* Y as A and as R see it. */
static void judge_mapping(const struct discovery *d, struct nat_behaviour *b)
{
    const struct addr *by_server = probe_mapped(d, PROBE_RELAY_ASK),
                      *by_relay = probe_mapped(d, PROBE_RELAY_SEEN);
    if (!by_server || !by_relay || b->mapping != NAT_MAPPING_UNKNOWN)
        return;
    if (!addr_equal(by_server, by_relay))
        b->mapping = vantage_is_same_host(d) ? NAT_MAPPING_ADDRESS_PORT : NAT_MAPPING_DEPENDENT;
    else if (!vantage_is_same_host(d))
        b->mapping = NAT_MAPPING_INDEPENDENT;
}

void vantage_judge(const struct discovery *d, struct nat_behaviour *b)
{
    const struct addr *first = probe_mapped(d, PROBE_RELAY_FIRST);
    const struct addr *later = probe_mapped(d, PROBE_RELAY_OPEN);
    judge_mapping(d, b);
    bool depends = nat_mapping_is_dependent(b->mapping);
    b->scope = NAT_SCOPE_UNKNOWN;
    if (!first)
        return;
    if (d->probes[PROBE_RELAY_NONE].state == PROBE_ANSWERED) {
        b->filtering = vantage_is_same_host(d) ? NAT_FILTERING_ADDRESS : NAT_FILTERING_INDEPENDENT;
        return;
    }
    b->filtering = d->probes[PROBE_RELAY_IP].state == PROBE_ANSWERED ? NAT_FILTERING_ADDRESS
                                                                     : NAT_FILTERING_ADDRESS_PORT;
    bool is_open = b->filtering == NAT_FILTERING_ADDRESS ||
                   d->probes[PROBE_RELAY_EXACT].state == PROBE_ANSWERED;
    if (depends)
        b->scope = is_open ? NAT_SCOPE_ENDPOINT : NAT_SCOPE_MAPPING;
    b->clashes = !depends && later && !addr_equal(first, later);
}
