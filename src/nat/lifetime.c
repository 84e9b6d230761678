/* lifetime: how long a mapping lives without traffic, and whether what comes in keeps it alive.
 * Not here: the other tests and all datagrams (discovery.c).
 * RFC 5780 §4.6: socket X holds a mapping, socket Y has the server answer to it after T. */
#include "nat/probes.h"

#define LEAST_S 15
#define MOST_S  600
#define FINE_S  5 /* the search ends when it is known this well */
#define RETRIES 2

static void hold(struct discovery *d, struct tick now, enum lifetime_goal goal, int32_t wait_s)
{
    d->goal = goal;
    d->wait_s = wait_s;
    d->round = ROUND_HOLD;
    d->probes[PROBE_HOLD_BACK].state = PROBE_UNUSED;
    probe_start(d, now, PROBE_HOLD,
                (struct probe){.socket = DISCOVERY_HELD_SOCKET,
                               .to = d->result.by_relay ? d->relay : d->server,
                               .from = d->server,
                               .to_relay = d->result.by_relay});
}

/* Two-stage timers: what was never answered is forgotten sooner. A server answers by itself. */
static bool answer_hold(struct discovery *d, struct tick now)
{
    if (!d->result.by_relay || d->probes[PROBE_HOLD_BACK].state != PROBE_UNUSED)
        return false;
    probe_start(d, now, PROBE_HOLD_BACK,
                (struct probe){.arrives = DISCOVERY_HELD_SOCKET,
                               .to = d->probes[PROBE_HOLD].mapped,
                               .from_relay = true});
    return true;
}

void lifetime_start(struct discovery *d, struct tick now)
{
    hold(d, now, LIFETIME_WORKS, 0);
}

static void ask(struct discovery *d, struct tick now)
{
    d->round = ROUND_ALIVE;
    if (d->result.by_relay) {
        probe_start(d, now, PROBE_ALIVE,
                    (struct probe){.arrives = DISCOVERY_HELD_SOCKET,
                                   .to = d->probes[PROBE_HOLD].mapped,
                                   .from_relay = true});
        return;
    }
    probe_start(d, now, PROBE_ALIVE,
                (struct probe){.socket = DISCOVERY_PROBE_SOCKET,
                               .arrives = DISCOVERY_HELD_SOCKET,
                               .to = d->server,
                               .from = d->server,
                               .response_port = d->probes[PROBE_HOLD].mapped.port});
}

void lifetime_wait_over(struct discovery *d, struct tick now)
{
    ask(d, now);
}

static void finish(struct discovery *d)
{
    d->round = ROUND_DONE;
    d->result.is_done = true;
    discovery_tell(d, DISCOVERY_LIFETIME);
}

/* Short and long first: most NATs are told by the two, and 15 s is what the punches rely on. */
static void search(struct discovery *d, struct tick now)
{
    struct nat_behaviour *b = &d->result.behaviour;
    if (d->alive_s == 0 && d->gone_s == 0)
        hold(d, now, LIFETIME_SEARCH, LEAST_S);
    else if (d->gone_s == 0 && d->alive_s < MOST_S)
        hold(d, now, LIFETIME_SEARCH, MOST_S);
    else if (d->alive_s > 0 && d->gone_s > d->alive_s + FINE_S)
        hold(d, now, LIFETIME_SEARCH, (d->alive_s + d->gone_s) / 2);
    else {
        b->lifetime_s = (uint16_t)d->alive_s;
        b->lifetime_most_s = (uint16_t)d->gone_s;
        if (d->alive_s == 0 || d->gone_s == 0)
            finish(d);
        else
            hold(d, now, LIFETIME_INBOUND, d->alive_s * 7 / 10);
    }
}

static void take_alive(struct discovery *d, struct tick now, bool alive)
{
    struct nat_behaviour *b = &d->result.behaviour;
    switch (d->goal) {
    case LIFETIME_WORKS:
        if (alive)
            search(d, now);
        else
            finish(d); /* the server, or pooling: Y's address is not X's */
        return;
    case LIFETIME_SEARCH:
        if (alive)
            d->alive_s = d->wait_s;
        else
            d->gone_s = d->wait_s;
        search(d, now);
        return;
    case LIFETIME_INBOUND:
        if (!alive) { /* shorter than a while ago: §4.6 warns of such; the shortest counts */
            b->lifetime_most_s = (uint16_t)d->wait_s;
            b->lifetime_s = b->lifetime_s < b->lifetime_most_s ? b->lifetime_s : LEAST_S;
            finish(d);
            return;
        }
        /* 0.7 and 0.7 of what it lived make more than it lived: and X is not heard in between. */
        d->goal = LIFETIME_BEYOND;
        d->round = ROUND_HOLD;
        d->wait = tick_add_ms(now, d->wait_s * 1000);
        return;
    case LIFETIME_BEYOND:
        b->refresh = alive ? NAT_REFRESH_BOTH : NAT_REFRESH_OUTBOUND;
        finish(d);
        return;
    }
}

void lifetime_round_over(struct discovery *d, struct tick now)
{
    if (d->round == ROUND_ALIVE) {
        enum probe_state state = d->probes[PROBE_ALIVE].state;
        d->retries = 0;
        if (state == PROBE_REFUSED)
            finish(d);
        else
            take_alive(d, now, state == PROBE_ANSWERED);
    } else if (d->probes[PROBE_HOLD].state != PROBE_ANSWERED) {
        if (d->retries++ < RETRIES)
            hold(d, now, d->goal, d->wait_s);
        else
            finish(d); /* the server is gone: what is known stays */
    } else if (answer_hold(d, now)) {
        return;
    } else if (d->wait_s == 0) {
        ask(d, now);
    } else {
        d->wait = tick_add_ms(now, d->wait_s * 1000);
    }
}
