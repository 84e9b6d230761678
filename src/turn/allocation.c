/* allocation: the state machine of a TURN client.
 * Not here: error policy (error.c), tables of peers (peers.c), framing (frame.c).
 * RFC 8656 §5-§12, RFC 8016. */
#include "turn/allocation.h"

#include "base/reader.h"
#include "turn/frame.h"
#include "turn/peers.h"

#include <stdlib.h>
#include <string.h>

#define PROTOCOL_UDP      17
#define LIFETIME_DEFAULT  600 /* §3.2 */
#define LIFETIME_LEAST_S  10  /* no server may give less than its default (§7.2) */
#define EVENTS            128 /* every peer permitted and bound at once, and what ends it, fit */
#define AUTH_TRIES        4 /* 401, then a stale nonce, then once more: beyond that it is a loop */
#define PEERS_PER_REQUEST 32

enum turn_state {
    TURN_IDLE,
    TURN_ALLOCATING,
    TURN_READY,
    TURN_MOVING,   /* RFC 8016: a Refresh with the ticket is under way */
    TURN_CLEARING, /* what stands on our 5-tuple is of no use: deleted before we say so */
    TURN_CLOSING,
    TURN_DONE,
};

enum turn_request_kind {
    TURN_REQUEST_FREE,
    TURN_REQUEST_ALLOCATE,
    TURN_REQUEST_REFRESH,
    TURN_REQUEST_MOVE,
    TURN_REQUEST_DELETE,
    TURN_REQUEST_PERMIT,
    TURN_REQUEST_BIND,
};

struct turn_request {
    enum turn_request_kind kind;
    struct stun_client client;
    struct tick sent_at;
    bool was_signed;
    bool forged; /* an answer with a bad integrity came */
    uint8_t tries;
    uint32_t challenges;  /* how many the credentials had met when it was built */
    uint32_t permissions; /* TURN_REQUEST_PERMIT: the set */
    uint16_t channel;     /* TURN_REQUEST_BIND: the number */
    size_t len;
    uint8_t bytes[TURN_REQUEST_SIZE];
};

struct turn_allocation {
    struct turn_options options; /* its views are not used after creation */
    bool wanted_v6;              /* and has not asked for it alone */
    enum turn_state state;
    struct stun_auth auth;
    struct rng rng;
    struct turn_peers peers;
    struct turn_request requests[TURN_REQUESTS];
    struct turn_status status;
    struct tick refresh_at, delivered_at; /* the latter: a datagram of a peer's */
    enum turn_action clear_action;        /* TURN_CLEARING: what to say when it is over */
    uint16_t clear_code;
    size_t ticket_len;
    uint8_t ticket[TURN_TICKET_MAX];
    struct turn_event events[EVENTS];
    size_t first_event, event_count;
};

/* ---- life ----------------------------------------------------------------------------------- */

struct turn_allocation *turn_create(const struct turn_options *options)
{
    struct turn_allocation *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->options = *options;
    t->options.even_port = options->even_port && !(options->want_v4 && options->want_v6);
    t->wanted_v6 = options->want_v4 && options->want_v6;
    t->refresh_at = t->delivered_at = TICK_NEVER;
    t->status.rtt_ms = -1;
    rng_init(&t->rng, options->seed);
    turn_peers_init(&t->peers, (uint16_t)rng_u32(&t->rng));
    if (stun_auth_init(&t->auth, options->username, options->password))
        return t;
    turn_destroy(t);
    return NULL;
}

void turn_destroy(struct turn_allocation *t)
{
    if (!t)
        return;
    stun_auth_finish(&t->auth);
    free(t);
}

static void tell(struct turn_allocation *t, struct turn_event event)
{
    if (t->event_count == EVENTS)
        return; /* the owner does not listen: what it needs most, the end, it sees in the status */
    t->events[(t->first_event + t->event_count++) % EVENTS] = event;
}

bool turn_event(struct turn_allocation *t, struct turn_event *out)
{
    if (t->event_count == 0)
        return false;
    *out = t->events[t->first_event];
    t->first_event = (t->first_event + 1) % EVENTS;
    t->event_count--;
    return true;
}

static void drop_requests(struct turn_allocation *t)
{
    for (size_t i = 0; i < TURN_REQUESTS; i++)
        t->requests[i].kind = TURN_REQUEST_FREE;
}

static void lose(struct turn_allocation *t, enum turn_action action, uint16_t code, bool forged)
{
    drop_requests(t);
    t->state = TURN_DONE;
    t->status.ready = false;
    t->refresh_at = TICK_NEVER;
    tell(t,
         (struct turn_event){.kind = TURN_LOST, .action = action, .code = code, .forged = forged});
}

static void finish_closing(struct turn_allocation *t)
{
    drop_requests(t);
    t->state = TURN_DONE;
    tell(t, (struct turn_event){.kind = TURN_CLOSED});
}

/* ---- requests: built, signed, sent ---------------------------------------------------------- */

static struct turn_request *find_request(struct turn_allocation *t, enum turn_request_kind kind)
{
    for (size_t i = 0; i < TURN_REQUESTS; i++) {
        if (t->requests[i].kind == kind)
            return &t->requests[i];
    }
    return NULL;
}

static void put_family(struct writer *w, enum stun_attribute_type type, bool v6)
{
    stun_put_u32(w, type, (v6 ? 2u : 1u) << 24); /* §18.8 */
}

static void put_allocate(const struct turn_allocation *t, struct writer *w)
{
    stun_put_u32(w, STUN_REQUESTED_TRANSPORT, (uint32_t)PROTOCOL_UDP << 24);
    if (t->options.lifetime_s)
        stun_put_u32(w, STUN_LIFETIME, t->options.lifetime_s);
    /* §7.1: ADDITIONAL-ADDRESS-FAMILY asks for IPv6 beside IPv4, and stands alone. */
    if (t->options.want_v4 && t->options.want_v6) {
        put_family(w, STUN_ADDITIONAL_ADDRESS_FAMILY, true);
        /* Whoever does not know it passes over it (RFC 8489 §14). */
        put_family(w, STUN_ADDITIONAL_ADDRESS_FAMILY_COTURN, true);
    } else if (t->options.want_v6)
        put_family(w, STUN_REQUESTED_ADDRESS_FAMILY, true);
    if (t->options.even_port)
        stun_put(w, STUN_EVEN_PORT, VIEW_LIT("\0"));
    if (t->options.mobility)
        stun_put(w, STUN_MOBILITY_TICKET, VIEW_NONE);
}

static void put_peers(const struct turn_allocation *t, uint32_t set, struct writer *w)
{
    for (size_t i = 0; i < TURN_PERMISSIONS; i++) {
        if (set >> i & 1)
            stun_put_address(w, STUN_XOR_PEER_ADDRESS, &t->peers.permissions[i].ip);
    }
}

static enum stun_method method_of(enum turn_request_kind kind)
{
    switch (kind) {
    case TURN_REQUEST_ALLOCATE:
        return STUN_ALLOCATE;
    case TURN_REQUEST_PERMIT:
        return STUN_CREATE_PERMISSION;
    case TURN_REQUEST_BIND:
        return STUN_CHANNEL_BIND;
    default:
        return STUN_REFRESH;
    }
}

/* Writes the request anew, in a transaction of its own, with the credentials as they are now. */
static void build_request(struct turn_allocation *t, struct turn_request *r, struct tick now)
{
    const struct stun_client_options schedule = {.cap_ms = t->options.request_cap_ms,
                                                 .reliable = t->options.stream};
    struct writer w = writer_of(r->bytes, sizeof r->bytes);
    stun_client_start(&r->client, now, &t->rng, &schedule);
    stun_begin(&w, STUN_REQUEST, method_of(r->kind), &r->client.transaction);
    switch (r->kind) {
    case TURN_REQUEST_ALLOCATE:
        put_allocate(t, &w);
        break;
    case TURN_REQUEST_REFRESH:
        stun_put_u32(&w, STUN_LIFETIME,
                     t->options.lifetime_s ? t->options.lifetime_s : LIFETIME_DEFAULT);
        break;
    case TURN_REQUEST_MOVE:
        stun_put(&w, STUN_MOBILITY_TICKET, view_of(t->ticket, t->ticket_len));
        break;
    case TURN_REQUEST_DELETE:
        stun_put_u32(&w, STUN_LIFETIME, 0);
        break;
    case TURN_REQUEST_PERMIT:
        put_peers(t, r->permissions, &w);
        break;
    case TURN_REQUEST_BIND:
        stun_put_u32(&w, STUN_CHANNEL_NUMBER, (uint32_t)r->channel << 16);
        stun_put_address(&w, STUN_XOR_PEER_ADDRESS,
                         &turn_channel_by_number(&t->peers, r->channel)->peer);
        break;
    case TURN_REQUEST_FREE:
        break;
    }
    r->challenges = t->auth.challenges;
    r->was_signed = stun_auth_sign(&t->auth, &w);
    stun_finish(&w, true);
    r->len = writer_done(&w).len;
}

static struct turn_request *begin_request(struct turn_allocation *t, struct tick now,
                                          struct turn_request request)
{
    struct turn_request *r = find_request(t, TURN_REQUEST_FREE);
    if (!r)
        return NULL;
    *r = request;
    build_request(t, r, now);
    return r;
}

void turn_start(struct turn_allocation *t, struct tick now)
{
    if (t->state != TURN_IDLE)
        return;
    t->state = TURN_ALLOCATING;
    (void)begin_request(t, now, (struct turn_request){.kind = TURN_REQUEST_ALLOCATE});
}

void turn_close(struct turn_allocation *t, struct tick now)
{
    if (t->state == TURN_DONE || t->state == TURN_CLOSING)
        return;
    bool exists = t->state == TURN_READY || t->state == TURN_MOVING ||
                  (t->state == TURN_ALLOCATING && t->auth.challenged);
    drop_requests(t);
    t->status.ready = false;
    t->status.closing = true;
    t->refresh_at = TICK_NEVER;
    t->state = TURN_CLOSING;
    if (!exists)
        finish_closing(t);
    else
        (void)begin_request(t, now, (struct turn_request){.kind = TURN_REQUEST_DELETE});
}

void turn_moved(struct turn_allocation *t, struct tick now)
{
    if (t->state != TURN_READY && t->state != TURN_MOVING) {
        if (t->state == TURN_ALLOCATING)
            lose(t, TURN_GONE, 0, false);
        return;
    }
    if (!t->status.movable) {
        lose(t, TURN_GONE, 0, false);
        return;
    }
    /* Until the server knows our new address, what else is under way would be refused:
     * it is asked again then. */
    drop_requests(t);
    turn_peers_renew(&t->peers, now);
    t->state = TURN_MOVING;
    (void)begin_request(t, now, (struct turn_request){.kind = TURN_REQUEST_MOVE});
}

/* Starts what is due and not yet under way. */
static void pump(struct turn_allocation *t, struct tick now)
{
    uint32_t set;
    struct turn_channel *channel;
    if (t->state != TURN_READY)
        return;
    if (tick_due(t->refresh_at, now) && !find_request(t, TURN_REQUEST_REFRESH) &&
        begin_request(t, now, (struct turn_request){.kind = TURN_REQUEST_REFRESH}))
        t->refresh_at = TICK_NEVER;
    while ((set = turn_permissions_due(&t->peers, now, PEERS_PER_REQUEST)) &&
           begin_request(t, now,
                         (struct turn_request){.kind = TURN_REQUEST_PERMIT, .permissions = set})) {
        for (size_t i = 0; i < TURN_PERMISSIONS; i++) {
            if (set >> i & 1)
                t->peers.permissions[i].due = TICK_NEVER;
        }
    }
    while (
        (channel = turn_channel_due(&t->peers, now)) &&
        begin_request(
            t, now, (struct turn_request){.kind = TURN_REQUEST_BIND, .channel = channel->number})) {
        channel->due = TICK_NEVER;
        channel->asked = true;
    }
}

void turn_check(struct turn_allocation *t, struct tick now)
{
    /* One that is under way asks the same. */
    if (t->state != TURN_READY || find_request(t, TURN_REQUEST_REFRESH))
        return;
    t->refresh_at = now;
    pump(t, now);
}

/* ---- answers -------------------------------------------------------------------------------- */

static void take_ticket(struct turn_allocation *t, const struct stun_message *m)
{
    struct view ticket;
    if (!stun_attribute_find(m, STUN_MOBILITY_TICKET, &ticket) || ticket.len == 0 ||
        ticket.len > sizeof t->ticket)
        return;
    memcpy(t->ticket, ticket.at, ticket.len);
    t->ticket_len = ticket.len;
    t->status.movable = true;
}

/* doc/nat.md 8: half of the lifetime, or a minute before its end, whichever comes first. False: too
 * short to be kept. */
static bool take_lifetime(struct turn_allocation *t, struct tick now, const struct stun_message *m)
{
    uint32_t lifetime_s;
    if (!stun_read_u32(m, STUN_LIFETIME, &lifetime_s))
        lifetime_s = LIFETIME_DEFAULT;
    int64_t ms = (int64_t)lifetime_s * 1000;
    int64_t early = ms - 60000 > ms / 2 ? ms / 2 : ms - 60000 > 0 ? ms - 60000 : ms / 2;
    t->status.expires = tick_add_ms(now, ms);
    t->refresh_at = tick_add_ms(now, early);
    return lifetime_s >= LIFETIME_LEAST_S;
}

/* One XOR-RELAYED-ADDRESS, or one of each family (§7.3). */
static void take_relayed(struct turn_allocation *t, const struct stun_message *m)
{
    struct stun_attribute a;
    struct addr relayed;
    for (size_t at = 0; stun_attribute_next(m, &at, &a);) {
        if (a.type != STUN_XOR_RELAYED_ADDRESS || !stun_address_of(m, &a, &relayed) ||
            relayed.port == 0 || addr_is_unspecified(&relayed) || addr_is_multicast(&relayed) ||
            addr_is_reserved(&relayed))
            continue; /* nothing that anybody could send to */
        if (relayed.family == ADDR_V4 && t->options.want_v4 && !addr_is_set(&t->status.relayed_v4))
            t->status.relayed_v4 = relayed;
        if (relayed.family == ADDR_V6 && t->options.want_v6 && !addr_is_set(&t->status.relayed_v6))
            t->status.relayed_v6 = relayed;
    }
}

/* Deletes what the server has for our 5-tuple, then ends with action and code. */
static void clear(struct turn_allocation *t, struct tick now, enum turn_action action,
                  uint16_t code)
{
    t->state = TURN_CLEARING;
    t->clear_action = action;
    t->clear_code = code;
    (void)begin_request(t, now, (struct turn_request){.kind = TURN_REQUEST_DELETE});
}

static void allocated(struct turn_allocation *t, struct tick now, const struct stun_message *m)
{
    take_relayed(t, m);
    if (!addr_is_set(&t->status.relayed_v4) && !addr_is_set(&t->status.relayed_v6)) {
        /* §7.3: a family we cannot use MUST be deleted, and not asked for again. */
        clear(t, now, TURN_GIVE_UP, 440);
        return;
    }
    t->state = TURN_READY;
    (void)!stun_read_mapped(m, &t->status.mapped);
    take_ticket(t, m);
    t->status.ready = true;
    tell(t, (struct turn_event){.kind = TURN_ALLOCATED});
}

static void permitted(struct turn_allocation *t, struct tick now, uint32_t set)
{
    for (size_t i = 0; i < TURN_PERMISSIONS; i++) {
        const struct turn_permission *p = &t->peers.permissions[i];
        if ((set >> i & 1) && addr_is_set(&p->ip) && tick_due(p->expires, now))
            tell(t, (struct turn_event){.kind = TURN_PERMITTED, .peer = p->ip});
    }
    turn_permissions_installed(&t->peers, now, set);
}

static void bound(struct turn_allocation *t, struct tick now, uint16_t number)
{
    struct turn_channel *channel = turn_channel_by_number(&t->peers, number);
    if (!channel)
        return;
    bool is_new = tick_due(channel->expires, now);
    channel->asked = false;
    channel->expires = tick_add_ms(now, TURN_CHANNEL_MS);
    /* §12: a ChannelBind installs or refreshes the permission too. Without one the peer was
     * forbidden meanwhile. */
    struct turn_permission *p = turn_permission_find(&t->peers, &channel->peer);
    channel->due = p ? tick_add_ms(now, TURN_CHANNEL_REFRESH_MS) : TICK_NEVER;
    if (p)
        permitted(t, now, UINT32_C(1) << (p - t->peers.permissions));
    if (is_new && p)
        tell(t, (struct turn_event){.kind = TURN_BOUND, .peer = channel->peer});
}

static void succeeded(struct turn_allocation *t, struct tick now, const struct turn_request *r,
                      const struct stun_message *m)
{
    if (!stun_client_is_ambiguous(&r->client))
        t->status.rtt_ms = tick_diff_ms(now, r->sent_at);
    if ((r->kind == TURN_REQUEST_ALLOCATE || r->kind == TURN_REQUEST_REFRESH ||
         r->kind == TURN_REQUEST_MOVE) &&
        !take_lifetime(t, now, m)) {
        clear(t, now, TURN_WAIT_SERVER, 508); /* else we would ask again with every round trip */
        return;
    }
    switch (r->kind) {
    case TURN_REQUEST_ALLOCATE:
        allocated(t, now, m);
        break;
    case TURN_REQUEST_REFRESH:
        take_ticket(t, m);
        tell(t, (struct turn_event){.kind = TURN_REFRESHED});
        break;
    case TURN_REQUEST_MOVE:
        t->state = TURN_READY;
        take_ticket(t, m);
        tell(t, (struct turn_event){.kind = TURN_MOVED_OVER});
        break;
    case TURN_REQUEST_DELETE:
        break; /* both ends of it are handled in finish_delete */
    case TURN_REQUEST_PERMIT:
        permitted(t, now, r->permissions);
        break;
    case TURN_REQUEST_BIND:
        bound(t, now, r->channel);
        break;
    case TURN_REQUEST_FREE:
        break;
    }
}

static void finish_delete(struct turn_allocation *t)
{
    if (t->state == TURN_CLOSING)
        finish_closing(t);
    else
        lose(t, t->clear_action, t->clear_code, false);
}

/* A server that has IPv6 alone refuses both at once, as one does that gives one at a time; and then
 * IPv4. */
static bool ask_for_v6(struct turn_allocation *t, uint16_t code)
{
    if (code != 440 || !t->wanted_v6 || t->options.want_v6)
        return false;
    t->options.want_v4 = t->wanted_v6 = false;
    return t->options.want_v6 = true;
}

static void allocate_failed(struct turn_allocation *t, struct tick now,
                            const struct stun_message *m, uint16_t code)
{
    enum turn_action action = turn_error_action(STUN_ALLOCATE, code);
    struct turn_event event = {.kind = TURN_LOST, .code = code};
    switch (action) {
    case TURN_SIMPLER:
        if (turn_error_simplify(&t->options, code) || ask_for_v6(t, code)) {
            (void)begin_request(t, now, (struct turn_request){.kind = TURN_REQUEST_ALLOCATE});
            return;
        }
        lose(t, code == 508 ? TURN_WAIT_SERVER : TURN_GIVE_UP, code, false);
        return;
    case TURN_ALTERNATE:
        if (!m || !stun_read_address(m, STUN_ALTERNATE_SERVER, &event.alternate)) {
            lose(t, TURN_GIVE_UP, code, false);
            return;
        }
        drop_requests(t);
        t->state = TURN_DONE;
        event.action = TURN_ALTERNATE;
        tell(t, event);
        return;
    case TURN_NEW_SOCKET:
        clear(t, now, TURN_NEW_SOCKET, code);
        return;
    default:
        lose(t, action, code, false);
    }
}

static void permit_failed(struct turn_allocation *t, struct tick now, uint32_t set, uint16_t code)
{
    bool single = (set & (set - 1)) == 0;
    bool later = turn_error_action(STUN_CREATE_PERMISSION, code) == TURN_PEER_LATER;
    for (size_t i = 0; i < TURN_PERMISSIONS; i++) {
        struct turn_permission *p = &t->peers.permissions[i];
        if (!(set >> i & 1) || !addr_is_set(&p->ip))
            continue;
        if (later) {
            p->due = tick_add_ms(now, TURN_PEER_LATER_MS);
        } else if (!single) {
            p->alone = true; /* one of them was refused, and the others with it: ask one by one */
            p->due = now;
        } else {
            p->denied = true;
            p->due = TICK_NEVER;
            tell(t, (struct turn_event){.kind = TURN_DENIED, .peer = p->ip, .code = code});
        }
    }
}

static void bind_failed(struct turn_allocation *t, struct tick now, uint16_t number, uint16_t code)
{
    struct turn_channel *channel = turn_channel_by_number(&t->peers, number);
    if (!channel)
        return;
    bool later = turn_error_action(STUN_CHANNEL_BIND, code) == TURN_PEER_LATER;
    channel->asked = false;
    channel->denied = !later;
    channel->due = later ? tick_add_ms(now, TURN_PEER_LATER_MS) : TICK_NEVER;
}

/* A server that delivers lives, and the allocation stands: it had no time for our request. */
static bool outlives(struct turn_allocation *t, struct tick now, const struct turn_request *r)
{
    if (r->forged || t->state != TURN_READY || tick_is_never(t->delivered_at) ||
        tick_diff_ms(now, t->delivered_at) >= TURN_DELIVERS_MS)
        return false;
    if (r->kind == TURN_REQUEST_REFRESH)
        t->refresh_at = now;
    else if (r->kind == TURN_REQUEST_PERMIT)
        permit_failed(t, now, r->permissions, 508);
    else
        bind_failed(t, now, r->channel, 508);
    return true;
}

/* code 0: no answer came. */
static void failed(struct turn_allocation *t, struct tick now, const struct turn_request *r,
                   const struct stun_message *m, uint16_t code)
{
    enum turn_action action = turn_error_action((uint16_t)method_of(r->kind), code);
    if (r->kind == TURN_REQUEST_DELETE)
        finish_delete(t);
    else if (code == 0 && outlives(t, now, r))
        return;
    else if (code == 0)
        lose(t, TURN_WAIT_SERVER, 0, r->forged);
    else if (r->kind == TURN_REQUEST_ALLOCATE)
        allocate_failed(t, now, m, code);
    else if (action == TURN_GONE)
        lose(t, TURN_GONE, code, false);
    else if (r->kind == TURN_REQUEST_PERMIT)
        permit_failed(t, now, r->permissions, code);
    else if (r->kind == TURN_REQUEST_BIND)
        bind_failed(t, now, r->channel, code);
}

static void fail_beyond_us(struct turn_allocation *t, struct tick now, const struct turn_request *r)
{
    if (r->kind == TURN_REQUEST_ALLOCATE)
        clear(t, now, TURN_GIVE_UP, 420); /* it may have made one */
    else
        failed(t, now, r, NULL, 420);
}

static void take_response(struct turn_allocation *t, struct tick now, struct turn_request *r,
                          const struct stun_message *m)
{
    uint16_t code = 0;
    struct view reason;
    if (m->method != (uint16_t)method_of(r->kind) ||
        (m->class == STUN_ERROR && !stun_read_error(m, &code, &reason)))
        return;
    /* Of several requests under way when the nonce grew stale,
     * the first has learnt the new one for all. */
    bool outdated = code == 438 && r->challenges != t->auth.challenges;
    enum stun_auth_verdict verdict =
        outdated ? STUN_AUTH_RETRY : stun_auth_response(&t->auth, m, r->was_signed);
    if (verdict == STUN_AUTH_FORGED && !t->options.stream) {
        r->forged = true; /* RFC 8489 §9.2.5: as if it had never come */
        return;
    }
    if (r->kind == TURN_REQUEST_PERMIT && r->permissions == 0) {
        r->kind = TURN_REQUEST_FREE; /* all of them were forbidden since */
        pump(t, now);
        return;
    }
    if (verdict == STUN_AUTH_RETRY && ++r->tries < AUTH_TRIES) {
        build_request(t, r, now);
        return;
    }
    struct turn_request done = *r;
    r->kind = TURN_REQUEST_FREE;
    if (verdict == STUN_AUTH_ACCEPT && turn_error_is_beyond_us(m)) {
        fail_beyond_us(t, now, &done);
    } else if (verdict == STUN_AUTH_ACCEPT && code == 0) {
        succeeded(t, now, &done, m);
        if (done.kind == TURN_REQUEST_DELETE)
            finish_delete(t);
    } else if (verdict == STUN_AUTH_ACCEPT) {
        failed(t, now, &done, m, code);
    } else if (done.kind == TURN_REQUEST_DELETE) {
        finish_delete(t);
    } else {
        lose(t, TURN_GIVE_UP, code, verdict == STUN_AUTH_FORGED);
    }
    pump(t, now);
}

/* ---- the four verbs ------------------------------------------------------------------------- */

static struct turn_input take_data(struct turn_allocation *t, struct tick now,
                                   const struct stun_message *m)
{
    struct turn_input in = {.kind = TURN_INPUT_DATA};
    /* §11.4: data of a peer nobody permitted is to be discarded. */
    if (!stun_read_address(m, STUN_XOR_PEER_ADDRESS, &in.peer) ||
        !stun_attribute_find(m, STUN_DATA_VALUE, &in.data) || !turn_is_permitted(t, now, &in.peer))
        return (struct turn_input){.kind = TURN_INPUT_NONE};
    t->delivered_at = now;
    return in;
}

struct turn_input turn_input(struct turn_allocation *t, struct tick now, struct view datagram)
{
    struct turn_input none = {.kind = TURN_INPUT_NONE};
    struct stun_message m;
    struct view data;
    uint16_t number;
    if (datagram.len > 0 && (uint8_t)datagram.at[0] >= 0x40) {
        if (!turn_channel_data_decode(datagram, &number, &data))
            return none;
        const struct turn_channel *channel = turn_channel_by_number(&t->peers, number);
        if (!channel || !tick_before(now, channel->expires) ||
            !turn_is_permitted(t, now, &channel->peer))
            return none;
        t->delivered_at = now;
        return (struct turn_input){TURN_INPUT_DATA, channel->peer, data};
    }
    if (stun_message_decode(datagram, &m) != STUN_DECODED || m.classic)
        return none;
    if (m.class == STUN_INDICATION)
        return m.method == STUN_DATA ? take_data(t, now, &m) : none;
    for (size_t i = 0; i < TURN_REQUESTS; i++) {
        struct turn_request *r = &t->requests[i];
        if (r->kind != TURN_REQUEST_FREE && stun_client_matches(&r->client, &m)) {
            take_response(t, now, r, &m);
            return (struct turn_input){.kind = TURN_INPUT_TAKEN};
        }
    }
    return none;
}

void turn_expire(struct turn_allocation *t, struct tick now)
{
    if (t->state == TURN_READY && tick_due(t->status.expires, now))
        lose(t, TURN_GONE, 0, false); /* every Refresh was lost */
    pump(t, now);
}

struct tick turn_deadline(const struct turn_allocation *t)
{
    struct tick first = TICK_NEVER;
    bool free_slot = false;
    for (size_t i = 0; i < TURN_REQUESTS; i++) {
        if (t->requests[i].kind == TURN_REQUEST_FREE)
            free_slot = true;
        else
            first = tick_min(first, stun_client_deadline(&t->requests[i].client));
    }
    if (t->state != TURN_READY)
        return first;
    first = tick_min(first, t->status.expires);
    /* With every slot taken nothing can start before an answer or a time-out frees one. */
    if (free_slot)
        first = tick_min(first, tick_min(t->refresh_at, turn_peers_deadline(&t->peers)));
    return first;
}

bool turn_output(struct turn_allocation *t, struct tick now, struct view *out)
{
    for (size_t i = 0; i < TURN_REQUESTS; i++) {
        struct turn_request *r = &t->requests[i];
        if (r->kind == TURN_REQUEST_FREE)
            continue;
        enum stun_client_step step = stun_client_step(&r->client, now);
        if (step == STUN_CLIENT_SEND) {
            r->sent_at = now;
            *out = view_of(r->bytes, r->len);
            return true;
        }
        if (step == STUN_CLIENT_TIMEOUT) {
            struct turn_request done = *r;
            r->kind = TURN_REQUEST_FREE;
            failed(t, now, &done, NULL, 0);
            pump(t, now);
        }
    }
    return false;
}

/* ---- peers and data ------------------------------------------------------------------------- */

static bool has_family(const struct turn_allocation *t, const struct addr *peer)
{
    /* Before the allocation stands, what was asked for counts. */
    if (t->state != TURN_READY && t->state != TURN_MOVING)
        return peer->family == ADDR_V4 ? t->options.want_v4 : t->options.want_v6;
    return addr_is_set(peer->family == ADDR_V4 ? &t->status.relayed_v4 : &t->status.relayed_v6);
}

size_t turn_permit(struct turn_allocation *t, struct tick now, const struct addr *peers,
                   size_t count)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        if (!has_family(t, &peers[i]))
            tell(t, (struct turn_event){.kind = TURN_DENIED, .peer = peers[i], .code = 443});
        else if (turn_permission_want(&t->peers, now, &peers[i]))
            taken++;
    }
    pump(t, now);
    return taken;
}

void turn_forbid(struct turn_allocation *t, const struct addr *peer)
{
    struct turn_permission *p = turn_permission_find(&t->peers, peer);
    if (!p)
        return;
    /* Its place may be another's when an answer comes that was for it. */
    for (size_t i = 0; i < TURN_REQUESTS; i++)
        t->requests[i].permissions &= ~(UINT32_C(1) << (p - t->peers.permissions));
    for (size_t i = 0; i < TURN_CHANNELS; i++) {
        if (addr_equal_ip(&t->peers.channels[i].peer, peer))
            t->peers.channels[i].due = TICK_NEVER;
    }
    *p = (struct turn_permission){0};
}

bool turn_is_permitted(const struct turn_allocation *t, struct tick now, const struct addr *peer)
{
    /* The tables are looked up, not changed. */
    const struct turn_permission *p =
        turn_permission_find((struct turn_peers *)(uintptr_t)&t->peers, peer);
    return p && tick_before(now, p->expires);
}

bool turn_bind(struct turn_allocation *t, struct tick now, const struct addr *peer)
{
    if (!has_family(t, peer) || !turn_permission_want(&t->peers, now, peer))
        return false;
    bool taken = turn_channel_want(&t->peers, now, peer);
    pump(t, now);
    return taken;
}

bool turn_wrap(struct turn_allocation *t, struct tick now, const struct addr *peer,
               struct view data, struct writer *w)
{
    if (t->state != TURN_READY || !turn_is_permitted(t, now, peer))
        return false;
    const struct turn_channel *channel = turn_channel_find(&t->peers, peer);
    if (channel && tick_before(now, channel->expires)) {
        turn_channel_data_encode(w, channel->number, data, t->options.stream);
    } else {
        struct stun_transaction id = stun_transaction_make(&t->rng);
        stun_begin(w, STUN_INDICATION, STUN_SEND, &id);
        stun_put_address(w, STUN_XOR_PEER_ADDRESS, peer);
        stun_put(w, STUN_DATA_VALUE, data);
        stun_finish(w, false);
    }
    return !w->failed;
}

struct turn_status turn_status(const struct turn_allocation *t)
{
    return t->status;
}
