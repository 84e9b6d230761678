/* Tests of turn/allocation: a server of a few lines answers as RFC 8656 and RFC 8016 say, and time
 * is an integer. The real server is coturn, in tests/interop. */
#include "turn/allocation.h"

#include "base/reader.h"
#include "tap.h"
#include "turn/frame.h"

static struct turn_allocation *turn;
static struct stun_key *key;
static int64_t now_ms;
static uint8_t answer_bytes[2048], held_bytes[2048];

/* What the server saw last, and how it answers: code 0 is success. */
static struct {
    struct stun_message request; /* in held_bytes */
    int requests;
    uint16_t code;
    const char *nonce;
    const char *ticket;
    uint32_t lifetime_s;
    bool v4, v6, silent, forge, nowhere;
    uint16_t strange; /* an attribute of this type in every signed answer */
    int deletes;
    struct addr alternate;
} server;

static struct tick now(void)
{
    return (struct tick){now_ms * NS_PER_MS};
}

static const struct addr peer_a = {ADDR_V4, {192, 0, 2, 10}, 4000, 0};
static const struct addr peer_b = {ADDR_V4, {192, 0, 2, 11}, 4000, 0};

static void put_success(struct writer *w)
{
    struct addr relayed = addr_v4(203, 0, 113, 1, 50000), mapped = addr_v4(198, 51, 100, 7, 6000);
    struct addr relayed6 = {ADDR_V6, {0x20, 1, 0xd, 0xb8, [15] = 1}, 50000, 0};
    if (server.request.method == STUN_ALLOCATE) {
        if (server.nowhere)
            relayed = addr_v4(0, 0, 0, 0, 0);
        if (server.v4)
            stun_put_address(w, STUN_XOR_RELAYED_ADDRESS, &relayed);
        if (server.v6)
            stun_put_address(w, STUN_XOR_RELAYED_ADDRESS, &relayed6);
        stun_put_address(w, STUN_XOR_MAPPED_ADDRESS, &mapped);
    }
    if (server.request.method == STUN_ALLOCATE || server.request.method == STUN_REFRESH)
        stun_put_u32(w, STUN_LIFETIME, server.lifetime_s);
    if (server.ticket)
        stun_put(w, STUN_MOBILITY_TICKET, view_of_string(server.ticket));
}

/* One request to the server, its answer back. */
static void serve(struct view request)
{
    memcpy(held_bytes, request.at, request.len);
    CHECK_INT(stun_message_decode(view_of(held_bytes, request.len), &server.request), STUN_DECODED);
    server.requests++;
    if (server.silent)
        return;
    struct writer w = writer_of(answer_bytes, sizeof answer_bytes);
    struct view nonce;
    bool is_signed = stun_check(&server.request, key) == STUN_INTEGRITY_GOOD;
    bool fresh = stun_attribute_find(&server.request, STUN_NONCE, &nonce) &&
                 view_equal(nonce, view_of_string(server.nonce));
    uint16_t code = !is_signed ? 401 : !fresh ? 438 : server.code;
    stun_begin_answer(&w, code ? STUN_ERROR : STUN_SUCCESS, &server.request);
    if (code)
        stun_put_error(&w, code, "because");
    if (code == 401 || code == 438) {
        stun_put(&w, STUN_REALM, VIEW_LIT("example.org"));
        stun_put(&w, STUN_NONCE, view_of_string(server.nonce));
    }
    if (addr_is_set(&server.alternate))
        stun_put_address(&w, STUN_ALTERNATE_SERVER, &server.alternate);
    if (!code)
        put_success(&w);
    if (server.strange && is_signed)
        stun_put(&w, (enum stun_attribute_type)server.strange, VIEW_LIT("????"));
    uint32_t lifetime_s = 1;
    server.deletes += server.request.method == STUN_REFRESH && is_signed &&
                      stun_read_u32(&server.request, STUN_LIFETIME, &lifetime_s) && !lifetime_s;
    if (is_signed && fresh)
        stun_sign(&w, key);
    if (server.forge)
        answer_bytes[w.len - 1] ^= 1;
    stun_finish(&w, false);
    CHECK_INT(turn_input(turn, now(), writer_done(&w)).kind, TURN_INPUT_TAKEN);
}

/* Everything that is due at this moment, asked and answered. */
static void settle(void)
{
    struct view out;
    turn_expire(turn, now());
    for (int i = 0; i < 50 && turn_output(turn, now(), &out); i++)
        serve(out);
}

/* Jumps from deadline to deadline until `ms`. */
static void run_until(int64_t ms)
{
    for (int i = 0; i < 10000; i++) {
        struct tick next = turn_deadline(turn);
        if (tick_is_never(next) || next.ns > ms * NS_PER_MS)
            break;
        if (next.ns > now().ns)
            now_ms = next.ns / NS_PER_MS;
        settle();
    }
    now_ms = ms;
}

static void start(struct turn_options options)
{
    options.username = VIEW_LIT("user");
    options.password = VIEW_LIT("pass");
    turn_destroy(turn);
    turn = turn_create(&options);
    if (!key)
        key = stun_key_create_long(STUN_MD5, VIEW_LIT("user"), VIEW_LIT("example.org"),
                                   VIEW_LIT("pass"));
    memset(&server, 0, sizeof server);
    server.nonce = "one";
    server.lifetime_s = 600;
    server.v4 = true;
    now_ms = 1000;
    turn_start(turn, now());
}

static struct turn_event next_event(void)
{
    struct turn_event e = {.kind = (enum turn_event_kind) - 1};
    (void)turn_event(turn, &e);
    return e;
}

static void start_ready(struct turn_options options)
{
    start(options);
    settle();
    CHECK_INT(next_event().kind, TURN_ALLOCATED);
}

#define V4 .want_v4 = true

static void test_allocate(void)
{
    start((struct turn_options){V4});
    settle();
    CHECK_INT(server.requests, 2); /* bare, then signed */
    struct view value;
    CHECK(stun_attribute_find(&server.request, STUN_REQUESTED_TRANSPORT, &value));
    CHECK(view_equal(value, VIEW_LIT("\x11\0\0\0")));
    CHECK(!stun_attribute_find(&server.request, STUN_ADDITIONAL_ADDRESS_FAMILY, &value));
    CHECK_INT(next_event().kind, TURN_ALLOCATED);
    struct turn_status status = turn_status(turn);
    CHECK(status.ready);
    CHECK_TEXT(addr_print(&status.relayed_v4).s, "203.0.113.1:50000");
    CHECK_TEXT(addr_print(&status.mapped).s, "198.51.100.7:6000");
}

static void test_refreshed_at_half_its_life(void)
{
    start_ready((struct turn_options){V4});
    run_until(1000 + 299999);
    CHECK_INT(server.requests, 2);
    run_until(1000 + 300000);
    CHECK_INT(server.requests, 3);
    CHECK_INT(server.request.method, STUN_REFRESH);
    run_until(1000 + 3600 * 1000);
    CHECK(turn_status(turn).ready);
    CHECK_INT(server.requests, 2 + 12);
}

/* Asked again while the answer to the first is out: nothing is due before that comes, or is waited
 * for in vain. Else whoever sleeps until the deadline would not sleep at all. */
static void test_checked_twice(void)
{
    struct view out;
    start_ready((struct turn_options){V4});
    server.silent = true;
    turn_check(turn, now());
    settle();
    CHECK_INT(server.requests, 3);
    now_ms += 10;
    turn_check(turn, now());
    turn_expire(turn, now());
    CHECK(!turn_output(turn, now(), &out));
    CHECK(tick_before(now(), turn_deadline(turn)));
}

static void test_permissions_in_one_request_every_240_seconds(void)
{
    struct addr peers[] = {peer_a, peer_b};
    uint8_t wrapped[256];
    struct writer w = writer_of(wrapped, sizeof wrapped);
    start_ready((struct turn_options){V4});
    CHECK(!turn_wrap(turn, now(), &peer_a, VIEW_LIT("x"), &w));
    CHECK_INT(turn_permit(turn, now(), peers, 2), 2);
    settle();
    CHECK_INT(server.requests, 3);
    CHECK_INT(server.request.method, STUN_CREATE_PERMISSION);
    int addresses = 0;
    struct stun_attribute a;
    for (size_t at = 0; stun_attribute_next(&server.request, &at, &a);)
        addresses += a.type == STUN_XOR_PEER_ADDRESS;
    CHECK_INT(addresses, 2);
    CHECK_INT(next_event().kind, TURN_PERMITTED);
    CHECK_INT(next_event().kind, TURN_PERMITTED);
    run_until(1000 + 239999);
    CHECK_INT(server.requests, 3);
    run_until(1000 + 240000);
    CHECK_INT(server.requests, 4);
    CHECK_INT((int)next_event().kind, -1); /* a refresh is no news */
    CHECK(turn_is_permitted(turn, now(), &peer_a));
    turn_forbid(turn, &peer_a);
    CHECK(!turn_is_permitted(turn, now(), &peer_a));
}

static void test_one_refused_peer_does_not_harm_the_others(void)
{
    struct addr peers[] = {peer_a, peer_b};
    struct view out;
    start_ready((struct turn_options){V4});
    CHECK_INT(turn_permit(turn, now(), peers, 2), 2);
    server.code = 403;
    CHECK(turn_output(turn, now(), &out));
    serve(out); /* both: refused */
    CHECK(turn_output(turn, now(), &out));
    serve(out); /* peer_a alone: refused */
    server.code = 0;
    settle(); /* peer_b alone: taken */
    struct turn_event first = next_event(), second = next_event();
    CHECK_INT(first.kind, TURN_DENIED);
    CHECK_INT(first.code, 403);
    CHECK(addr_equal_ip(&first.peer, &peer_a));
    CHECK_INT(second.kind, TURN_PERMITTED);
    CHECK(addr_equal_ip(&second.peer, &peer_b));
    CHECK(turn_status(turn).ready);
    struct addr six = {ADDR_V6, {0x20, 1}, 1, 0};
    CHECK_INT(turn_permit(turn, now(), &six, 1), 0); /* no relayed address of that family */
    CHECK_INT(next_event().code, 443);
}

static void test_channel_saves_bytes_and_keeps_its_number(void)
{
    uint8_t wrapped[256];
    struct writer w = writer_of(wrapped, sizeof wrapped);
    struct stun_message m;
    struct view value;
    uint32_t first, again;
    start_ready((struct turn_options){V4});
    CHECK_INT(turn_permit(turn, now(), &peer_a, 1), 1);
    settle();
    CHECK(turn_wrap(turn, now(), &peer_a, VIEW_LIT("hello"), &w));
    CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_DECODED);
    CHECK_INT(m.method, STUN_SEND);
    CHECK(stun_attribute_find(&m, STUN_DATA_VALUE, &value));
    CHECK_VIEW(value, "hello");
    CHECK(turn_bind(turn, now(), &peer_a));
    server.silent = true;
    settle();
    CHECK_INT(server.request.method, STUN_CHANNEL_BIND);
    CHECK(stun_read_u32(&server.request, STUN_CHANNEL_NUMBER, &first));
    CHECK((first >> 16) >= 0x4000 && (first >> 16) <= 0x4fff && (first & 0xffff) == 0);
    server.silent = false;
    run_until(now_ms + 500); /* the answer was lost: the same number again (RFC 8656 §12) */
    CHECK(stun_read_u32(&server.request, STUN_CHANNEL_NUMBER, &again));
    CHECK_INT(again, first);
    w = writer_of(wrapped, sizeof wrapped);
    CHECK(turn_wrap(turn, now(), &peer_a, VIEW_LIT("hello"), &w));
    CHECK_INT(w.len, 9);
    CHECK_INT(wrapped[0] << 8 | wrapped[1], first >> 16);
    struct turn_input in = turn_input(turn, now(), writer_done(&w));
    CHECK_INT(in.kind, TURN_INPUT_DATA);
    CHECK(addr_equal(&in.peer, &peer_a));
    CHECK_VIEW(in.data, "hello");
    wrapped[1] ^= 1; /* a channel nobody bound */
    CHECK_INT(turn_input(turn, now(), writer_done(&w)).kind, TURN_INPUT_NONE);
}

/* A channel whose answer is still out keeps its place;
 * a stale nonce in between asks for it again. */
static void test_channels_bound_at_once(void)
{
    struct view out;
    struct addr peers[TURN_CHANNELS];
    int bound = 0;
    start_ready((struct turn_options){V4});
    for (uint16_t i = 0; i < TURN_CHANNELS; i++) {
        peers[i] = addr_v4(192, 0, 2, 10, (uint16_t)(4000 + i));
        CHECK(turn_bind(turn, now(), &peers[i]));
    }
    CHECK(!turn_bind(turn, now(), &peer_b)); /* none is free */
    server.nonce = "two";
    settle();
    for (struct turn_event e = next_event(); (int)e.kind != -1; e = next_event())
        bound += e.kind == TURN_BOUND;
    CHECK_INT(bound, TURN_CHANNELS);
    for (uint16_t i = 0; i < TURN_CHANNELS; i++) {
        uint8_t wrapped[64];
        struct writer w = writer_of(wrapped, sizeof wrapped);
        CHECK(turn_wrap(turn, now(), &peers[i], VIEW_LIT("x"), &w));
        CHECK_INT(w.len, 5);
    }
    CHECK(!turn_output(turn, now(), &out));
}

/* What is forgotten while it is asked for leaves its place to another, but not its answer. */
static void test_forgotten_peers_answer_for_nobody_else(void)
{
    struct view out;
    uint8_t first[TURN_REQUEST_SIZE];
    start_ready((struct turn_options){V4});
    CHECK_INT(turn_permit(turn, now(), &peer_a, 1), 1);
    CHECK(turn_output(turn, now(), &out));
    struct view asked_for_a = view_of(first, out.len);
    memcpy(first, out.at, out.len);
    turn_forbid(turn, &peer_a);
    CHECK_INT(turn_permit(turn, now(), &peer_b, 1), 1);
    server.code = 403;
    serve(asked_for_a);
    CHECK_INT((int)next_event().kind, -1); /* neither is denied: nobody asked for B yet */
    server.code = 0;
    settle();
    struct turn_event e = next_event();
    CHECK_INT(e.kind, TURN_PERMITTED);
    CHECK(addr_equal_ip(&e.peer, &peer_b));
}

static void test_a_relay_without_a_port_is_none(void)
{
    start((struct turn_options){V4});
    server.nowhere = true;
    settle();
    struct turn_event e = next_event();
    CHECK_INT(e.kind, TURN_LOST);
    CHECK(!turn_status(turn).ready);
}

static void test_data_of_strangers_is_dropped(void)
{
    uint8_t bytes[256];
    struct stun_transaction t = {{1}};
    start_ready((struct turn_options){V4});
    for (int permitted = 0; permitted < 2; permitted++) {
        struct writer w = writer_of(bytes, sizeof bytes);
        stun_begin(&w, STUN_INDICATION, STUN_DATA, &t);
        stun_put_address(&w, STUN_XOR_PEER_ADDRESS, &peer_a);
        stun_put(&w, STUN_DATA_VALUE, VIEW_LIT("rtp"));
        stun_finish(&w, false);
        struct turn_input in = turn_input(turn, now(), writer_done(&w));
        CHECK_INT(in.kind, permitted ? TURN_INPUT_DATA : TURN_INPUT_NONE);
        CHECK_INT(turn_permit(turn, now(), &peer_a, 1), 1);
        settle();
    }
}

static void test_every_allocate_error_ends_in_its_action(void)
{
    static const struct {
        uint16_t code;
        enum turn_action action;
    } rows[] = {
        {400, TURN_GIVE_UP},     {403, TURN_GIVE_UP},     {441, TURN_GIVE_UP},
        {442, TURN_GIVE_UP},     {440, TURN_GIVE_UP},     {486, TURN_WAIT_SERVER},
        {508, TURN_WAIT_SERVER}, {500, TURN_WAIT_SERVER}, {437, TURN_NEW_SOCKET},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start((struct turn_options){V4});
        server.code = rows[i].code;
        settle();
        struct turn_event e = next_event();
        if (!CHECK(e.kind == TURN_LOST && e.action == rows[i].action && e.code == rows[i].code))
            printf("# %u: action %d, code %u\n", rows[i].code, (int)e.action, e.code);
        CHECK(tick_is_never(turn_deadline(turn)));
    }
    start((struct turn_options){V4});
    server.code = 300;
    server.alternate = addr_v4(203, 0, 113, 9, 3478);
    settle();
    struct turn_event e = next_event();
    CHECK_INT(e.action, TURN_ALTERNATE);
    CHECK_TEXT(addr_print(&e.alternate).s, "203.0.113.9:3478");
}

static void test_a_family_we_did_not_ask_for_is_given_back(void)
{
    uint32_t lifetime = 1;
    start((struct turn_options){V4});
    server.v4 = false;
    server.v6 = true;
    settle();
    CHECK(stun_read_u32(&server.request, STUN_LIFETIME, &lifetime));
    CHECK_INT(lifetime, 0);
    struct turn_event e = next_event();
    CHECK_INT(e.kind, TURN_LOST);
    CHECK_INT(e.action, TURN_GIVE_UP);
}

/* §7.2: a server gives its default, 600 s, or more. One that gives nothing would have us ask again
 * with every round trip. */
static void test_a_lifetime_too_short_to_keep(void)
{
    uint32_t lifetime = 1;
    start((struct turn_options){V4});
    server.lifetime_s = 0;
    settle();
    CHECK(stun_read_u32(&server.request, STUN_LIFETIME, &lifetime));
    CHECK_INT(lifetime, 0);
    struct turn_event e = next_event();
    CHECK_INT(e.kind, TURN_LOST);
    CHECK_INT(e.action, TURN_WAIT_SERVER);
    CHECK_INT(e.code, 508);

    start_ready((struct turn_options){V4});
    (void)next_event();
    server.lifetime_s = 1;
    run_until(1000 + 301000);
    e = next_event();
    CHECK_INT(e.kind, TURN_LOST);
    CHECK_INT(e.action, TURN_WAIT_SERVER);
}

static void test_asks_for_less(void)
{
    struct view value;
    start((struct turn_options){V4, .want_v6 = true});
    settle();
    CHECK(stun_attribute_find(&server.request, STUN_ADDITIONAL_ADDRESS_FAMILY, &value));
    CHECK(stun_attribute_find(&server.request, STUN_ADDITIONAL_ADDRESS_FAMILY_COTURN, &value));
    CHECK(view_equal(value, VIEW_LIT("\2\0\0\0")));
    CHECK(view_equal(value, VIEW_LIT("\2\0\0\0")));
    static const struct {
        struct turn_options options;
        uint16_t code;
        enum stun_attribute_type gone;
    } rows[] = {
        {{V4, .want_v6 = true}, 440, STUN_ADDITIONAL_ADDRESS_FAMILY},
        {{V4, .even_port = true}, 508, STUN_EVEN_PORT},
        {{V4, .mobility = true}, 405, STUN_MOBILITY_TICKET},
    };
    for (size_t i = 0; i < 3; i++) {
        struct view out;
        start(rows[i].options);
        server.code = rows[i].code;
        for (int n = 0; n < 2 && CHECK(turn_output(turn, now(), &out)); n++)
            serve(out);
        CHECK(stun_attribute_find(&server.request, rows[i].gone, &value));
        server.code = 0;
        settle();
        CHECK(!stun_attribute_find(&server.request, rows[i].gone, &value));
        CHECK_INT(next_event().kind, TURN_ALLOCATED);
    }
}

/* RFC 8656 §7.2: 440 to what asks for IPv4, whatever it asks for besides, of a server without. */
static void test_asks_for_ipv6_alone(void)
{
    struct view value, out;
    start((struct turn_options){V4, .want_v6 = true});
    server.code = 440;
    for (int n = 0; n < 3 && CHECK(turn_output(turn, now(), &out)); n++)
        serve(out);
    CHECK(!stun_attribute_find(&server.request, STUN_ADDITIONAL_ADDRESS_FAMILY, &value));
    CHECK(!stun_attribute_find(&server.request, STUN_REQUESTED_ADDRESS_FAMILY, &value));
    server.code = 0;
    CHECK(turn_output(turn, now(), &out));
    serve(out);
    CHECK(stun_attribute_find(&server.request, STUN_REQUESTED_ADDRESS_FAMILY, &value));
    CHECK(view_equal(value, VIEW_LIT("\2\0\0\0")));
    start((struct turn_options){V4, .want_v6 = true});
    server.code = 440;
    settle();
    CHECK_INT(next_event().action, TURN_GIVE_UP);
}

static void test_gone_on_437(void)
{
    start_ready((struct turn_options){V4});
    server.code = 437;
    run_until(1000 + 300000);
    struct turn_event e = next_event();
    CHECK_INT(e.kind, TURN_LOST);
    CHECK_INT(e.action, TURN_GONE);
    CHECK(!turn_status(turn).ready);
    start_ready((struct turn_options){V4});
    server.code = 437;
    CHECK_INT(turn_permit(turn, now(), &peer_a, 1), 1);
    settle();
    CHECK_INT(next_event().action, TURN_GONE);
}

static void test_stale_nonce_once_not_for_ever(void)
{
    start_ready((struct turn_options){V4});
    server.nonce = "two";
    CHECK_INT(turn_permit(turn, now(), &peer_a, 1), 1);
    settle();
    CHECK_INT(next_event().kind, TURN_PERMITTED);
    CHECK_INT(server.requests, 4);
    /* a server whose every nonce is stale at once */
    static char nonces[8][8];
    struct view out;
    CHECK_INT(turn_permit(turn, now(), &peer_b, 1), 1);
    int sent = 0;
    while (sent < 8 && turn_output(turn, now(), &out)) {
        snprintf(nonces[sent], sizeof nonces[sent], "n%d", sent);
        server.nonce = nonces[sent++];
        serve(out);
    }
    CHECK(sent <= 4);
    CHECK_INT(next_event().kind, TURN_LOST);
}

static void test_silent_server(void)
{
    start((struct turn_options){V4, .request_cap_ms = 1500});
    server.silent = true;
    run_until(1000 + 1499);
    CHECK_INT((int)next_event().kind, -1);
    run_until(1000 + 1500);
    struct turn_event e = next_event();
    CHECK_INT(e.kind, TURN_LOST);
    CHECK_INT(e.action, TURN_WAIT_SERVER);
    CHECK_INT(e.code, 0);
    CHECK(!e.forged);
}

static void test_forged_answers_are_as_if_never_received(void)
{
    start_ready((struct turn_options){V4, .request_cap_ms = 1500});
    server.forge = true;
    CHECK_INT(turn_permit(turn, now(), &peer_a, 1), 1);
    run_until(now_ms + 1500);
    struct turn_event e = next_event();
    CHECK_INT(e.kind, TURN_LOST);
    CHECK(e.forged);
}

static void test_moved_with_a_ticket(void)
{
    struct view value;
    start((struct turn_options){V4, .mobility = true});
    server.ticket = "ticket-1";
    settle();
    CHECK_INT(next_event().kind, TURN_ALLOCATED);
    CHECK_INT(turn_permit(turn, now(), &peer_a, 1), 1);
    settle();
    CHECK_INT(next_event().kind, TURN_PERMITTED);
    server.ticket = "ticket-2";
    turn_moved(turn, now());
    struct view out;
    CHECK(turn_output(turn, now(), &out));
    serve(out);
    CHECK_INT(server.request.method, STUN_REFRESH);
    CHECK(stun_attribute_find(&server.request, STUN_MOBILITY_TICKET, &value));
    CHECK_VIEW(value, "ticket-1");
    CHECK(!stun_attribute_find(&server.request, STUN_LIFETIME, &value));
    CHECK_INT(next_event().kind, TURN_MOVED_OVER);
    settle(); /* permissions are made sure of */
    CHECK_INT(server.request.method, STUN_CREATE_PERMISSION);
    turn_moved(turn, now());
    settle();
    CHECK(turn_status(turn).ready);
    start_ready((struct turn_options){V4});
    turn_moved(turn, now());
    CHECK_INT(next_event().action, TURN_GONE);
}

/* RFC 8489 §6.3.3, §6.3.4: what must be understood and is not makes the transaction fail; what may be ignored does not. */
static void test_answers_beyond_us(void)
{
    start((struct turn_options){V4});
    server.strange = 0x7ffe;
    settle();
    struct turn_event e = next_event();
    CHECK_INT(e.kind, TURN_LOST);
    CHECK_INT(e.action, TURN_GIVE_UP);
    CHECK_INT(server.deletes, 1); /* the server had made one */
    CHECK(!turn_status(turn).ready);

    start((struct turn_options){V4});
    server.strange = 0xfffe;
    settle();
    CHECK_INT(next_event().kind, TURN_ALLOCATED);

    start_ready((struct turn_options){V4});
    server.strange = 0x0003; /* CHANGE-REQUEST: known to STUN, of no meaning in a TURN answer */
    CHECK_INT(turn_permit(turn, now(), &peer_a, 1), 1);
    settle();
    CHECK(!turn_is_permitted(turn, now(), &peer_a));
    e = next_event();
    CHECK_INT(e.kind, TURN_DENIED);

    start_ready((struct turn_options){V4});
    server.strange = 0x7ffe;
    server.code = 508; /* it would be asked again in a while */
    CHECK_INT(turn_permit(turn, now(), &peer_a, 1), 1);
    settle();
    CHECK_INT(next_event().kind, TURN_DENIED);
}

static void test_close(void)
{
    uint32_t lifetime = 1;
    start_ready((struct turn_options){V4});
    turn_close(turn, now());
    settle();
    CHECK(stun_read_u32(&server.request, STUN_LIFETIME, &lifetime));
    CHECK_INT(lifetime, 0);
    CHECK_INT(next_event().kind, TURN_CLOSED);
    CHECK(tick_is_never(turn_deadline(turn)));
    start_ready((struct turn_options){V4});
    server.silent = true;
    turn_close(turn, now());
    run_until(now_ms + 60000);
    CHECK_INT(next_event().kind, TURN_CLOSED);
    start((struct turn_options){V4});
    turn_close(turn, now()); /* before anything was sent: nothing to give back */
    CHECK_INT(next_event().kind, TURN_CLOSED);
}

static void test_rest_password_against_openssl(void)
{
    /* printf '1700000000:siprecd' | openssl dgst -sha1 -hmac 'north' -binary | base64 */
    char password[TURN_REST_PASSWORD_SIZE];
    char line[64] = "";
    FILE *pipe =
        popen("printf '1700000000:siprecd' | openssl dgst -sha1 -hmac north -binary | base64", "r");
    CHECK(pipe && fgets(line, sizeof line, pipe));
    if (pipe)
        pclose(pipe);
    line[strcspn(line, "\n")] = '\0';
    CHECK(turn_rest_password(VIEW_LIT("north"), VIEW_LIT("1700000000:siprecd"), password));
    CHECK_TEXT(password, line);
}

int main(void)
{
    RUN(test_allocate);
    RUN(test_refreshed_at_half_its_life);
    RUN(test_checked_twice);
    RUN(test_permissions_in_one_request_every_240_seconds);
    RUN(test_one_refused_peer_does_not_harm_the_others);
    RUN(test_channel_saves_bytes_and_keeps_its_number);
    RUN(test_channels_bound_at_once);
    RUN(test_forgotten_peers_answer_for_nobody_else);
    RUN(test_a_relay_without_a_port_is_none);
    RUN(test_data_of_strangers_is_dropped);
    RUN(test_every_allocate_error_ends_in_its_action);
    RUN(test_a_family_we_did_not_ask_for_is_given_back);
    RUN(test_a_lifetime_too_short_to_keep);
    RUN(test_asks_for_less);
    RUN(test_asks_for_ipv6_alone);
    RUN(test_gone_on_437);
    RUN(test_stale_nonce_once_not_for_ever);
    RUN(test_silent_server);
    RUN(test_forged_answers_are_as_if_never_received);
    RUN(test_moved_with_a_ticket);
    RUN(test_answers_beyond_us);
    RUN(test_close);
    RUN(test_rest_password_against_openssl);
    turn_destroy(turn);
    stun_key_destroy(key);
    return tap_done();
}
