/* Tests of nat/gateway: a gateway of a few lines answers as RFC 6887 and RFC 6886 say; time is an
 * integer. The real one is miniupnpd. */
#include "nat/gateway.h"

#include "base/reader.h"
#include "tap.h"

static struct gateway *g;
static int64_t now_ms;

/* The gateway's side. */
static struct {
    bool pcp, natpmp, deaf_to_pcp;
    uint8_t pcp_code;
    uint16_t natpmp_code;
    uint32_t lifetime_s;
    int64_t epoch_started_ms;
    int port_shift; /* it maps to another port than asked */
    struct addr external;
    int requests;
    int64_t last_ms;
    uint8_t last_version;
    uint32_t last_lifetime;
    uint16_t last_internal, last_suggested;
} box;

static struct tick now(void)
{
    return (struct tick){now_ms * NS_PER_MS};
}

static void reset(void)
{
    struct gateway_options options = {.server = addr_v4(192, 168, 1, 1, 5351),
                                      .internal = addr_v4(192, 168, 1, 2, 0)};
    gateway_destroy(g);
    options.seed[0] = 1;
    g = gateway_create(&options);
    memset(&box, 0, sizeof box);
    box.lifetime_s = 3600;
    box.external = addr_v4(203, 0, 113, 7, 0);
    now_ms = 1000;
}

static uint32_t epoch(void)
{
    return (uint32_t)((now_ms - box.epoch_started_ms) / 1000);
}

static void answer_pcp(struct reader r)
{
    char bytes[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    reader_skip(&r, 2);
    box.last_lifetime = reader_u32(&r);
    reader_skip(&r, 16);
    struct view nonce = reader_view(&r, 12);
    uint8_t protocol = reader_u8(&r);
    reader_skip(&r, 3);
    uint16_t internal = reader_u16(&r), suggested = reader_u16(&r);
    box.last_internal = internal;
    box.last_suggested = suggested;
    if (!box.pcp)
        return;
    writer_u8(&w, 2);
    writer_u8(&w, 0x81);
    writer_u8(&w, 0);
    writer_u8(&w, box.pcp_code);
    writer_u32(&w, box.last_lifetime ? box.lifetime_s : 0);
    writer_u32(&w, epoch());
    writer_fill(&w, 0, 12);
    writer_view(&w, nonce);
    writer_u8(&w, protocol);
    writer_fill(&w, 0, 3);
    writer_u16(&w, internal);
    writer_u16(&w, (uint16_t)(suggested + box.port_shift));
    writer_fill(&w, 0, 10);
    writer_fill(&w, 0xff, 2);
    writer_view(&w, view_of(box.external.ip, 4));
    CHECK(gateway_input(g, now(), writer_done(&w)));
}

static void answer_natpmp(struct reader r, uint8_t opcode)
{
    char bytes[32];
    struct writer w = writer_of(bytes, sizeof bytes);
    if (!box.natpmp)
        return;
    writer_u8(&w, 0);
    writer_u8(&w, (uint8_t)(0x80 | opcode));
    writer_u16(&w, box.natpmp_code);
    writer_u32(&w, epoch());
    if (opcode == 0) {
        writer_view(&w, view_of(box.external.ip, 4));
    } else {
        reader_skip(&r, 2);
        uint16_t internal = reader_u16(&r), suggested = reader_u16(&r);
        uint32_t lifetime = reader_u32(&r);
        box.last_internal = internal;
        box.last_suggested = suggested;
        box.last_lifetime = lifetime;
        writer_u16(&w, internal);
        writer_u16(&w, lifetime ? (uint16_t)(suggested + box.port_shift) : 0);
        writer_u32(&w, lifetime ? box.lifetime_s : 0);
    }
    CHECK(gateway_input(g, now(), writer_done(&w)));
}

static void settle(void)
{
    struct view out;
    gateway_expire(g, now());
    for (int i = 0; i < 600 && gateway_output(g, now(), &out); i++) {
        struct reader r = reader_of(out);
        box.requests++;
        box.last_ms = now_ms;
        box.last_version = reader_u8(&r);
        uint8_t opcode = reader_u8(&r);
        if (box.last_version == 2 && !box.pcp && box.natpmp && !box.deaf_to_pcp) {
            char refuse[] = "\0\0\0\1\0\0\0\0"; /* RFC 6886 §3.5 */
            CHECK(gateway_input(g, now(), view_of(refuse, 8)));
        } else if (box.last_version == 2) {
            answer_pcp(r);
        } else {
            answer_natpmp(r, opcode);
        }
    }
}

static void run_until(int64_t ms)
{
    settle();
    for (int i = 0; i < 100000; i++) {
        struct tick next = gateway_deadline(g);
        if (tick_is_never(next) || next.ns > ms * NS_PER_MS)
            break;
        if (next.ns > now().ns)
            now_ms = (next.ns + NS_PER_MS - 1) / NS_PER_MS;
        settle();
    }
    now_ms = ms;
}

static struct gateway_event next_event(void)
{
    struct gateway_event e = {.kind = (enum gateway_event_kind) - 1};
    (void)gateway_event(g, &e);
    return e;
}

static void test_pcp_maps_at_once_and_renews_before_5_8(void)
{
    reset();
    box.pcp = true;
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
    settle();
    CHECK_INT(box.requests, 1);
    struct gateway_event e = next_event();
    CHECK_INT(e.kind, GATEWAY_MAPPED);
    CHECK_TEXT(addr_print(&e.external).s, "203.0.113.7:10000");
    run_until(1000 + 1799000);
    CHECK_INT(box.requests, 1);
    run_until(1000 + 2250001);
    CHECK_INT(box.requests, 2);
    CHECK_INT((int)next_event().kind, -1); /* renewed as it was: no news */
    CHECK_INT(gateway_status(g).mapped, 1);
}

static void test_another_port_is_told_and_suggested_again(void)
{
    reset();
    box.pcp = true;
    box.port_shift = 7;
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
    settle();
    CHECK_INT(next_event().external.port, 10007);
    box.port_shift = 0;
    run_until(1000 + 2300000);
    CHECK_INT(box.last_suggested, 10007); /* §11.2.1: what was assigned, not what was wanted */
    box.external = addr_v4(203, 0, 113, 99, 0);
    run_until(1000 + 4600000);
    struct gateway_event e = next_event();
    CHECK_INT(e.kind, GATEWAY_MAPPED);
    CHECK_TEXT(addr_print(&e.external).s, "203.0.113.99:10007");
}

static void test_natpmp_after_a_refusal_and_after_silence(void)
{
    for (int silent = 0; silent < 2; silent++) {
        reset();
        box.natpmp = !silent;
        CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
        CHECK(gateway_map(g, now(), PORTMAP_TCP, 5060));
        if (silent) {
            run_until(1000 + 600);
            CHECK_INT(box.last_version, 2);
            box.natpmp = box.deaf_to_pcp =
                true; /* it drops what it does not know, as old boxes do */
        }
        run_until(1000 + 3000);
        CHECK_INT(box.last_version, 0);
        CHECK_INT(gateway_status(g).speech, GATEWAY_NATPMP);
        CHECK_INT(gateway_status(g).mapped, 2);
        struct gateway_event a = next_event(), b = next_event();
        CHECK_INT(a.kind, GATEWAY_MAPPED);
        CHECK_INT(b.kind, GATEWAY_MAPPED);
        CHECK_TEXT(addr_print(&a.external).s, "203.0.113.7:10000");
    }
}

static void test_mute_gateway_is_left_alone(void)
{
    reset();
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
    run_until(1000 + 300000);
    CHECK_INT(next_event().kind, GATEWAY_SILENT);
    int asked = box.requests;
    CHECK(asked <= 3 + 9 + 9);
    run_until(1000 + 86400000);
    CHECK_INT(box.requests, asked);
    CHECK(tick_is_never(gateway_deadline(g)));
    box.pcp = true;
    gateway_retry(g, now());
    settle();
    CHECK_INT(next_event().kind, GATEWAY_MAPPED);
}

/* NAT-PMP knows no IPv6 (RFC 6886 §3): who speaks that alone is as good as mute. */
static void test_ipv6_by_pcp_alone(void)
{
    for (int silent = 0; silent < 2; silent++) {
        struct gateway_options options = {.internal = {.family = ADDR_V6, .ip = {0x2a, [15] = 2}},
                                          .server = {.family = ADDR_V6, .ip = {0xfe, 0x80}}};
        reset();
        gateway_destroy(g);
        g = gateway_create(&options);
        box.natpmp = true;
        box.deaf_to_pcp = silent;
        CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
        run_until(1000 + 60000);
        CHECK_INT(next_event().kind, GATEWAY_SILENT);
        CHECK_INT(gateway_status(g).speech, GATEWAY_MUTE);
        CHECK_INT(box.last_version, 2);
    }
}

static void test_restart_is_seen_by_its_epoch(void)
{
    reset();
    box.pcp = true;
    for (uint16_t port = 10000; port < 10010; port++)
        CHECK(gateway_map(g, now(), PORTMAP_UDP, port));
    settle();
    while ((int)next_event().kind != -1)
        ;
    run_until(1000 + 600000);
    box.epoch_started_ms = now_ms; /* rebooted: its clock starts again */
    int before = box.requests;
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 20000));
    run_until(now_ms + 5000);
    CHECK_INT(next_event().kind, GATEWAY_RESTARTED);
    CHECK_INT(box.requests - before, 11);
    CHECK_INT(box.last_suggested != 0, 1);
}

static void test_a_moving_clock_is_no_restart(void)
{
    reset();
    box.pcp = true;
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
    settle();
    CHECK_INT(next_event().kind, GATEWAY_MAPPED);
    for (int i = 0; i < 50; i++)
        run_until(now_ms + 2250001);
    CHECK_INT((int)next_event().kind, -1);
}

static void test_refusals_wait_their_time(void)
{
    reset();
    box.pcp = true;
    box.pcp_code = 2;
    box.lifetime_s = 1800; /* of the error */
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
    settle();
    struct gateway_event e = next_event();
    CHECK_INT(e.kind, GATEWAY_REFUSED);
    CHECK_INT(e.result, PORTMAP_REFUSED);
    run_until(1000 + 1799999);
    CHECK_INT(box.requests, 1); /* §11.4: not within that lifetime */
    box.pcp_code = 0;
    run_until(1000 + 1800000);
    CHECK_INT(next_event().kind, GATEWAY_MAPPED);
}

static void test_unmap(void)
{
    reset();
    box.pcp = true;
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
    CHECK(!gateway_map(g, now(), PORTMAP_UDP, 10000));
    settle();
    gateway_unmap(g, now(), PORTMAP_UDP, 10000);
    settle();
    CHECK_INT(box.last_lifetime, 0);
    CHECK_INT(gateway_status(g).wanted, 0);
    CHECK(tick_is_never(gateway_deadline(g)));
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
    settle();
    box.pcp = false;
    gateway_unmap(g, now(), PORTMAP_UDP, 10000);
    run_until(now_ms + 100000);
    CHECK_INT(gateway_status(g).wanted, 0); /* given up after three tries */
}

/* "Is it still mapped?" forgets no mapping that stood: it is given back as ever. */
static void test_unmap_while_asked_again(void)
{
    for (int natpmp = 0; natpmp < 2; natpmp++) {
        reset();
        box.pcp = !natpmp;
        box.natpmp = natpmp;
        CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
        CHECK(gateway_map(g, now(), PORTMAP_UDP, 10001));
        run_until(1000 + 3000);
        CHECK_INT(gateway_status(g).mapped, 2);
        gateway_retry(g, now());
        box.last_lifetime = 1;
        gateway_unmap(g, now(), PORTMAP_UDP, 10001);
        run_until(now_ms + 3000);
        CHECK_INT(gateway_status(g).wanted, 1);
        CHECK_INT(box.last_lifetime, 0);
        CHECK_INT(box.last_internal, 10001);
    }
    int before = box.requests;
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 10002)); /* never asked for */
    gateway_unmap(g, now(), PORTMAP_UDP, 10002);
    run_until(now_ms + 3000);
    CHECK_INT(box.requests, before);
}

/* At the end nobody waits for answers: each mapping is given back at once, however many requests may be under way. */
static void test_end_gives_all_back(void)
{
    for (int natpmp = 0; natpmp < 2; natpmp++) {
        struct view out;
        uint16_t port = 10000;
        reset();
        box.pcp = !natpmp;
        box.natpmp = natpmp;
        for (; port < 10020; port++)
            CHECK(gateway_map(g, now(), PORTMAP_UDP, port));
        run_until(1000 + 3000);
        CHECK_INT(gateway_status(g).mapped, 20);
        gateway_unmap(g, now(), PORTMAP_UDP, 10019);
        CHECK(gateway_output(g, now(), &out)); /* lost */
        box.pcp = box.natpmp = false;
        CHECK(gateway_map(g, now(), PORTMAP_UDP,
                          20000)); /* not asked for yet: nothing to give back */
        for (port = 10000; gateway_end(g, &out); port++) {
            struct reader r = reader_of(out);
            CHECK_INT(reader_u8(&r), natpmp ? 0 : 2);
            CHECK_INT(reader_u8(&r), 1); /* MAP; UDP */
            reader_skip(&r, natpmp ? 2 : 2 + 4 + 16 + 12 + 4);
            CHECK_INT(reader_u16(&r), port);
            reader_skip(&r, 2);
            r = natpmp ? r : reader_of(out);
            reader_skip(&r, natpmp ? 0 : 4);
            CHECK_INT(reader_u32(&r), 0);
        }
        CHECK_INT(port, 10020);
        CHECK_INT(gateway_status(g).wanted, 0);
        CHECK(tick_is_never(gateway_deadline(g)));
    }
}

static void test_expired_without_an_answer(void)
{
    reset();
    box.pcp = true;
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
    settle();
    CHECK_INT(next_event().kind, GATEWAY_MAPPED);
    box.pcp = false;
    int before = box.requests;
    run_until(1000 + 3599000);
    CHECK(box.requests - before >= 3 && box.requests - before < 20);
    run_until(1000 + 3600000);
    CHECK_INT(next_event().kind, GATEWAY_LOST);
}

static void test_answers_to_nobody(void)
{
    static const char bytes[] = "\x02\x81\0\0"
                                "\0\0\0\x78"
                                "\0\0\0\x05"
                                "\0\0\0\0\0\0\0\0\0\0\0\0"
                                "wrong--nonce"
                                "\x11\0\0\0"
                                "\x27\x10\x4e\x20"
                                "\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\x07";
    reset();
    CHECK(gateway_map(g, now(), PORTMAP_UDP, 10000));
    CHECK(!gateway_input(g, now(), view_of(bytes, 60)));
    CHECK(!gateway_input(g, now(), VIEW_LIT("\0\x81\0\0\0\0\0\x09\x27\x10\x27\x10\0\0\x0e\x10")));
    CHECK_INT((int)next_event().kind, -1);
}

int main(void)
{
    RUN(test_pcp_maps_at_once_and_renews_before_5_8);
    RUN(test_another_port_is_told_and_suggested_again);
    RUN(test_natpmp_after_a_refusal_and_after_silence);
    RUN(test_mute_gateway_is_left_alone);
    RUN(test_ipv6_by_pcp_alone);
    RUN(test_restart_is_seen_by_its_epoch);
    RUN(test_a_moving_clock_is_no_restart);
    RUN(test_refusals_wait_their_time);
    RUN(test_unmap);
    RUN(test_unmap_while_asked_again);
    RUN(test_end_gives_all_back);
    RUN(test_expired_without_an_answer);
    RUN(test_answers_to_nobody);
    gateway_destroy(g);
    return tap_done();
}
