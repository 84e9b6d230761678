/* Tests of the simulated world itself, by the RFCs' words: links, firewalls, forwarded ports, TCP
 * connections, and the TURN server with our client behind every kind of line.
 * RFC 4787, 5382, 8656. */
#include "natsim/proxyhost.h"
#include "natsim/turnhost.h"
#include "natsim/turnside.h"

#include "tap.h"

enum { BOTH = 2 };

struct party {
    size_t host;
    struct natsim_packet last;
    char text[64];
    int datagrams, accepted, opened, closed;
    size_t stream; /* the last told of */
};

static struct natsim sim;
static struct party parties[4];

static void receive(struct natsim *s, void *context, const struct natsim_packet *packet)
{
    struct party *p = context;
    (void)s;
    p->last = *packet;
    p->datagrams += packet->kind == NATSIM_DATAGRAM_CAME;
    p->accepted += packet->kind == NATSIM_ACCEPTED;
    p->opened += packet->kind == NATSIM_OPENED;
    p->closed += packet->kind == NATSIM_CLOSED;
    if (packet->kind != NATSIM_DATAGRAM_CAME)
        p->stream = packet->stream;
    size_t len = strlen(p->text);
    if (packet->kind == NATSIM_BYTES && packet->bytes.len < sizeof p->text - len)
        (void)snprintf(p->text + len, sizeof p->text - len, VIEW_FMT, VIEW_ARG(packet->bytes));
}

static const struct natbox_options nat = {
    .mapping = NATBOX_INDEPENDENT,
    .filtering = NATBOX_ADDRESS_PORT,
    .ports = NATBOX_RANDOM,
    .external = {.family = ADDR_V4, .ip = {203, 0, 113, 20}},
    .initial_ms = 30000,
    .established_ms = 120000,
};

static void begin(uint64_t seed)
{
    memset(parties, 0, sizeof parties);
    natsim_init(&sim, seed);
}

static struct party *party(size_t at, size_t realm, struct addr address)
{
    parties[at].host = natsim_host(&sim, realm, address, receive, &parties[at]);
    return &parties[at];
}

static void pass(int64_t ms)
{
    natsim_run(&sim, tick_add_ms(sim.now, ms));
}

static void test_links(void)
{
    struct addr a = addr_v4(192, 0, 2, 1, 1000), b = addr_v4(192, 0, 2, 2, 2000);
    char big[1400] = {0};
    begin(1);
    struct party *from = party(0, 0, a), *to = party(1, 0, b);
    struct natsim_link *link = &natsim_interface_find(&sim, to->host, &b)->link;
    for (int i = 0; i < 1000; i++) {
        CHECK(natsim_send(&sim, from->host, a, b, VIEW_LIT("x")));
        pass(20);
    }
    CHECK_INT(to->datagrams, 1000);
    link->loss = 0.2;
    for (int i = 0; i < 1000; i++)
        (void)natsim_send(&sim, from->host, a, b, VIEW_LIT("x"));
    pass(100);
    CHECK(to->datagrams > 1700 && to->datagrams < 1900);
    *link = (struct natsim_link){.repeat = 1.0};
    to->datagrams = 0;
    (void)natsim_send(&sim, from->host, a, b, VIEW_LIT("x"));
    pass(100);
    CHECK(to->datagrams >= 1); /* repeated on the way to the last link only */
    *link = (struct natsim_link){.mtu = 1200};
    to->datagrams = 0;
    (void)natsim_send(&sim, from->host, a, b, view_of(big, 1200));
    (void)natsim_send(&sim, from->host, a, b, view_of(big, 1201));
    pass(100);
    CHECK_INT(to->datagrams, 1);
    *link = (struct natsim_link){.delay_us = 50000};
    (void)natsim_send(&sim, from->host, a, b, VIEW_LIT("x"));
    pass(59);
    CHECK_INT(to->datagrams, 1);
    pass(2);
    CHECK_INT(to->datagrams, 2);
    link->down = true;
    (void)natsim_send(&sim, from->host, a, b, VIEW_LIT("x"));
    pass(1000);
    CHECK_INT(to->datagrams, 2);
    natsim_interface_remove(&sim, from->host, &a);
    CHECK(!natsim_send(&sim, from->host, a, b, VIEW_LIT("x")));
    natsim_finish(&sim);
}

static void test_reordering_and_several_addresses(void)
{
    struct addr a = addr_v4(192, 0, 2, 1, 1000), b = addr_v4(192, 0, 2, 2, 2000), c;
    CHECK(addr_parse(view_of_string("[2001:db8::2]:2000"), 0, &c));
    begin(2);
    struct party *from = party(0, 0, a), *to = party(1, 0, b);
    (void)natsim_interface(&sim, to->host, 0, c);
    struct addr a6 = c;
    a6.ip[15] = 1;
    (void)natsim_interface(&sim, from->host, 0, a6);
    (void)natsim_send(&sim, from->host, a6, c, VIEW_LIT("six"));
    pass(20);
    CHECK_INT(to->datagrams, 1);
    CHECK(addr_equal(&to->last.to, &c));
    sim.link.reorder = 0.5;
    int overtaken = 0;
    for (int i = 0; i < 100; i++) {
        (void)natsim_send(&sim, from->host, addr_with_port(a, (uint16_t)(1000 + i)), b,
                          VIEW_LIT("x"));
        pass(5);
        overtaken += to->last.from.port > 1000 && to->last.from.port < 1000 + i - 5;
    }
    CHECK(overtaken > 5);
    natsim_finish(&sim);
}

static void test_one_to_one_and_forwards(void)
{
    struct natbox_options one = nat, bare = nat;
    struct addr inside = addr_v4(10, 0, 0, 7, 4000), other = addr_v4(192, 0, 2, 2, 2000);
    struct addr outside = addr_with_port(nat.external, 4000);
    begin(3);
    one.one_to_one = inside;
    struct party *in = party(0, natsim_realm(&sim, 0, &one), inside), *out = party(1, 0, other);
    (void)natsim_send(&sim, out->host, other, outside, VIEW_LIT("x"));
    (void)natsim_send(&sim, in->host, inside, other, VIEW_LIT("x"));
    pass(20);
    CHECK_INT(in->datagrams, 1);
    CHECK(addr_equal(&out->last.from, &outside));
    natsim_finish(&sim);

    begin(4);
    bare.bare_forwards = true;
    size_t realm = natsim_realm(&sim, 0, &bare);
    in = party(0, realm, inside);
    out = party(1, 0, other);
    natbox_forward(&sim.boxes[realm], inside, outside, TICK_NEVER);
    (void)natsim_send(&sim, in->host, inside, other, VIEW_LIT("x"));
    pass(20);
    CHECK(!addr_equal(&out->last.from, &outside)); /* unasked: by a mapping of its own */
    (void)natsim_send(&sim, out->host, addr_with_port(other, 7), outside, VIEW_LIT("x"));
    pass(20);
    CHECK_INT(in->datagrams, 1);
    (void)natsim_send(&sim, in->host, inside, addr_with_port(other, 7), VIEW_LIT("x"));
    pass(20);
    CHECK(addr_equal(&out->last.from, &outside)); /* an answer */
    natbox_unforward(&sim.boxes[realm], &outside);
    (void)natsim_send(&sim, out->host, addr_with_port(other, 7), outside, VIEW_LIT("x"));
    pass(20);
    CHECK_INT(in->datagrams, 1);
    natsim_finish(&sim);
}

/* RFC 6887 §11.3, 4: a port that is in use is mapped where it is, and what was goes on when the mapping
 * made for it ends. */
static void test_a_port_in_use_is_mapped_where_it_is(void)
{
    struct natbox_options eim = nat;
    struct addr inside = addr_v4(10, 0, 0, 7, 4000), other = addr_v4(192, 0, 2, 2, 2000), found;
    eim.mapping = NATBOX_INDEPENDENT;
    eim.filtering = NATBOX_ADDRESS_PORT;
    eim.ports = NATBOX_RANDOM;
    begin(5);
    size_t realm = natsim_realm(&sim, 0, &eim);
    struct party *in = party(0, realm, inside), *out = party(1, 0, other);
    struct natbox *box = &sim.boxes[realm];
    CHECK(!natbox_find(box, sim.now, &inside, &found));
    (void)natsim_send(&sim, in->host, inside, other, VIEW_LIT("x"));
    pass(20);
    CHECK(natbox_find(box, sim.now, &inside, &found));
    CHECK(addr_equal(&out->last.from, &found));
    natbox_forward(box, inside, found, TICK_NEVER);
    (void)natsim_send(&sim, out->host, addr_with_port(other, 7), found, VIEW_LIT("x"));
    pass(20);
    CHECK_INT(in->datagrams, 1);
    natbox_unforward(box, &found);
    (void)natsim_send(&sim, out->host, addr_with_port(other, 7), found, VIEW_LIT("x"));
    (void)natsim_send(&sim, out->host, other, found, VIEW_LIT("x"));
    pass(20);
    CHECK_INT(in->datagrams, 2);
    natsim_finish(&sim);
}

static void test_policies(void)
{
    static const struct {
        enum natbox_policy policy;
        uint16_t port;
        int datagrams, opened;
    } rows[] = {{NATBOX_ALL, 80, 1, 1},
                {NATBOX_TCP_ONLY, 80, 0, 1},
                {NATBOX_443_ONLY, 80, 0, 0},
                {NATBOX_443_ONLY, 443, 0, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct natbox_options o = nat;
        struct addr inside = addr_v4(10, 0, 0, 7, 4000), other = addr_v4(192, 0, 2, 2, 0);
        begin(5 + i);
        o.policy = rows[i].policy;
        o.filtering = NATBOX_INDEPENDENT;
        struct party *in = party(0, natsim_realm(&sim, 0, &o), inside), *out = party(1, 0, other);
        natsim_listen(&sim, out->host, rows[i].port);
        struct addr to = addr_with_port(other, rows[i].port);
        (void)natsim_send(&sim, in->host, inside, to, VIEW_LIT("x"));
        (void)natsim_connect(&sim, in->host, inside, to);
        pass(60000);
        CHECK_INT(out->datagrams, rows[i].datagrams);
        CHECK_INT(in->opened, rows[i].opened);
        CHECK_INT(in->closed, !rows[i].opened);
        natsim_finish(&sim);
    }
}

static void test_blocks_of_ports(void)
{
    struct natbox_options o = nat;
    struct addr other = addr_v4(192, 0, 2, 2, 2000), inside = addr_v4(10, 0, 0, 7, 4000);
    uint16_t least = UINT16_MAX, most = 0;
    begin(11);
    o.ports = NATBOX_BLOCK;
    o.quota = 64;
    struct party *in = party(0, natsim_realm(&sim, 0, &o), inside), *out = party(1, 0, other);
    for (int i = 0; i < 80; i++) {
        (void)natsim_send(&sim, in->host, addr_with_port(inside, (uint16_t)(4000 + i)), other,
                          VIEW_LIT("x"));
        pass(20);
        least = out->last.from.port < least ? out->last.from.port : least;
        most = out->last.from.port > most ? out->last.from.port : most;
    }
    CHECK_INT(out->datagrams, 64);
    CHECK_INT(most - least, 63);
    natsim_finish(&sim);
}

static void test_connections(void)
{
    struct addr inside = addr_v4(10, 0, 0, 7, 0), other = addr_v4(192, 0, 2, 2, 443);
    begin(20);
    size_t realm = natsim_realm(&sim, 0, &nat);
    struct party *in = party(0, realm, inside), *out = party(1, 0, other);
    sim.link.loss = 0.3;
    sim.link.jitter_us = 40000;
    natsim_listen(&sim, out->host, 443);
    size_t stream = natsim_connect(&sim, in->host, inside, other);
    pass(5000);
    CHECK_INT(in->opened, 1);
    CHECK_INT(out->accepted, 1);
    CHECK(addr_equal_ip(&out->last.from, &nat.external));
    size_t back = out->stream;
    for (char c = 'a'; c <= 'z'; c++)
        natsim_stream_send(&sim, stream, view_of(&c, 1));
    natsim_stream_send(&sim, back, VIEW_LIT("answer"));
    pass(30000);
    CHECK_TEXT(out->text, "abcdefghijklmnopqrstuvwxyz");
    CHECK_TEXT(in->text, "answer");
    /* The link is down twice: once it is up what was lost follows what is heard, as TCP's do. */
    out->text[0] = 0;
    sim.link.loss = 0;
    for (int i = 0; i < 50; i++) {
        sim.link.down = i < 20 || (i > 22 && i < 40);
        char c = (char)('A' + i);
        natsim_stream_send(&sim, stream, view_of(&c, 1));
        pass(100);
    }
    pass(4000);
    CHECK_TEXT(out->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqr");
    /* The NAT reboots: what we send now comes from another port, and is refused. */
    natsim_reboot(&sim, realm);
    natsim_stream_send(&sim, stream, VIEW_LIT("lost"));
    pass(60000);
    CHECK_INT(in->closed, 1);
    CHECK(!natsim_stream_is_open(&sim, stream));
    natsim_stream_send(&sim, back, VIEW_LIT("late"));
    pass(120000);
    CHECK_INT(out->closed, 1);
    /* Closed by the other side; and to a port where nobody listens. */
    sim.link.loss = 0;
    stream = natsim_connect(&sim, in->host, inside, other);
    pass(1000);
    natsim_stream_close(&sim, out->stream);
    pass(1000);
    CHECK_INT(in->closed, 2);
    (void)natsim_connect(&sim, in->host, inside, addr_with_port(other, 80));
    pass(1000);
    CHECK_INT(in->closed, 3);
    natsim_finish(&sim);
}

/* ---- the TURN server ------------------------------------------------------------------------ */

static struct turnhost server;
static struct turnside side;
static struct proxyhost proxy;
static int events[TURN_CLOSED + 1];
static struct addr data_from;
static char data_text[64];

static void receive_turn(struct natsim *s, void *context, const struct natsim_packet *packet)
{
    struct addr peer;
    struct view data;
    (void)s;
    (void)context;
    if (!turnside_take(&side, packet))
        return;
    while (turnside_next(&side, &peer, &data)) {
        data_from = peer;
        (void)snprintf(data_text, sizeof data_text, VIEW_FMT, VIEW_ARG(data));
    }
}

static void run_turn(int64_t ms)
{
    struct tick end = tick_add_ms(sim.now, ms);
    struct turn_event e;
    for (int i = 0; i < 100000 && tick_before(sim.now, end); i++) {
        turnside_run(&side);
        while (side.turn && turn_event(side.turn, &e))
            events[e.kind]++;
        struct tick next = tick_min(natsim_next(&sim), turnside_deadline(&side));
        natsim_run(&sim, tick_min(next, end));
    }
}

static void begin_turn(uint64_t seed, bool stream, const struct natbox_options *options,
                       struct turn_options turn)
{
    struct addr inside = addr_v4(10, 0, 0, 7, 4000);
    begin(seed);
    memset(events, 0, sizeof events);
    memset(&server, 0, sizeof server);
    data_text[0] = 0;
    server.address = addr_v4(203, 0, 113, 100, 3478);
    server.relay = addr_v4(203, 0, 113, 101, 0);
    CHECK(addr_parse(view_of_string("2001:db8::64"), 0, &server.relay_v6));
    turnhost_add(&sim, &server);
    size_t host = natsim_host(&sim, natsim_realm(&sim, 0, options), inside, receive_turn, NULL);
    turn.username = VIEW_LIT("user");
    turn.password = VIEW_LIT("secret");
    turn.want_v4 = true;
    turn.stream = stream;
    side.proxy = (struct addr){0};
    if (addr_is_set(&proxy.address)) {
        side.proxy = addr_with_port(proxy.address, PROXYHOST_PORT);
        proxyhost_add(&sim, 1, &proxy);
    }
    turnside_start(&side, &sim, host, inside,
                   stream ? addr_with_port(server.address, 443) : server.address, turn);
}

static void finish_turn(void)
{
    turnside_finish(&side);
    turnhost_finish(&server);
    natsim_finish(&sim);
}

/* Where nothing else leaves, a proxy lets out what goes to port 443. */
static void test_only_a_proxy_lets_out(void)
{
    struct natbox_options o = nat;
    const struct turn_options turn = {.username = VIEW_LIT("user"),
                                      .password = VIEW_LIT("secret"),
                                      .want_v4 = true,
                                      .stream = true};
    o.policy = NATBOX_NOTHING;
    for (int has_proxy = 0; has_proxy < BOTH; has_proxy++) {
        proxy = (struct proxyhost){0};
        if (has_proxy)
            proxy = (struct proxyhost){.address = addr_v4(10, 0, 0, 200, 0),
                                       .external = addr_v4(203, 0, 113, 200, 0)};
        begin_turn(31, true, &o, (struct turn_options){0});
        run_turn(60000);
        CHECK_INT(events[TURN_ALLOCATED], has_proxy);
        CHECK(side.is_lost == !has_proxy);
        CHECK_INT(proxy.opened, has_proxy);
        turnside_finish(&side);
        turnside_start(&side, &sim, side.host, side.local, addr_with_port(server.address, 80),
                       turn);
        run_turn(60000);
        CHECK_INT(events[TURN_ALLOCATED], has_proxy);
        CHECK(side.is_lost);
        CHECK_INT(proxy.refused, has_proxy);
        finish_turn();
    }
    proxy = (struct proxyhost){0};
}

static void test_turn_relays(void)
{
    for (int stream = 0; stream < BOTH; stream++) {
        struct natbox_options o = nat;
        struct addr peer_address = addr_v4(192, 0, 2, 2, 2000);
        o.policy = stream ? NATBOX_443_ONLY : NATBOX_ALL;
        begin_turn(30, stream, &o, (struct turn_options){.want_v6 = true});
        struct party *peer = party(1, 0, peer_address);
        run_turn(2000);
        CHECK_INT(events[TURN_ALLOCATED], 1);
        struct addr relayed = turn_status(side.turn).relayed_v4;
        CHECK(addr_equal_ip(&relayed, &server.relay));
        CHECK(addr_is_set(&(struct addr){turn_status(side.turn).relayed_v6.family}));
        CHECK_INT(turnhost_standing(&server), 1);
        (void)natsim_send(&sim, peer->host, peer_address, relayed, VIEW_LIT("early"));
        run_turn(1000);
        CHECK_TEXT(data_text, "");
        CHECK_INT(server.no_permission, 1);
        CHECK_INT(turn_permit(side.turn, sim.now, &peer_address, 1), 1);
        run_turn(1000);
        CHECK(turnhost_permits(&server, &relayed, &peer_address));
        (void)natsim_send(&sim, peer->host, addr_with_port(peer_address, 77), relayed,
                          VIEW_LIT("hello"));
        run_turn(1000);
        CHECK_TEXT(data_text, "hello");
        CHECK_INT(data_from.port, 77);
        CHECK(turnside_send(&side, peer_address, VIEW_LIT("back")));
        run_turn(1000);
        CHECK(addr_equal(&peer->last.from, &relayed));
        CHECK(turn_bind(side.turn, sim.now, &peer_address));
        run_turn(1000);
        CHECK_INT(events[TURN_BOUND], 1);
        (void)natsim_send(&sim, peer->host, peer_address, relayed, VIEW_LIT("by channel"));
        run_turn(1000);
        CHECK_TEXT(data_text, "by channel");
        CHECK_INT(peer->datagrams, 1);
        CHECK(turnside_send(&side, peer_address, VIEW_LIT("back")));
        run_turn(3600 * 1000); /* an hour: everything is kept alive */
        CHECK_INT(peer->datagrams, 2);
        CHECK(turnhost_permits(&server, &relayed, &peer_address));
        CHECK_INT(turnhost_standing(&server), 1);
        turn_close(side.turn, sim.now);
        run_turn(2000);
        CHECK_INT(events[TURN_CLOSED], 1);
        CHECK_INT(turnhost_standing(&server), 0);
        finish_turn();
    }
}

/* What each fault does to an allocation that is to be made, and later to one that stands. */
static void test_turn_faults(void)
{
    static const struct {
        const char *name;
        struct turnhost_faults faults;
        bool is_made;
    } rows[] = {
        {"slow", {.slow_ms = 700}, true},
        {"silent", {.silent = true}, false},
        {"stale nonces", {.stale = true}, true},
        {"a storm of 438", {.stale_storm = 1000000}, false},
        {"437 three times", {.storm_437 = 3}, false}, /* the owner's: from another socket */
        {"a wrong realm", {.wrong_realm = true, .stale_storm = 1000000}, false},
        {"wrong users", {.refuse_users = true}, false},
        {"quota", {.allocate_code = 486}, false},
        {"full", {.allocate_code = 508}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_turn(40 + i, false, &nat, (struct turn_options){.lifetime_s = 600});
        server.faults = rows[i].faults;
        run_turn(60000);
        if (!CHECK_INT(events[TURN_ALLOCATED], rows[i].is_made) ||
            !CHECK_INT(events[TURN_LOST], !rows[i].is_made))
            printf("# %s\n", rows[i].name);
        CHECK(server.requests < 120); /* nobody is made to loop */
        finish_turn();
    }
    begin_turn(60, false, &nat, (struct turn_options){.lifetime_s = 600});
    run_turn(2000);
    CHECK_INT(events[TURN_ALLOCATED], 1);
    turnhost_restart(&server);
    run_turn(1000 * 1000);
    CHECK_INT(events[TURN_LOST], 1);
    finish_turn();
}

int main(void)
{
    printf("# seeds: each world's number is its seed\n");
    RUN(test_links);
    RUN(test_reordering_and_several_addresses);
    RUN(test_one_to_one_and_forwards);
    RUN(test_a_port_in_use_is_mapped_where_it_is);
    RUN(test_policies);
    RUN(test_blocks_of_ports);
    RUN(test_connections);
    RUN(test_only_a_proxy_lets_out);
    RUN(test_turn_relays);
    RUN(test_turn_faults);
    return tap_done();
}
