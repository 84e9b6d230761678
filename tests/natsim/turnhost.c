/* turnhost: what a TURN server answers, relays and drops.
 * Not here: faults of links; the network.
 * RFC 8656 §7.2, §8.3, §10.2, §11, §12; RFC 8489 §9.2.4. */
#include "natsim/turnhost.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORT = 3478,
    PERMISSION_S = 300,
    CHANNEL_S = 600,
    CHANNEL_FIRST = 0x4000,
    CHANNEL_LAST = 0x4fff,
    UDP_PROTOCOL = 17,
};

/* One request and where its answer goes. */
struct asking {
    struct turnhost *server;
    struct addr client, at;
    size_t stream; /* 0: UDP */
    const struct stun_message *m;
    uint8_t bytes[800];
    struct writer w;
};

static void send_to(struct turnhost *server, struct addr at, struct addr client, size_t stream,
                    struct view bytes)
{
    if (stream)
        natsim_stream_send(server->sim, stream, bytes);
    else
        (void)natsim_send_late(server->sim, server->host, at, client, bytes,
                               server->faults.slow_ms * 1000);
}

static void new_nonce(struct turnhost *server)
{
    rng_text(&server->sim->rng, server->nonce, TURNHOST_NONCE);
    server->nonce_used = false;
}

/* §9.2.4, §5: an error, with the challenge where the code is one; signed only when the client is
 * known. */
static void refuse(struct asking *a, uint16_t code, bool is_signed)
{
    struct turnhost *server = a->server;
    a->w = writer_of(a->bytes, sizeof a->bytes);
    stun_begin_answer(&a->w, STUN_ERROR, a->m);
    stun_put_error(&a->w, code, "No");
    if (code == 401 || code == 438) {
        bool lies = server->faults.wrong_realm && code == 438;
        server->challenges++;
        stun_put(&a->w, STUN_REALM, view_of_string(lies ? "elsewhere" : server->realm));
        stun_put(&a->w, STUN_NONCE, view_of_string(server->nonce));
    }
    if (code == 300)
        stun_put_address(&a->w, STUN_ALTERNATE_SERVER, &server->faults.alternate);
    if (is_signed)
        stun_sign(&a->w, server->key);
    stun_finish(&a->w, false);
    send_to(server, a->at, a->client, a->stream, writer_done(&a->w));
}

static void begin(struct asking *a)
{
    a->w = writer_of(a->bytes, sizeof a->bytes);
    stun_begin_answer(&a->w, STUN_SUCCESS, a->m);
}

static void finish(struct asking *a)
{
    stun_sign(&a->w, a->server->key);
    stun_finish(&a->w, false);
    send_to(a->server, a->at, a->client, a->stream, writer_done(&a->w));
}

static bool is_alive(const struct turnhost *server, const struct turnhost_allocation *t)
{
    return t->used && tick_before(server->sim->now, t->expires);
}

static struct turnhost_allocation *find(struct turnhost *server, const struct asking *a)
{
    for (size_t i = 0; i < TURNHOST_ALLOCATIONS; i++) {
        struct turnhost_allocation *t = &server->allocations[i];
        if (is_alive(server, t) && t->stream == a->stream && addr_equal(&t->client, &a->client) &&
            addr_equal(&t->at, &a->at))
            return t;
    }
    return NULL;
}

static struct turnhost_allocation *find_relayed(struct turnhost *server, const struct addr *at)
{
    for (size_t i = 0; i < TURNHOST_ALLOCATIONS; i++) {
        struct turnhost_allocation *t = &server->allocations[i];
        if (is_alive(server, t) &&
            (addr_equal(&t->relayed[0], at) || addr_equal(&t->relayed[1], at)))
            return t;
    }
    return NULL;
}

size_t turnhost_standing(const struct turnhost *server)
{
    size_t count = 0;
    for (size_t i = 0; i < TURNHOST_ALLOCATIONS; i++)
        count += is_alive(server, &server->allocations[i]);
    return count;
}

static bool permits(const struct turnhost *server, const struct turnhost_allocation *t,
                    const struct addr *peer)
{
    for (size_t i = 0; i < TURNHOST_PERMISSIONS; i++) {
        if (addr_is_set(&t->permissions[i].ip) && addr_equal_ip(&t->permissions[i].ip, peer) &&
            tick_before(server->sim->now, t->permissions[i].expires))
            return true;
    }
    return false;
}

bool turnhost_relays(const struct turnhost *server, const struct addr *at)
{
    return find_relayed((struct turnhost *)server, at) != NULL;
}

bool turnhost_permits(const struct turnhost *server, const struct addr *relayed,
                      const struct addr *peer)
{
    const struct turnhost_allocation *t = find_relayed((struct turnhost *)server, relayed);
    return t && permits(server, t, peer);
}

static bool permit(struct turnhost *server, struct turnhost_allocation *t, const struct addr *peer)
{
    struct turnhost_permission *place = NULL;
    for (size_t i = 0; i < TURNHOST_PERMISSIONS; i++) {
        struct turnhost_permission *p = &t->permissions[i];
        bool is_free = !addr_is_set(&p->ip) || !tick_before(server->sim->now, p->expires);
        if (addr_equal_ip(&p->ip, peer) || (is_free && !place))
            place = p;
        if (addr_equal_ip(&p->ip, peer))
            break;
    }
    if (place)
        *place = (struct turnhost_permission){addr_with_port(*peer, 0),
                                              tick_add_ms(server->sim->now, PERMISSION_S * 1000)};
    return place;
}

/* §7.2: the families asked for; 0: none that can be had. */
static unsigned families(struct asking *a, uint16_t *code)
{
    struct turnhost *server = a->server;
    struct view value;
    bool asks = stun_attribute_find(a->m, STUN_REQUESTED_ADDRESS_FAMILY, &value);
    unsigned wanted = asks && value.len == 4 && value.at[0] == 2 ? 2 : 1;
    bool adds = stun_attribute_find(a->m, STUN_ADDITIONAL_ADDRESS_FAMILY, &value);
    *code = asks && adds ? 400 : 440;
    if (asks && adds)
        return 0;
    if ((wanted == 1 && !addr_is_set(&server->relay)) ||
        (wanted == 2 && !addr_is_set(&server->relay_v6)))
        return 0;
    return wanted | (adds && addr_is_set(&server->relay_v6) ? 2u : 0u);
}

static uint16_t free_port(struct turnhost *server, bool is_even)
{
    for (;;) {
        uint16_t port = (uint16_t)(49152 + rng_below(&server->sim->rng, 16384));
        struct addr v4 = addr_with_port(server->relay, port),
                    v6 = addr_with_port(server->relay_v6, port);
        if ((!is_even || port % 2 == 0) && !find_relayed(server, &v4) && !find_relayed(server, &v6))
            return port;
    }
}

static uint32_t lifetime_of(const struct asking *a)
{
    uint32_t asked = 600, most = a->server->lifetime_s ? a->server->lifetime_s : 600;
    if (!stun_read_u32(a->m, STUN_LIFETIME, &asked))
        return most;
    return asked < most ? asked : most;
}

static void answer_allocated(struct asking *a, const struct turnhost_allocation *t)
{
    begin(a);
    for (int i = 0; i < 2; i++) {
        if (addr_is_set(&t->relayed[i]))
            stun_put_address(&a->w, STUN_XOR_RELAYED_ADDRESS, &t->relayed[i]);
    }
    stun_put_u32(&a->w, STUN_LIFETIME,
                 (uint32_t)(tick_diff_ms(t->expires, a->server->sim->now) / 1000));
    stun_put_address(&a->w, STUN_XOR_MAPPED_ADDRESS, &a->client);
    finish(a);
}

static uint16_t judge_allocate(struct asking *a)
{
    struct turnhost *server = a->server;
    struct view value;
    if (addr_is_set(&server->faults.alternate))
        return 300;
    if (server->faults.allocate_code)
        return server->faults.allocate_code;
    if (!stun_attribute_find(a->m, STUN_REQUESTED_TRANSPORT, &value) || value.len != 4)
        return 400;
    if (value.at[0] != UDP_PROTOCOL)
        return 442;
    if (server->quota && turnhost_standing(server) >= server->quota)
        return 486;
    return 0;
}

static void allocate(struct asking *a)
{
    struct turnhost *server = a->server;
    struct turnhost_allocation *t = find(server, a);
    struct view value;
    if (t && memcmp(t->transaction, a->m->transaction.id, 12) == 0)
        return answer_allocated(a, t); /* §7.2: it was sent again */
    if (t)
        return refuse(a, 437, true);
    uint16_t code = judge_allocate(a), family_code;
    if (code)
        return refuse(a, code, true);
    unsigned wanted = families(a, &family_code);
    if (!wanted)
        return refuse(a, family_code, true);
    for (size_t i = 0; i < TURNHOST_ALLOCATIONS && !t; i++) {
        if (!is_alive(server, &server->allocations[i]))
            t = &server->allocations[i];
    }
    if (!t)
        return refuse(a, 508, true);
    uint16_t port = free_port(server, stun_attribute_find(a->m, STUN_EVEN_PORT, &value));
    *t = (struct turnhost_allocation){
        .used = true,
        .client = a->client,
        .at = a->at,
        .stream = a->stream,
        .expires = tick_add_ms(server->sim->now, (int64_t)lifetime_of(a) * 1000)};
    if (wanted & 1)
        t->relayed[0] = addr_with_port(server->relay, port);
    if (wanted & 2)
        t->relayed[1] = addr_with_port(server->relay_v6, port);
    memcpy(t->transaction, a->m->transaction.id, sizeof t->transaction);
    server->made++;
    answer_allocated(a, t);
}

static void refresh(struct asking *a, struct turnhost_allocation *t)
{
    uint32_t lifetime_s = lifetime_of(a);
    if (!t)
        return refuse(a, 437, true);
    t->expires = tick_add_ms(a->server->sim->now, (int64_t)lifetime_s * 1000);
    t->used = lifetime_s > 0;
    begin(a);
    stun_put_u32(&a->w, STUN_LIFETIME, lifetime_s);
    finish(a);
}

static bool relays_to(const struct turnhost_allocation *t, const struct addr *peer)
{
    return addr_is_set(&t->relayed[peer->family == ADDR_V6]);
}

/* §10.2: all of the peers or none. */
static void create_permission(struct asking *a, struct turnhost_allocation *t)
{
    struct stun_attribute attribute;
    struct addr peer;
    size_t at = 0, count = 0;
    if (!t)
        return refuse(a, 437, true);
    if (a->server->faults.permit_code)
        return refuse(a, a->server->faults.permit_code, true);
    while (stun_attribute_next(a->m, &at, &attribute)) {
        if (attribute.type != STUN_XOR_PEER_ADDRESS)
            continue;
        if (!stun_address_of(a->m, &attribute, &peer))
            return refuse(a, 400, true);
        if (!relays_to(t, &peer))
            return refuse(a, 443, true);
        count++;
    }
    if (count == 0)
        return refuse(a, 400, true);
    for (at = 0; stun_attribute_next(a->m, &at, &attribute);) {
        if (attribute.type == STUN_XOR_PEER_ADDRESS && stun_address_of(a->m, &attribute, &peer) &&
            !permit(a->server, t, &peer))
            return refuse(a, 508, true);
    }
    begin(a);
    finish(a);
}

/* §12.2 */
static void channel_bind(struct asking *a, struct turnhost_allocation *t)
{
    struct turnhost *server = a->server;
    struct turnhost_channel *place = NULL;
    uint32_t number = 0;
    struct addr peer;
    if (!t)
        return refuse(a, 437, true);
    if (server->faults.bind_code)
        return refuse(a, server->faults.bind_code, true);
    if (!stun_read_u32(a->m, STUN_CHANNEL_NUMBER, &number) ||
        !stun_read_address(a->m, STUN_XOR_PEER_ADDRESS, &peer) || number >> 16 < CHANNEL_FIRST ||
        number >> 16 > CHANNEL_LAST)
        return refuse(a, 400, true);
    if (!relays_to(t, &peer))
        return refuse(a, 443, true);
    for (size_t i = 0; i < TURNHOST_CHANNELS; i++) {
        struct turnhost_channel *c = &t->channels[i];
        if (c->number && !tick_before(server->sim->now, c->expires))
            c->number = 0;
        bool same_number = c->number == number >> 16, same_peer = addr_equal(&c->peer, &peer);
        if (c->number && same_number != same_peer)
            return refuse(a, 400, true);
        if ((c->number && same_number) || (!c->number && !place))
            place = c;
    }
    if (!place || !permit(server, t, &peer))
        return refuse(a, 508, true);
    *place = (struct turnhost_channel){(uint16_t)(number >> 16), peer,
                                       tick_add_ms(server->sim->now, CHANNEL_S * 1000)};
    begin(a);
    finish(a);
}

/* §9.2.4 of RFC 8489. 0: whoever asks is who he says. */
static uint16_t judge_user(struct asking *a)
{
    struct turnhost *server = a->server;
    struct view user, realm, nonce;
    if (!a->m->integrity)
        return 401;
    if (!stun_attribute_find(a->m, STUN_USERNAME, &user) ||
        !stun_attribute_find(a->m, STUN_REALM, &realm) ||
        !stun_attribute_find(a->m, STUN_NONCE, &nonce))
        return 400;
    if (!view_equal(nonce, view_of_string(server->nonce)) ||
        (server->faults.stale && server->nonce_used) || server->faults.stale_storm > 0) {
        server->faults.stale_storm -= server->faults.stale_storm > 0;
        new_nonce(server);
        return 438;
    }
    if (server->faults.refuse_users || !view_equal(user, view_of_string(server->username)) ||
        !view_equal(realm, view_of_string(server->realm)) ||
        stun_check(a->m, server->key) != STUN_INTEGRITY_GOOD)
        return 401;
    server->nonce_used = true;
    return 0;
}

static void binding(struct asking *a)
{
    begin(a);
    stun_put_address(&a->w, STUN_XOR_MAPPED_ADDRESS, &a->client);
    stun_finish(&a->w, false);
    send_to(a->server, a->at, a->client, a->stream, writer_done(&a->w));
}

static void request(struct asking *a)
{
    struct turnhost *server = a->server;
    server->requests++;
    if (a->m->method == STUN_BINDING)
        return binding(a);
    uint16_t code = judge_user(a);
    if (code)
        return refuse(a, code, false);
    if (server->faults.storm_437 > 0) {
        server->faults.storm_437--;
        return refuse(a, 437, true);
    }
    switch (a->m->method) {
    case STUN_ALLOCATE:
        return allocate(a);
    case STUN_REFRESH:
        return refresh(a, find(server, a));
    case STUN_CREATE_PERMISSION:
        return create_permission(a, find(server, a));
    case STUN_CHANNEL_BIND:
        return channel_bind(a, find(server, a));
    default:
        return refuse(a, 400, true);
    }
}

static void relay_out(struct turnhost *server, struct turnhost_allocation *t,
                      const struct addr *peer, struct view data)
{
    if (!t || !relays_to(t, peer) || !permits(server, t, peer)) {
        server->no_permission++;
        return;
    }
    server->relayed++;
    (void)natsim_send_late(server->sim, server->host, t->relayed[peer->family == ADDR_V6], *peer,
                           data, server->faults.slow_ms * 1000);
}

/* §12.6 */
static void channel_data(struct asking *a, struct view bytes)
{
    struct turnhost_allocation *t = find(a->server, a);
    const uint8_t *b = (const uint8_t *)bytes.at;
    if (bytes.len < 4 || !t)
        return;
    unsigned number = (unsigned)(b[0] << 8 | b[1]), len = (unsigned)(b[2] << 8 | b[3]);
    for (size_t i = 0; i < TURNHOST_CHANNELS && len <= bytes.len - 4; i++) {
        if (t->channels[i].number == number &&
            tick_before(a->server->sim->now, t->channels[i].expires))
            relay_out(a->server, t, &t->channels[i].peer, view_of(b + 4, len));
    }
}

/* One message of a client: a datagram, or a frame of its connection. */
static void from_client(struct turnhost *server, const struct natsim_packet *packet,
                        struct view bytes)
{
    struct stun_message m;
    struct asking a = {.server = server,
                       .client = packet->from,
                       .at = packet->to,
                       .stream = packet->stream,
                       .m = &m};
    if (server->faults.silent || bytes.len == 0)
        return;
    if (((uint8_t)bytes.at[0] & 0xc0) == 0x40)
        return channel_data(&a, bytes);
    if (stun_message_decode(bytes, &m) != STUN_DECODED)
        return;
    if (m.class == STUN_REQUEST)
        return request(&a);
    struct addr peer;
    struct view data;
    if (m.class == STUN_INDICATION && m.method == STUN_SEND &&
        stun_read_address(&m, STUN_XOR_PEER_ADDRESS, &peer) &&
        stun_attribute_find(&m, STUN_DATA_VALUE, &data))
        relay_out(server, find(server, &a), &peer, data);
}

static void send_channel_data(struct turnhost *server, const struct turnhost_allocation *t,
                              uint16_t number, struct view data)
{
    uint8_t bytes[NATSIM_DATAGRAM + 8];
    struct writer w = writer_of(bytes, sizeof bytes);
    writer_u16(&w, number);
    writer_u16(&w, (uint16_t)data.len);
    writer_view(&w, data);
    if (t->stream)
        writer_fill(&w, 0, -data.len & 3);
    send_to(server, t->at, t->client, t->stream, writer_done(&w));
}

/* §11.3, §12.7: what comes to a relayed address. */
static void from_peer(struct turnhost *server, const struct turnhost_allocation *t,
                      const struct natsim_packet *packet)
{
    uint8_t bytes[NATSIM_DATAGRAM + 64];
    struct writer w = writer_of(bytes, sizeof bytes);
    if (server->faults.silent)
        return;
    if (!permits(server, t, &packet->from)) {
        server->no_permission++;
        return;
    }
    server->relayed++;
    for (size_t i = 0; i < TURNHOST_CHANNELS; i++) {
        if (t->channels[i].number && addr_equal(&t->channels[i].peer, &packet->from) &&
            tick_before(server->sim->now, t->channels[i].expires))
            return send_channel_data(server, t, t->channels[i].number, packet->bytes);
    }
    struct stun_transaction transaction = stun_transaction_make(&server->sim->rng);
    stun_begin(&w, STUN_INDICATION, STUN_DATA, &transaction);
    stun_put_address(&w, STUN_XOR_PEER_ADDRESS, &packet->from);
    stun_put(&w, STUN_DATA_VALUE, packet->bytes);
    stun_finish(&w, false);
    send_to(server, t->at, t->client, t->stream, writer_done(&w));
}

static struct turnhost_stream *stream_of(struct turnhost *server, size_t stream, bool make)
{
    for (size_t i = 0; i < server->stream_count; i++) {
        if (server->streams[i].stream == stream)
            return &server->streams[i];
    }
    if (!make)
        return NULL;
    server->streams =
        realloc(server->streams, (server->stream_count + 1) * sizeof *server->streams);
    assert(server->streams);
    server->streams[server->stream_count] = (struct turnhost_stream){.stream = stream};
    return &server->streams[server->stream_count++];
}

/* §3.1: STUN's length field, or ChannelData's with its padding. 0: not whole yet. */
static size_t frame_len(const struct turnhost_stream *s)
{
    if (s->len < 4)
        return 0;
    size_t length = (size_t)(s->bytes[2] << 8 | s->bytes[3]);
    size_t whole = (s->bytes[0] & 0xc0) == 0x40 ? 4 + ((length + 3) & ~(size_t)3) : 20 + length;
    return s->len >= whole ? whole : 0;
}

static void take_bytes(struct turnhost *server, const struct natsim_packet *packet)
{
    struct turnhost_stream *s = stream_of(server, packet->stream, true);
    if (packet->bytes.len > sizeof s->bytes - s->len)
        return natsim_stream_close(server->sim, packet->stream);
    memcpy(s->bytes + s->len, packet->bytes.at, packet->bytes.len);
    s->len += packet->bytes.len;
    for (size_t len; (len = frame_len(s)) > 0;) {
        uint8_t frame[TURNHOST_STREAM];
        memcpy(frame, s->bytes, len);
        s->len -= len;
        memmove(s->bytes, s->bytes + len, s->len);
        from_client(server, packet, view_of(frame, len));
    }
}

/* The allocations of a connection end with it. */
static void end_stream(struct turnhost *server, size_t stream)
{
    for (size_t i = 0; i < TURNHOST_ALLOCATIONS; i++) {
        if (server->allocations[i].stream == stream)
            server->allocations[i].used = false;
    }
    struct turnhost_stream *s = stream_of(server, stream, false);
    if (s)
        *s = server->streams[--server->stream_count];
}

static void receive(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct turnhost *server = context;
    (void)sim;
    switch (packet->kind) {
    case NATSIM_BYTES:
        return take_bytes(server, packet);
    case NATSIM_CLOSED:
        return end_stream(server, packet->stream);
    case NATSIM_DATAGRAM_CAME:
        break;
    default:
        return;
    }
    const struct turnhost_allocation *t = find_relayed(server, &packet->to);
    if (t)
        from_peer(server, t, packet);
    else if (packet->to.port == server->address.port)
        from_client(server, packet, packet->bytes);
}

static void add_address(struct turnhost *server, const struct addr *address)
{
    if (addr_is_set(address) && !natsim_interface_find(server->sim, server->host, address))
        (void)natsim_interface(server->sim, server->host, 0, *address);
}

void turnhost_add(struct natsim *sim, struct turnhost *server)
{
    server->sim = sim;
    server->username = server->username ? server->username : "user";
    server->password = server->password ? server->password : "secret";
    server->realm = server->realm ? server->realm : "sim";
    if (!server->address.port)
        server->address.port = PORT;
    if (server->address.family == ADDR_V6 && !addr_is_set(&server->relay_v6))
        server->relay_v6 = server->address;
    else if (server->address.family == ADDR_V4 && !addr_is_set(&server->relay))
        server->relay = server->address;
    server->host = natsim_host(sim, 0, server->address, receive, server);
    add_address(server, &server->relay);
    add_address(server, &server->address_v6);
    add_address(server, &server->relay_v6);
    natsim_listen(sim, server->host, server->address.port);
    natsim_listen(sim, server->host, 443);
    server->key =
        stun_key_create_long(STUN_MD5, view_of_string(server->username),
                             view_of_string(server->realm), view_of_string(server->password));
    assert(server->key);
    new_nonce(server);
}

void turnhost_finish(struct turnhost *server)
{
    stun_key_destroy(server->key);
    free(server->streams);
    server->key = NULL;
    server->streams = NULL;
}

void turnhost_restart(struct turnhost *server)
{
    memset(server->allocations, 0, sizeof server->allocations);
    natsim_streams_forget(server->sim, server->host);
    server->stream_count = 0;
    new_nonce(server);
}
