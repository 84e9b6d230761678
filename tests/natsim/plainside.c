/* plainside: what an SRS does between its engines and the simulated network.
 * Not here: the calls (plaincall.c).
 * RFC 8489, 8656, 6887. */
#include "natsim/plainside.h"

#include "natsim/plaincall.h"
#include "stun/message.h"
#include "turn/frame.h"

#include <assert.h>
#include <string.h>

enum {
    DISCOVERY_PORT = 10000,
    GATEWAY_PORT = 10100,
    RELAY_PORT = 11000,
    MEDIA_PORT = 30000,
    STUN_AGAIN_MS = 500,
    STUN_TRIES = 4,
    STUN_KEEP_MS = 15000,
    TURN_WAIT_MS = 12000,
    GATEWAY_WAIT_MS = 4000, /* one answer that is lost: RFC 6887 §8.1.1 asks again after 3 s */
};

static struct addr local(const struct plainside *side, uint16_t port)
{
    return addr_with_port(side->options.address, port);
}

/* ---- STUN on the media port ----------------------------------------------------------------- */

void plainside_ask_stun(struct plainside *side)
{
    uint8_t bytes[STUN_HEADER_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct stun_transaction transaction = stun_transaction_make(&side->sim->rng);
    if (!addr_is_set(&side->options.stun) || side->port == 0)
        return;
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &transaction);
    stun_finish(&w, false);
    (void)natsim_send(side->sim, side->host, local(side, side->port), side->options.stun,
                      writer_done(&w));
    if (side->in_call)
        way_asked(&side->way, side->sim->now);
    side->asked = side->sim->now;
    side->tries++;
}

static void take_stun(struct plainside *side, struct view bytes)
{
    struct stun_message m;
    struct addr mapped;
    if (stun_message_decode(bytes, &m) != STUN_DECODED || m.class != STUN_SUCCESS ||
        !stun_read_mapped(&m, &mapped))
        return;
    /* A mapped port is seen elsewhere than before, and not where it is mapped: the gateway is asked. */
    bool is_off = addr_is_set(&side->mapped) && addr_is_set(&side->seen) &&
                  !addr_equal(&mapped, &side->seen) && !addr_equal(&mapped, &side->mapped);
    side->tries = 0;
    side->seen = mapped;
    side->seen_at = side->sim->now;
    is_off |= profile_tell(&side->profile, side->sim->now, PROFILE_STUN, mapped);
    if (is_off && side->gateway)
        gateway_retry(side->gateway, side->sim->now);
    plaincall_mapped(side);
}

static struct tick stun_deadline(const struct plainside *side)
{
    if (!addr_is_set(&side->options.stun) || side->port == 0 || side->profile.stun_is_silent)
        return TICK_NEVER;
    bool is_open = side->tries > 0 && side->tries < STUN_TRIES;
    return tick_add_ms(side->asked, is_open ? STUN_AGAIN_MS : STUN_KEEP_MS);
}

static void keep_stun(struct plainside *side)
{
    if (!tick_due(stun_deadline(side), side->sim->now))
        return;
    if (side->tries >= STUN_TRIES)
        side->tries = 0;
    plainside_ask_stun(side);
}

/* ---- relays --------------------------------------------------------------------------------- */

static struct plainside_slot *slot_at_port(struct plainside *side, const struct addr *to)
{
    for (size_t i = 0; i < PLAINSIDE_SLOTS; i++) {
        if (side->slots[i].port && side->slots[i].port == to->port)
            return &side->slots[i];
    }
    return NULL;
}

static void take_message(struct plainside *side, uint32_t slot, struct view message)
{
    struct turn_input in = turn_pool_input(side->pool, side->sim->now, slot, message);
    bool ours = side->has_slot && side->slot == slot;
    if (in.kind == TURN_INPUT_DATA && ours)
        plaincall_hear(side, &in.peer, true, in.data);
}

static void take_bytes(struct plainside *side, struct plainside_slot *s,
                       const struct natsim_packet *packet)
{
    uint32_t slot = (uint32_t)(s - side->slots);
    size_t len, taken = 0;
    struct view bytes;
    if (!tunnel_take(&s->connection, side->sim, packet, &bytes)) {
        turn_pool_lost_socket(side->pool, side->sim->now, slot);
        return;
    }
    if (s->connection.is_open && s->stash_len > 0) {
        natsim_stream_send(side->sim, s->connection.stream, view_of(s->stash, s->stash_len));
        s->stash_len = 0;
    }
    if (bytes.len == 0 || bytes.len > sizeof s->bytes - s->len)
        return;
    memcpy(s->bytes + s->len, bytes.at, bytes.len);
    s->len += bytes.len;
    while (turn_frame_next(view_of(s->bytes + taken, s->len - taken), &len) == TURN_FRAME_WHOLE) {
        take_message(side, slot, view_of(s->bytes + taken, len));
        taken += len;
    }
    memmove(s->bytes, s->bytes + taken, s->len - taken);
    s->len -= taken;
}

static struct plainside_slot *slot_of_stream(struct plainside *side, size_t stream)
{
    for (size_t i = 0; i < PLAINSIDE_SLOTS; i++) {
        if (side->slots[i].connection.stream == stream && stream)
            return &side->slots[i];
    }
    return NULL;
}

static void put_slot(struct plainside *side, uint32_t slot, struct addr to, bool stream,
                     struct view bytes)
{
    struct plainside_slot *s = &side->slots[slot];
    if (s->port == 0) {
        s->port = side->next_port++;
        s->stream = stream;
        s->len = s->stash_len = 0;
        if (stream) {
            to.port = 443;
            tunnel_open(&s->connection, side->sim, side->host, local(side, s->port), to,
                        side->options.proxy);
        }
    }
    if (!stream) {
        (void)natsim_send(side->sim, side->host, local(side, s->port), to, bytes);
    } else if (s->connection.is_open) {
        natsim_stream_send(side->sim, s->connection.stream, bytes);
    } else if (bytes.len <= sizeof s->stash - s->stash_len) {
        memcpy(s->stash + s->stash_len, bytes.at, bytes.len);
        s->stash_len += bytes.len;
    }
}

bool plainside_send_relayed(struct plainside *side, const struct addr *peer, struct view data)
{
    uint8_t bytes[NATSIM_DATAGRAM];
    struct writer w = writer_of(bytes, sizeof bytes);
    const struct plainside_slot *s = &side->slots[side->slot];
    if (!side->has_slot || !turn_pool_wrap(side->pool, side->sim->now, side->slot, peer, data, &w))
        return false;
    put_slot(side, side->slot, side->options.turn[s->server % 2], s->stream, writer_done(&w));
    return true;
}

static void close_slot(struct plainside *side, uint32_t slot)
{
    struct plainside_slot *s = &side->slots[slot];
    s->port = 0;
    s->ready = false;
    tunnel_close(&s->connection, side->sim);
}

static void take_pool_event(struct plainside *side, const struct turn_pool_event *e)
{
    bool ours = side->has_slot && side->slot == e->slot;
    switch (e->kind) {
    case TURN_POOL_READY:
    case TURN_POOL_RESTED:
        side->slots[e->slot].ready = true;
        side->slots[e->slot].server = e->server;
        side->slots[e->slot].generation = e->generation;
        break;
    case TURN_POOL_WITHDRAWN:
        side->slots[e->slot].ready = false;
        break;
    case TURN_POOL_PERMITTED:
    case TURN_POOL_DENIED:
        if (ours)
            plaincall_permitted(side, &e->peer, e->kind == TURN_POOL_PERMITTED);
        break;
    case TURN_POOL_LOST:
        close_slot(side, e->slot);
        if (ours)
            plaincall_relay_lost(side);
        break;
    case TURN_POOL_REOPEN:
    case TURN_POOL_CLOSED:
        close_slot(side, e->slot);
        break;
    case TURN_POOL_ENDING:
    case TURN_POOL_SERVER_DOWN:
    case TURN_POOL_SERVER_UP:
        break;
    }
}

static void take_pool_events(struct plainside *side)
{
    struct turn_pool_event e;
    while (turn_pool_event(side->pool, &e))
        take_pool_event(side, &e);
}

static void run_pool(struct plainside *side)
{
    struct turn_pool_packet out;
    if (!side->pool)
        return;
    turn_pool_expire(side->pool, side->sim->now);
    while (turn_pool_output(side->pool, side->sim->now, &out)) {
        take_pool_events(side); /* its slot may have been closed, and made anew */
        put_slot(side, out.slot, out.to, out.stream, out.bytes);
    }
    take_pool_events(side);
    side->profile.relay_udp = side->profile.relay_stream = false;
    for (size_t i = 0; i < PLAINSIDE_SLOTS; i++) {
        bool usable = side->slots[i].ready || (side->has_slot && side->slot == i);
        side->profile.relay_udp |= usable && !side->slots[i].stream;
        side->profile.relay_stream |= usable && side->slots[i].stream;
    }
}

static void start_pool(struct plainside *side)
{
    static const struct turn_pool_server server = {.username = VIEW("user"),
                                                   .password = VIEW("secret")};
    struct turn_pool_options options = {.slots = PLAINSIDE_SLOTS,
                                        .want_v4 = side->options.address.family == ADDR_V4,
                                        .want_v6 = side->options.address.family == ADDR_V6,
                                        .ready = 2,
                                        .warm = 1};
    for (size_t i = 0; i < 2; i++) {
        options.servers[i] = server;
        options.servers[i].address = side->options.turn[i];
    }
    for (size_t i = 2; i < PLAINSIDE_SERVERS; i++) {
        options.servers[i] = options.servers[i - 2];
        options.servers[i].stream = true;
    }
    options.server_count = PLAINSIDE_SERVERS;
    rng_bytes(&side->sim->rng, options.seed, sizeof options.seed);
    side->pool = turn_pool_create(&options);
    assert(side->pool);
}

/* ---- discovery and gateway ------------------------------------------------------------------ */

static void start_discovery(struct plainside *side)
{
    finder_finish(&side->finder);
    side->finder = (struct finder){.host = side->host,
                                   .options = {.servers = {side->options.stun}, .server_count = 1}};
    finder_init(&side->finder, side->sim, addr_with_port(side->options.address, DISCOVERY_PORT));
    finder_start(&side->finder);
}

static void run_gateway(struct plainside *side)
{
    struct view out;
    struct gateway_event e;
    if (!side->gateway)
        return;
    gateway_expire(side->gateway, side->sim->now);
    while (gateway_output(side->gateway, side->sim->now, &out))
        (void)natsim_send(side->sim, side->host, local(side, GATEWAY_PORT), side->options.gateway,
                          out);
    while (gateway_event(side->gateway, &e)) {
        struct gateway_status status = gateway_status(side->gateway);
        profile_tell_gateway(&side->profile, side->sim->now, &status);
        if (e.internal_port != side->port || (e.kind != GATEWAY_MAPPED && e.kind != GATEWAY_LOST))
            continue;
        if (addr_equal(&side->seen, &side->mapped)) /* STUN saw the mapping that was */
            side->seen = (struct addr){0};
        side->mapped = e.kind == GATEWAY_MAPPED ? e.external : (struct addr){0};
        plainside_ask_stun(side);
        plaincall_gateway_mapped(side);
    }
}

static void start_gateway(struct plainside *side)
{
    struct gateway_options options = {.server = side->options.gateway,
                                      .internal = side->options.address};
    rng_bytes(&side->sim->rng, options.seed, sizeof options.seed);
    gateway_destroy(side->gateway);
    side->gateway = gateway_create(&options);
    assert(side->gateway);
}

void plainside_doubt_gateway(struct plainside *side)
{
    if (side->gateway && addr_is_set(&side->mapped))
        gateway_retry(side->gateway, side->sim->now);
}

/* ---- what comes in -------------------------------------------------------------------------- */

static void receive(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct plainside *side = context;
    (void)sim;
    if (packet->kind == NATSIM_REFUSED) {
        if (packet->to.port == side->port)
            plaincall_refused(side, &packet->from);
        return;
    }
    if (packet->kind != NATSIM_DATAGRAM_CAME) {
        struct plainside_slot *s = slot_of_stream(side, packet->stream);
        if (s)
            take_bytes(side, s, packet);
        return;
    }
    struct plainside_slot *s = slot_at_port(side, &packet->to);
    if (s) {
        take_message(side, (uint32_t)(s - side->slots), packet->bytes);
    } else if (packet->to.port == GATEWAY_PORT) {
        if (side->gateway && addr_equal_ip(&packet->from, &side->options.gateway))
            (void)gateway_input(side->gateway, side->sim->now, packet->bytes);
    } else if (finder_take(&side->finder, packet)) {
        return;
    } else if (addr_is_set(&side->options.stun) &&
               addr_equal_ip(&packet->from, &side->options.stun)) {
        if (packet->to.port == side->port)
            take_stun(side, packet->bytes);
    } else if (packet->to.port == side->port) {
        plaincall_hear(side, &packet->from, false, packet->bytes);
    }
}

/* ---- its life ------------------------------------------------------------------------------- */

void plainside_init(struct plainside *side, struct natsim *sim, size_t realm,
                    const struct plainside_options *options)
{
    memset(side, 0, sizeof *side);
    side->options = *options;
    side->sim = sim;
    side->next_port = RELAY_PORT;
    side->port = 0;
    side->wall = (struct wall){INT64_C(1767225600) * NS_PER_S};
    side->host = natsim_host(sim, realm, options->address, receive, side);
    sim->hosts[side->host].hears_refusals = true;
    profile_init(&side->profile, sim->now, PATH_UNKNOWN, options->external);
    (void)profile_set_local(&side->profile, sim->now, options->address);
    src_profile_init(&side->known, side->wall);
}

void plainside_finish(struct plainside *side)
{
    finder_finish(&side->finder);
    gateway_destroy(side->gateway);
    turn_pool_destroy(side->pool);
    side->gateway = NULL;
    side->pool = NULL;
}

void plainside_learn(struct plainside *side)
{
    if (addr_is_set(&side->options.stun))
        start_discovery(side);
    if (addr_is_set(&side->options.gateway))
        start_gateway(side);
    if (addr_is_set(&side->options.turn[0]))
        start_pool(side);
    side->profile.started = side->sim->now;
}

bool plainside_is_ready(const struct plainside *side)
{
    int64_t ms = tick_diff_ms(side->sim->now, side->profile.started);
    if (!finder_is_done(&side->finder))
        return false;
    return !side->pool || side->profile.relay_udp || side->profile.relay_stream ||
           ms > TURN_WAIT_MS;
}

void plainside_open_port(struct plainside *side)
{
    if (side->gateway && side->port)
        gateway_unmap(side->gateway, side->sim->now, PORTMAP_UDP, side->port);
    side->port = (uint16_t)(side->port ? side->port + 2 : MEDIA_PORT);
    side->seen = side->mapped = (struct addr){0};
    side->tries = 0;
    side->asked = side->sim->now;
    if (side->gateway)
        (void)gateway_map(side->gateway, side->sim->now, PORTMAP_UDP, side->port);
    plainside_ask_stun(side);
}

bool plainside_port_is_ready(const struct plainside *side)
{
    bool late = tick_diff_ms(side->sim->now, side->asked) > GATEWAY_WAIT_MS;
    bool stun = !addr_is_set(&side->options.stun) || side->profile.stun_is_silent ||
                addr_is_set(&side->seen);
    return (stun && (!side->gateway || addr_is_set(&side->mapped))) || late;
}

void plainside_readdress(struct plainside *side, struct addr address)
{
    size_t realm = natsim_interface_find(side->sim, side->host, &side->options.address)->realm;
    natsim_interface_remove(side->sim, side->host, &side->options.address);
    (void)natsim_interface(side->sim, side->host, realm, address);
    side->options.address = address;
    (void)profile_set_local(&side->profile, side->sim->now, address);
    side->seen = (struct addr){0};
    if (side->pool)
        turn_pool_moved(side->pool, side->sim->now);
    plainside_ask_stun(side);
    if (addr_is_set(&side->options.stun))
        start_discovery(side);
    if (side->gateway) { /* its mappings lead to the address that is gone */
        start_gateway(side);
        side->mapped = (struct addr){0};
        (void)gateway_map(side->gateway, side->sim->now, PORTMAP_UDP, side->port);
    }
    plaincall_network_changed(side);
}

void plainside_drain(struct plainside *side)
{
    if (side->pool)
        turn_pool_drain(side->pool, side->sim->now);
}

void plainside_run(struct plainside *side)
{
    finder_turn(&side->finder, &side->profile);
    run_gateway(side);
    keep_stun(side);
    run_pool(side);
    plaincall_run(side);
    run_pool(side);
}

struct tick plainside_deadline(const struct plainside *side)
{
    struct tick next = tick_min(stun_deadline(side), plaincall_deadline(side));
    next = tick_min(next, finder_deadline(&side->finder));
    if (side->gateway)
        next = tick_min(next, gateway_deadline(side->gateway));
    return side->pool ? tick_min(next, turn_pool_deadline(side->pool)) : next;
}
