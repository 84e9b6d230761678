/* turn/pool with two servers of a few lines, in simulated time: the stock, whose an allocation is, servers that fail.
 * RFC 8656 §7.4 for the pauses; RFC 8016 for moves. */
#include "turn/pool.h"

#include "tap.h"

static struct turn_pool *pool;
static int64_t now_ms;
static struct stun_key *key;
static struct turn_pool_event events[256];
static size_t event_count;

/* What each server does, and what it has seen. */
static struct {
    struct addr address;
    bool silent;
    uint16_t code; /* to Allocate */
    struct addr alternate;
    bool mobile; /* gives tickets, and takes them */
    int allocates, permits, probes, deletes, moves;
    int newer; /* of allocates: signed with the second credentials */
} servers[3];
static struct stun_key *newer_key;

static uint32_t deaf;    /* slot + 1 that hears nothing */
static bool known[1100]; /* the server has an allocation of this slot */
static bool moved[1100]; /* the NAT before this slot has another port now */
static bool opened[1100];

static struct tick now(void)
{
    return (struct tick){now_ms * NS_PER_MS};
}

static void put_success(struct writer *w, const struct stun_message *m, uint32_t slot,
                        bool is_mobile)
{
    struct addr mapped =
        addr_v4(198, 51, 100, 7, (uint16_t)(6000 + slot + (moved[slot] ? 500 : 0)));
    struct addr relayed = addr_v4(203, 0, 113, 1, (uint16_t)(50000 + slot));
    if (m->method == STUN_ALLOCATE)
        stun_put_address(w, STUN_XOR_RELAYED_ADDRESS, &relayed);
    if (m->method == STUN_ALLOCATE || m->method == STUN_BINDING)
        stun_put_address(w, STUN_XOR_MAPPED_ADDRESS, &mapped);
    if (m->method == STUN_ALLOCATE || m->method == STUN_REFRESH)
        stun_put_u32(w, STUN_LIFETIME, 600);
    if (is_mobile && m->method == STUN_ALLOCATE)
        stun_put(w, STUN_MOBILITY_TICKET, VIEW_LIT("ticket"));
}

static void serve(const struct turn_pool_packet *packet)
{
    uint8_t held[TURN_REQUEST_SIZE], bytes[512];
    struct stun_message m;
    size_t i = 0;
    while (i < 3 && !addr_equal(&servers[i].address, &packet->to))
        i++;
    memcpy(held, packet->bytes.at, packet->bytes.len);
    CHECK_INT(stun_message_decode(view_of(held, packet->bytes.len), &m), STUN_DECODED);
    opened[packet->slot] = true;
    bool is_newer = newer_key && stun_check(&m, newer_key) == STUN_INTEGRITY_GOOD;
    bool is_signed = is_newer || stun_check(&m, key) == STUN_INTEGRITY_GOOD;
    struct view ticket;
    servers[i].moves += m.method == STUN_REFRESH && is_signed &&
                        stun_attribute_find(&m, STUN_MOBILITY_TICKET, &ticket);
    servers[i].newer += m.method == STUN_ALLOCATE && is_newer;
    servers[i].allocates += m.method == STUN_ALLOCATE && is_signed;
    servers[i].permits += m.method == STUN_CREATE_PERMISSION && is_signed;
    servers[i].probes += m.method == STUN_BINDING;
    uint32_t lifetime;
    servers[i].deletes += m.method == STUN_REFRESH && is_signed &&
                          stun_read_u32(&m, STUN_LIFETIME, &lifetime) && lifetime == 0;
    if (servers[i].silent || m.class != STUN_REQUEST || packet->slot + 1 == deaf)
        return;
    struct writer w = writer_of(bytes, sizeof bytes);
    uint16_t code = m.method == STUN_BINDING ? 0 : !is_signed ? 401 : 0;
    if (m.method == STUN_ALLOCATE && !code)
        code = servers[i].code;
    if (!code && m.method == STUN_ALLOCATE)
        known[packet->slot] = true;
    else if (!code && m.method != STUN_BINDING && !known[packet->slot])
        code = 437;
    stun_begin_answer(&w, code ? STUN_ERROR : STUN_SUCCESS, &m);
    if (code)
        stun_put_error(&w, code, "because");
    if (code == 401) {
        stun_put(&w, STUN_REALM, VIEW_LIT("example.org"));
        stun_put(&w, STUN_NONCE, VIEW_LIT("nonce"));
    }
    if (code == 300)
        stun_put_address(&w, STUN_ALTERNATE_SERVER, &servers[i].alternate);
    if (!code)
        put_success(&w, &m, packet->slot, servers[i].mobile);
    if (is_signed)
        stun_sign(&w, is_newer ? newer_key : key);
    stun_finish(&w, false);
    turn_pool_input(pool, now(), packet->slot, writer_done(&w));
}

static void settle(void)
{
    struct turn_pool_packet out;
    struct turn_pool_event e;
    turn_pool_expire(pool, now());
    for (int i = 0; CHECK(i < 10000) && turn_pool_output(pool, now(), &out); i++)
        serve(&out);
    while (turn_pool_event(pool, &e)) {
        if (e.kind == TURN_POOL_CLOSED)
            opened[e.slot] = false;
        if (event_count < sizeof events / sizeof *events)
            events[event_count++] = e;
    }
}

/* Jumps from deadline to deadline. */
static void run(int64_t ms)
{
    int64_t end = now_ms + ms;
    settle();
    for (int i = 0; CHECK(i < 100000); i++) {
        struct tick next = turn_pool_deadline(pool);
        if (tick_is_never(next) || next.ns > end * NS_PER_MS)
            break;
        int64_t at = (next.ns + NS_PER_MS - 1) / NS_PER_MS;
        now_ms = at > now_ms ? at : now_ms;
        settle();
    }
    now_ms = end;
}

static int told(enum turn_pool_event_kind kind)
{
    int n = 0;
    for (size_t i = 0; i < event_count; i++)
        n += events[i].kind == kind;
    return n;
}

static struct turn_pool_server server_of(size_t i, const char *password)
{
    return (struct turn_pool_server){.address = servers[i].address,
                                     .username = VIEW_LIT("user"),
                                     .password = view_of_string(password)};
}

static void begin_with(struct turn_pool_options options)
{
    options.server_count = options.server_count ? options.server_count : 2;
    options.want_v4 = true;
    options.seed[0] = 9;
    memset(servers, 0, sizeof servers);
    memset(moved, 0, sizeof moved);
    memset(known, 0, sizeof known);
    memset(opened, 0, sizeof opened);
    event_count = 0;
    now_ms = 1000;
    for (size_t i = 0; i < 3; i++) {
        servers[i].address = addr_v4(203, 0, 113, (uint8_t)(1 + i), 3478);
        if (i < options.server_count) {
            bool stream = options.servers[i].stream;
            options.servers[i] = server_of(i, "pass");
            options.servers[i].stream = stream;
        }
    }
    if (!key)
        key = stun_key_create_long(STUN_MD5, VIEW_LIT("user"), VIEW_LIT("example.org"),
                                   VIEW_LIT("pass"));
    turn_pool_destroy(pool);
    pool = turn_pool_create(&options);
}

static void begin(uint8_t ready, uint8_t warm)
{
    begin_with((struct turn_pool_options){.ready = ready, .warm = warm});
}

static const struct turn_pool_event *last(enum turn_pool_event_kind kind)
{
    static const struct turn_pool_event none = {.slot = UINT32_MAX};
    for (size_t i = event_count; i-- > 0;) {
        if (events[i].kind == kind)
            return &events[i];
    }
    return &none;
}

static void test_a_stock_and_a_warm_second(void)
{
    begin(6, 1);
    run(100);
    struct turn_pool_status s = turn_pool_status(pool);
    CHECK_INT(s.ready, 7);
    CHECK_INT(servers[0].allocates, 6);
    CHECK_INT(servers[1].allocates, 1);
    CHECK_INT(told(TURN_POOL_READY), 7);
    uint32_t slot[8];
    for (int i = 0; i < 6; i++) { /* each lent one is replaced; the better server's first */
        CHECK(turn_pool_lend(pool, now(), 100 + (uint64_t)i, &slot[i]));
        CHECK_INT(turn_status(turn_pool_allocation(pool, slot[i])).relayed_v4.port,
                  50000 + slot[i]);
        settle();
    }
    CHECK_INT(servers[0].allocates, 12);
    CHECK_INT(turn_pool_status(pool).lent, 6);
    CHECK_INT(turn_pool_status(pool).ready, 7);
    turn_pool_set_ready(pool, now(), 8, 1);
    run(100);
    CHECK_INT(turn_pool_status(pool).ready, 9);
}

static void test_a_relayed_address_serves_one_src(void)
{
    const struct addr peer = addr_v4(192, 0, 2, 10, 4000);
    uint32_t first, again, other;
    begin(2, 0);
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &first));
    CHECK_INT(turn_permit(turn_pool_allocation(pool, first), now(), &peer, 1), 1);
    run(100);
    CHECK_INT(told(TURN_POOL_PERMITTED), 1);
    turn_pool_give_back(pool, now(), first);
    CHECK_INT(turn_pool_status(pool).reserved, 1);
    /* Nobody else ever gets it, however few there are. */
    for (uint64_t src = 2; src < 30; src++) {
        CHECK(turn_pool_lend(pool, now(), src, &other));
        CHECK(other != first);
        settle();
    }
    /* Its own SRC not before late packets have gone by: another one until then. */
    run(TURN_POOL_REST_MS - 1000);
    CHECK(turn_pool_lend(pool, now(), 1, &again));
    CHECK(again != first);
    run(1000);
    for (uint64_t src = 50; src < 55; src++) { /* nobody else after its rest, either */
        CHECK(turn_pool_lend(pool, now(), src, &other));
        CHECK(other != first);
        settle();
    }
    CHECK(turn_pool_lend(pool, now(), 1, &again));
    CHECK_INT(again, first);
    /* And with the permission standing: no request, no wait; for as long as it is reserved. */
    CHECK(turn_is_permitted(turn_pool_allocation(pool, first), now(), &peer));
    turn_pool_give_back(pool, now(), first);
    int permits = servers[0].permits;
    run(TURN_POOL_KEEP_MS - 5000);
    CHECK(servers[0].permits - permits >= 3);
    CHECK(turn_is_permitted(turn_pool_allocation(pool, first), now(), &peer));
    CHECK_INT(servers[0].deletes, 0);
    run(10000);
    CHECK_INT(servers[0].deletes, 1); /* nobody came */
    CHECK(!opened[first]);
}

static void test_a_dead_server(void)
{
    uint32_t slot, other;
    begin(3, 1);
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    run(100);
    servers[0].silent = true;
    event_count = 0;
    int64_t died = now_ms;
    while (told(TURN_POOL_LOST) == 0 && now_ms < died + 60000)
        run(100);
    /* A probe within 25 s, missed twice: 4 s. */
    CHECK(now_ms - died <= 29200);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 1);
    /* The call goes on at once with the warm one of the second. */
    CHECK_INT(turn_pool_status(pool).active, 1);
    CHECK(turn_pool_lend(pool, now(), 1, &other));
    CHECK_INT(turn_status(turn_pool_allocation(pool, other)).ready, true);
    run(30000);
    CHECK_INT(told(TURN_POOL_CLOSED), 4 + 2); /* and tries after 5 s, and 10 s after that failed */
    CHECK(servers[1].allocates >= 4);         /* the stock is made there now */
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 1);
    /* It comes back: tried again, and first choice again. */
    servers[0].silent = false;
    run(60000);
    CHECK_INT(told(TURN_POOL_SERVER_UP), 1);
    CHECK_INT(turn_pool_status(pool).active, 0);
    CHECK(turn_pool_lend(pool, now(), 7, &slot));
    CHECK(servers[0].allocates >= 5);
}

/* 486: what it gave us still serves; new ones come from the other, for a minute (RFC 8656 §7.4). */
static void test_a_quota(void)
{
    uint32_t slot;
    begin(2, 0);
    run(100);
    servers[0].code = 486;
    event_count = 0;
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    run(1000);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 1);
    CHECK_INT(told(TURN_POOL_LOST), 0);
    int asked = servers[0].allocates;
    CHECK_INT(servers[1].allocates, 2);
    CHECK(turn_pool_lend(pool, now(), 2, &slot));
    CHECK_INT(turn_status(turn_pool_allocation(pool, slot)).ready, true);
    run(TURN_PAUSE_MS - 5000);
    CHECK_INT(servers[0].allocates, asked); /* not asked in the pause */
    servers[0].code = 0;
    run(10000);
    CHECK(servers[0].allocates > asked);
}

static void test_wrong_credentials_do_not_storm(void)
{
    uint32_t slot;
    begin(4, 1);
    servers[0].code = servers[1].code = 403;
    run(600000);
    CHECK(!turn_pool_lend(pool, now(), 1, &slot));
    CHECK_INT(turn_pool_status(pool).refused, 1);
    CHECK(servers[0].allocates <= 4 * 11); /* a batch a minute */
    CHECK_INT(turn_pool_status(pool).making + turn_pool_status(pool).ready, 0);
}

static void test_alternate_servers(void)
{
    static const struct addr third = {ADDR_V4, {203, 0, 113, 3}, 3478, 0};
    uint32_t slot;
    begin(1, 0);
    servers[0].code = 300;
    servers[0].alternate = third;
    run(1000);
    CHECK_INT(turn_pool_status(pool).ready, 1);
    CHECK_INT(servers[2].allocates, 1);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    /* Not into a network that only the server is in, and not in circles. */
    static const uint8_t barred[][4] = {{10, 0, 0, 1},      {127, 0, 0, 1},   {169, 254, 169, 254},
                                        {168, 63, 129, 16}, {192, 0, 0, 192}, {240, 0, 0, 1},
                                        {0, 0, 0, 1},       {224, 0, 0, 1},   {255, 255, 255, 255}};
    for (size_t i = 0; i < sizeof barred / sizeof *barred; i++) {
        const uint8_t *ip = barred[i];
        begin(1, 0);
        servers[0].code = 300;
        servers[0].alternate = addr_v4(ip[0], ip[1], ip[2], ip[3], 3478);
        run(1000);
        CHECK_INT(told(TURN_POOL_SERVER_DOWN), 1);
    }
    begin(1, 0);
    servers[0].code = servers[2].code = 300;
    servers[0].alternate = third;
    servers[2].alternate = servers[0].address;
    run(10000);
    CHECK(servers[0].allocates + servers[2].allocates <= 4);
    CHECK_INT(turn_pool_status(pool).active, 1);
}

/* The NAT before us has another port for this socket: the server knows it no more. */
static void test_a_moved_mapping_is_noticed(void)
{
    uint32_t slot;
    begin(1, 0);
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    run(100);
    moved[slot] = true;
    event_count = 0;
    run(26000);
    CHECK_INT(told(TURN_POOL_LOST), 1);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 0);
    CHECK_INT(turn_pool_status(pool).ready, 1);
}

static void test_a_day_leaks_nothing(void)
{
    struct rng rng;
    uint32_t lent[8];
    size_t count = 0;
    begin(4, 1);
    rng_init_number(&rng, 3);
    for (int i = 0; i < 2000; i++) {
        run(rng_below(&rng, 90000));
        if (count < 8 && rng_below(&rng, 2)) {
            count += turn_pool_lend(pool, now(), 1 + rng_below(&rng, 20), &lent[count]);
        } else if (count > 0) {
            turn_pool_give_back(pool, now(), lent[--count]);
        }
        servers[0].silent = rng_below(&rng, 50) == 0;
        event_count = 0;
        struct turn_pool_status s = turn_pool_status(pool);
        CHECK(s.making + s.ready + s.reserved + s.lent + s.closing <= TURN_POOL_SLOTS);
    }
    servers[0].silent = false;
    run(120000);
    for (size_t i = 0; i < count; i++)
        turn_pool_give_back(pool, now(), lent[i]);
    turn_pool_drain(pool, now());
    run(60000);
    struct turn_pool_status s = turn_pool_status(pool);
    CHECK_INT(s.making + s.ready + s.reserved + s.lent + s.closing, 0);
    for (size_t i = 0; i < TURN_POOL_SLOTS; i++)
        CHECK(!opened[i]);
}

/* Who answers calls picks by the tickets it was told of; by then the slot may be another's, or gone. */
static void test_the_very_one(void)
{
    begin(3, 0);
    run(100);
    struct turn_pool_event one = *last(TURN_POOL_READY);
    CHECK(!turn_pool_take(pool, now(), one.slot, one.generation + 1, 5));
    CHECK(!turn_pool_take(pool, now(), 9999, one.generation, 5));
    CHECK(turn_pool_take(pool, now(), one.slot, one.generation, 5));
    CHECK(!turn_pool_take(pool, now(), one.slot, one.generation, 5)); /* lent already */
    turn_pool_give_back(pool, now(), one.slot);
    CHECK(!turn_pool_take(pool, now(), one.slot, one.generation, 5)); /* it rests */
    event_count = 0;
    run(TURN_POOL_REST_MS);
    CHECK_INT(told(TURN_POOL_RESTED), 1);
    CHECK_INT(last(TURN_POOL_RESTED)->slot, one.slot);
    CHECK_INT(last(TURN_POOL_RESTED)->generation, one.generation);
    CHECK_INT(last(TURN_POOL_RESTED)->src, 5);
    CHECK(!turn_pool_take(pool, now(), one.slot, one.generation, 6));
    CHECK(turn_pool_take(pool, now(), one.slot, one.generation, 5));
    turn_pool_give_back(pool, now(), one.slot);
    event_count = 0;
    run(TURN_POOL_KEEP_MS + 1000);
    CHECK_INT(last(TURN_POOL_WITHDRAWN)->slot, one.slot);
    CHECK_INT(told(TURN_POOL_CLOSED), 1);
}

/* A stream went silent: within a second it is known whether the server is dead; all that stands there is withdrawn, and
 * the warm one of the second server serves. */
static void test_a_suspected_server(void)
{
    uint32_t slot, other;
    begin(3, 1);
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    CHECK(turn_pool_lend(pool, now(), 2, &other));
    run(1000);
    event_count = 0;
    int probes = servers[0].probes;
    turn_pool_suspect(pool, now(), slot);
    turn_pool_suspect(pool, now(), slot); /* once is enough */
    run(1000);
    CHECK_INT(servers[0].probes, probes + 1); /* it answers */
    CHECK_INT(told(TURN_POOL_LOST), 0);

    servers[0].silent = true;
    probes = servers[0].probes;
    turn_pool_suspect(pool, now(), slot);
    run(500);
    CHECK_INT(servers[0].probes, probes + 3);
    run(250);
    CHECK_INT(told(TURN_POOL_LOST), 1);
    CHECK_INT(last(TURN_POOL_LOST)->slot, slot);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 1);
    CHECK_INT(last(TURN_POOL_SERVER_DOWN)->code, 0);
    run(750);
    CHECK_INT(told(TURN_POOL_LOST), 2); /* the other call's, too, and what stood ready */
    CHECK_INT(told(TURN_POOL_WITHDRAWN), 3);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    CHECK(turn_status(turn_pool_allocation(pool, slot)).ready);
    CHECK_INT(turn_pool_server_status(pool, 0).is_down, true);
    CHECK_INT(turn_pool_server_status(pool, 1).lent, 1);

    /* One whose answers alone are lost says nothing of the server: the others hear it. */
    begin(2, 0);
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    run(100);
    event_count = 0;
    deaf = slot + 1;
    turn_pool_suspect(pool, now(), slot);
    run(2000);
    deaf = 0;
    CHECK_INT(told(TURN_POOL_LOST), 1);
    CHECK_INT(told(TURN_POOL_SERVER_UP), 1);
    CHECK_INT(turn_pool_status(pool).active, 0);
    CHECK_INT(turn_pool_status(pool).ready, 2); /* withdrawn for a moment, and offered again */
    CHECK(told(TURN_POOL_READY) >= 2);
}

/* Data of a peer's on a channel would do as well: a Data indication needs no binding (RFC 8656 §11.4). */
static void deliver(uint32_t slot)
{
    static const struct stun_transaction any = {{7}};
    const struct addr peer = addr_v4(192, 0, 2, 10, 4000);
    uint8_t bytes[128];
    struct writer w = writer_of(bytes, sizeof bytes);
    stun_begin(&w, STUN_INDICATION, STUN_DATA, &any);
    stun_put_address(&w, STUN_XOR_PEER_ADDRESS, &peer);
    stun_put(&w, STUN_DATA_VALUE, VIEW_LIT("a packet"));
    stun_finish(&w, false);
    CHECK_INT(turn_pool_input(pool, now(), slot, writer_done(&w)).kind, TURN_INPUT_DATA);
}

/* It drops what it has no time for, our questions too, and delivers the rest: what it would take for dead were every
 * call at once. */
static void test_a_busy_server(void)
{
    const struct addr peer = addr_v4(192, 0, 2, 10, 4000);
    uint32_t silent, other;
    begin(2, 1);
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &silent));
    CHECK(turn_pool_lend(pool, now(), 2, &other));
    (void)turn_permit(turn_pool_allocation(pool, silent), now(), &peer, 1);
    (void)turn_permit(turn_pool_allocation(pool, other), now(), &peer, 1);
    run(100);
    event_count = 0;
    servers[0].silent = true;
    turn_pool_suspect(pool, now(), silent);
    for (int i = 0; i < 20; i++) {
        run(100);
        deliver(other);
    }
    CHECK_INT(told(TURN_POOL_LOST), 0);
    for (int i = 0; i < 30; i++) {
        if (i < 15)
            deliver(silent); /* no answer, but proof; the Refresh that has none is sent again */
        run(100);
        deliver(other);
    }
    CHECK_INT(told(TURN_POOL_LOST), 0);

    /* What is not heard for long goes alone, with no doubt about the others. */
    turn_pool_suspect(pool, now(), silent);
    for (int i = 0; i < 34; i++) {
        run(100);
        deliver(other);
    }
    CHECK_INT(told(TURN_POOL_LOST), 1);
    CHECK_INT(last(TURN_POOL_LOST)->slot, silent);
    CHECK_INT(told(TURN_POOL_WITHDRAWN), 0);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 0);

    /* It delivers no more: dead, as soon as ever. */
    turn_pool_suspect(pool, now(), other);
    run(750);
    CHECK_INT(told(TURN_POOL_LOST), 2);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 1);
}

/* What stands by goes on standing by while a better server is tried again and again. */
static void test_the_warm_one_stays(void)
{
    begin_with((struct turn_pool_options){.server_count = 3, .ready = 2, .warm = 1});
    servers[1].silent = true;
    run(5000);
    CHECK_INT(turn_pool_server_status(pool, 2).ready, 1);
    event_count = 0;
    for (int i = 0; i < 1200; i++) {
        run(100);
        if (!CHECK_INT(turn_pool_server_status(pool, 2).ready, 1))
            break;
    }
    CHECK_INT(told(TURN_POOL_WITHDRAWN), 0);
    servers[1].silent = false;
    run(61000);
    CHECK_INT(turn_pool_server_status(pool, 1).ready, 1);
    CHECK_INT(turn_pool_server_status(pool, 2).ready, 0);
}

/* A connection that a NAT forgot is made anew at once; one that the server ends again and again is not. */
static void test_connections_end(void)
{
    struct turn_pool_options options = {.ready = 2};
    options.servers[0].stream = options.servers[1].stream = true;
    uint32_t slot;
    begin_with(options);
    run(20000);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    run(20000);
    event_count = 0;
    turn_pool_lost_socket(pool, now(), slot);
    run(100);
    CHECK_INT(told(TURN_POOL_LOST), 1);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 0);
    CHECK_INT(turn_pool_server_status(pool, 0).ready, 2);
    CHECK_INT(servers[1].allocates, 0);
    struct turn_pool_event fresh = *last(TURN_POOL_READY);
    CHECK(turn_pool_take(pool, now(), fresh.slot, fresh.generation, 1));
    run(100);
    turn_pool_lost_socket(pool, now(), fresh.slot);
    int allocates = servers[0].allocates;
    run(9000);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 1);
    CHECK_INT(servers[0].allocates, allocates);
    CHECK_INT(turn_pool_status(pool).active, 1);
    run(2000);
    CHECK_INT(turn_pool_status(pool).active, 0);
}

/* The server comes up again and knows nothing: silence in one call tells, and nothing that stood there is picked. */
static void test_a_restarted_server(void)
{
    uint32_t slot, other;
    begin(3, 0);
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    CHECK(turn_pool_lend(pool, now(), 2, &other));
    turn_pool_give_back(pool, now(), other); /* kept for its SRC */
    run(TURN_POOL_REST_MS);
    memset(known, 0, sizeof known);
    int allocates = servers[0].allocates;
    event_count = 0;
    turn_pool_suspect(pool, now(), slot);
    settle();
    CHECK_INT(events[0].kind, TURN_POOL_WITHDRAWN); /* the others first */
    CHECK_INT(told(TURN_POOL_WITHDRAWN), 4);
    CHECK_INT(told(TURN_POOL_LOST), 1);
    CHECK_INT(last(TURN_POOL_LOST)->code, 437);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 0);
    run(100);
    CHECK_INT(servers[0].allocates, allocates + 3);
    CHECK_INT(turn_pool_status(pool).ready, 3);
    CHECK_INT(turn_pool_status(pool).reserved, 0);

    /* Nobody calls: it is noticed all the same. */
    memset(known, 0, sizeof known);
    event_count = 0;
    run(26000);
    CHECK_INT(told(TURN_POOL_WITHDRAWN), 3);
    CHECK_INT(turn_pool_status(pool).ready, 3);
}

/* Time-limited credentials: new allocations first, then the old ones go; who is lent one keeps it, and is told before
 * it ends. */
static void test_new_credentials(void)
{
    uint32_t slot;
    begin(3, 1);
    struct turn_pool_server old = server_of(0, "pass"), newer = server_of(0, "second");
    newer_key = stun_key_create_long(STUN_MD5, VIEW_LIT("user"), VIEW_LIT("example.org"),
                                     VIEW_LIT("second"));
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    run(100);
    old.expires = tick_add_ms(now(), 3600 * 1000);
    CHECK(turn_pool_set_credentials(pool, now(), 0, &old)); /* the same: nothing happens */
    CHECK_INT(servers[0].deletes, 0);
    event_count = 0;
    int before = servers[0].allocates;
    CHECK(turn_pool_set_credentials(pool, now(), 0, &newer));
    CHECK_INT(turn_pool_status(pool).ready, 4); /* until the new ones stand */
    run(100);
    CHECK_INT(servers[0].allocates, before + 3);
    CHECK_INT(servers[0].newer, 3);
    CHECK_INT(servers[0].deletes, 3);
    CHECK_INT(told(TURN_POOL_WITHDRAWN), 3);
    CHECK_INT(turn_pool_status(pool).ready, 4);
    CHECK_INT(told(TURN_POOL_LOST), 0);
    CHECK_INT(turn_pool_status(pool).lent, 1);
    turn_pool_give_back(pool, now(), slot);
    run(100);
    CHECK_INT(servers[0].deletes, 4); /* not kept for its SRC: it could not be refreshed for long */

    /* What is lent for longer than its credentials live is told of in time. */
    newer.expires = tick_add_ms(now(), 3600 * 1000);
    newer.password = VIEW_LIT("pass");
    CHECK(turn_pool_set_credentials(pool, now(), 0, &newer));
    run(100);
    CHECK(turn_pool_lend(pool, now(), 2, &slot));
    event_count = 0;
    run(3600 * 1000 - TURN_POOL_ENDING_MS - 2000);
    CHECK_INT(told(TURN_POOL_ENDING), 0);
    run(5000);
    CHECK_INT(told(TURN_POOL_ENDING), 1);
    CHECK_INT(last(TURN_POOL_ENDING)->slot, slot);
    CHECK_INT(told(TURN_POOL_LOST), 0);
    stun_key_destroy(newer_key);
    newer_key = NULL;
}

/* The servers' names lead elsewhere now: what is lent goes on, what stands at one that stays is kept. */
static void test_other_servers(void)
{
    uint32_t slot;
    begin(3, 1);
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    run(100);
    struct turn_pool_server list[2] = {server_of(1, "pass"), server_of(2, "pass")};
    event_count = 0;
    CHECK(turn_pool_set_servers(pool, now(), list, 2));
    run(100);
    CHECK_INT(turn_pool_status(pool).lent, 1);
    CHECK_INT(servers[0].deletes, 3);
    CHECK_INT(servers[1].allocates, 3); /* the warm one is the first of the three now */
    CHECK_INT(servers[2].allocates, 1);
    run(200000);
    CHECK_INT(told(TURN_POOL_LOST), 0);
    turn_pool_give_back(pool, now(), slot);
    run(100);
    CHECK_INT(servers[0].deletes, 4);
    CHECK(turn_pool_set_servers(pool, now(), list, 0)); /* none at all */
    run(100);
    struct turn_pool_status s = turn_pool_status(pool);
    CHECK_INT(s.making + s.ready + s.reserved + s.lent + s.closing, 0);
    for (size_t i = 0; i < TURN_POOL_SLOTS; i++)
        CHECK(!opened[i]);
}

/* No UDP gets out: relays over TCP stand ready as soon as the server answers, not when UDP has failed. */
static void test_udp_is_blocked(void)
{
    struct turn_pool_options options = {.ready = 4};
    options.servers[1].stream = true;
    begin_with(options);
    servers[0].silent = true;
    run(50);
    CHECK_INT(turn_pool_status(pool).ready, 4);
    CHECK_INT(turn_pool_status(pool).active, 1);
    int asked = servers[0].allocates;
    run(60000);
    CHECK(asked <= 1);
    servers[0].silent = false; /* it gets out after all: preferred again, and the others go */
    run(120000);
    CHECK_INT(turn_pool_status(pool).active, 0);
    CHECK_INT(turn_pool_server_status(pool, 0).ready, 4);
    CHECK_INT(turn_pool_server_status(pool, 1).ready, 0);
}

static void test_our_address_changes(void)
{
    uint32_t slot;
    /* The new network lets no UDP out: the other way is tried at once, not when UDP has failed. */
    struct turn_pool_options two_ways = {.ready = 2};
    two_ways.servers[1].stream = true;
    begin_with(two_ways);
    run(100);
    CHECK_INT(turn_pool_status(pool).active, 0);
    servers[0].silent = true;
    turn_pool_moved(pool, now());
    run(100);
    CHECK_INT(turn_pool_status(pool).active, 1);
    CHECK_INT(turn_pool_status(pool).ready, 2);

    begin_with((struct turn_pool_options){.ready = 2, .mobility = true});
    servers[0].mobile = true;
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    run(100);
    event_count = 0;
    memset(moved, 1, sizeof moved);
    turn_pool_moved(pool, now());
    run(1000);
    CHECK_INT(told(TURN_POOL_REOPEN), 3);
    CHECK_INT(servers[0].moves, 3);
    CHECK_INT(told(TURN_POOL_LOST), 0);
    /* The NAT does it to one of them, unasked: seen by the next probe, and moved once. */
    run(30000);
    CHECK_INT(servers[0].moves, 3);
    moved[slot] = false;
    run(60000);
    CHECK_INT(servers[0].moves, 4);
    CHECK_INT(told(TURN_POOL_LOST), 0);

    begin_with((struct turn_pool_options){.ready = 2, .mobility = true}); /* it gives no tickets */
    run(100);
    CHECK(turn_pool_lend(pool, now(), 1, &slot));
    run(100);
    event_count = 0;
    turn_pool_moved(pool, now());
    run(100);
    CHECK_INT(told(TURN_POOL_LOST), 1);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 0);
    CHECK_INT(turn_pool_status(pool).ready, 2);
}

/* Room for the relays of a busy recorder. */
static void test_a_thousand(void)
{
    static uint32_t slots[1000];
    begin_with((struct turn_pool_options){.slots = 1100, .ready = 50});
    for (uint32_t i = 0; i < 1000; i++) {
        run(50);
        CHECK(turn_pool_lend(pool, now(), 7, &slots[i]));
    }
    CHECK_INT(turn_pool_status(pool).lent, 1000);
    event_count = 0;
    servers[0].silent = true;
    turn_pool_suspect(pool, now(), slots[0]);
    run(1600);
    CHECK_INT(turn_pool_status(pool).lent, 0);
    CHECK_INT(told(TURN_POOL_SERVER_DOWN), 1);
}

int main(void)
{
    RUN(test_a_stock_and_a_warm_second);
    RUN(test_a_relayed_address_serves_one_src);
    RUN(test_a_dead_server);
    RUN(test_a_quota);
    RUN(test_wrong_credentials_do_not_storm);
    RUN(test_alternate_servers);
    RUN(test_a_moved_mapping_is_noticed);
    RUN(test_the_very_one);
    RUN(test_a_suspected_server);
    RUN(test_a_busy_server);
    RUN(test_the_warm_one_stays);
    RUN(test_connections_end);
    RUN(test_a_restarted_server);
    RUN(test_new_credentials);
    RUN(test_other_servers);
    RUN(test_udp_is_blocked);
    RUN(test_our_address_changes);
    RUN(test_a_thousand);
    RUN(test_a_day_leaks_nothing);
    turn_pool_destroy(pool);
    stun_key_destroy(key);
    return tap_done();
}
