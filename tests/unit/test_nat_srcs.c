/* nat/srcs against doc/nat.md 12 and the classes of 1: what a call teaches, how long it is believed,
 * what the next call's choice makes of it. The text is read back by jansson. */
#include "nat/srcs.h"

#include "base/rng.h"
#include "tap.h"

#include <jansson.h>

static const struct wall noon = {INT64_C(1767268800) * NS_PER_S};
static const struct addr sip = {ADDR_V4, {192, 0, 2, 10}, 5060, 0};
static const struct addr public = {ADDR_V4, {192, 0, 2, 10}, 20000, 0};
static const struct addr private = {ADDR_V4, {10, 0, 0, 5}, 20000, 0};
static const struct addr elsewhere = {ADDR_V4, {192, 0, 2, 77}, 23456, 0};

static const struct path_us eim_apdf = {
    .has_stun = true,
    .relay_udp = true,
    .edge = true,
    .behaviour = {.mapping = NAT_MAPPING_INDEPENDENT, .filtering = NAT_FILTERING_ADDRESS_PORT}};
static const struct path_us edm_apdf = {.has_stun = true,
                                        .relay_udp = true,
                                        .behaviour = {.mapping = NAT_MAPPING_ADDRESS_PORT,
                                                      .filtering = NAT_FILTERING_ADDRESS_PORT,
                                                      .scope = NAT_SCOPE_MAPPING}};

static struct src_lesson lesson(struct addr offered, struct addr observed)
{
    return (struct src_lesson){.offered = offered,
                               .signalled = sip,
                               .observed = observed,
                               .good_rtp_ms = 20000,
                               .first_rtp_ms = 120,
                               .answered = PATH_STUN,
                               .listed = true};
}

static void choice_text(const struct path_us *us, const struct src_profile *p, struct addr offered,
                        char out[64])
{
    struct path_src src = {.offered = offered, .signalled = sip};
    struct writer w = writer_of(out, 63);
    src_profile_apply(p, &src);
    struct path_choice c = path_choose(us, &src, 0);
    path_print(&w, &c);
    out[writer_done(&w).len] = 0;
}

/* One call, and the next one's answer is the cell's (sim/cells.tsv, row EIM+APDF). */
static void test_one_call_shows_the_class(void)
{
    const struct {
        struct addr offered, observed;
        bool expected;
        const char *class, *next;
    } cases[] = {
        {public, public, false, "B1", "S+H(ip:port)"},
        {public, addr_with_port(public, 23456), false, "B2", "Rw(ip)"},
        {public, elsewhere, true, "B3", "Rw(perm set)"},
        {private, addr_with_port(sip, 61000), false, "B4", "Rw(SIP ip)"},
        {private, addr_with_port(sip, 20000), false, "B4", "S+H(SIP ip:m port)"},
        {public, elsewhere, false, "B5", "E"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct src_profile p;
        char text[64];
        src_profile_init(&p, noon);
        CHECK(src_profile_class(&p) == NULL);
        struct src_lesson l = lesson(cases[i].offered, cases[i].observed);
        l.expected = cases[i].expected;
        CHECK(src_profile_learn(&p, noon, &l));
        CHECK_TEXT(src_profile_class(&p), cases[i].class);
        choice_text(&eim_apdf, &p, cases[i].offered, text);
        CHECK_TEXT(text, cases[i].next);
        CHECK_INT(p.first_rtp_ms, 120);
    }
    struct src_profile p;
    char text[64];
    src_profile_init(&p, noon);
    struct src_lesson l = lesson(public, public);
    l.followed = true;
    src_profile_learn(&p, noon, &l);
    CHECK_TEXT(src_profile_class(&p), "B6");
    choice_text(&edm_apdf, &p, public, text);
    CHECK_TEXT(text, "RL");
}

static void test_only_good_calls_teach(void)
{
    struct src_profile p;
    src_profile_init(&p, noon);
    struct src_lesson l = lesson(public, addr_with_port(public, 9));
    l.good_rtp_ms = 4999;
    CHECK(!src_profile_learn(&p, noon, &l));
    CHECK(src_profile_class(&p) == NULL && p.calls == 0);
    l.observed = (struct addr){0};
    l.good_rtp_ms = 60000;
    src_profile_learn(&p, noon, &l);
    CHECK(src_profile_class(&p) == NULL);
    l.good_rtp_ms = 0; /* but what ended it at once is remembered */
    l.quiet = PATH_YES;
    CHECK(src_profile_learn(&p, noon, &l));
    CHECK_INT(src_profile_believes(&p, SRC_QUIET), PATH_YES);
    /* A stranger teaches nothing about others. */
    l = lesson(public, elsewhere);
    l.listed = false;
    src_profile_learn(&p, noon, &l);
    CHECK_INT(p.media_count, 0);
    l.observed = public;
    src_profile_learn(&p, noon, &l);
    CHECK_INT(p.media_count, 1);
}

static void test_what_is_seen_replaces(void)
{
    struct src_profile p;
    src_profile_init(&p, noon);
    struct src_lesson l = lesson(public, public);
    src_profile_learn(&p, noon, &l);
    CHECK_INT(src_profile_believes(&p, SRC_SYMMETRIC), PATH_YES);
    l.observed.port = 7777;
    src_profile_learn(&p, noon, &l);
    CHECK_TEXT(src_profile_class(&p), "B2");
    CHECK_INT(p.beliefs[SRC_SYMMETRIC].weight, SRC_WEIGHT);
    /* It no longer follows: relayed, packets of ours went there, and it stayed. */
    l = lesson(public, public);
    l.followed = true;
    src_profile_learn(&p, noon, &l);
    CHECK_TEXT(src_profile_class(&p), "B6");
    l.followed = false;
    l.answered = PATH_REVERSE;
    l.failed = true;
    src_profile_learn(&p, noon, &l);
    CHECK_TEXT(src_profile_class(&p), "B1");
}

static void test_failures(void)
{
    struct src_profile p;
    struct path_src src = {.offered = private, .signalled = sip};
    src_profile_init(&p, noon);
    struct src_lesson l = lesson(private, addr_with_port(sip, 20000));
    src_profile_learn(&p, noon, &l);
    src_profile_apply(&p, &src);
    CHECK_INT(src_profile_used(&p, &eim_apdf, &src), 1u << SRC_KEEPS_PORT);
    l = lesson(private, (struct addr){0}); /* nothing came */
    l.good_rtp_ms = 0;
    l.failed = true;
    l.used = 1u << SRC_KEEPS_PORT;
    CHECK(src_profile_learn(&p, noon, &l));
    CHECK_INT(p.beliefs[SRC_KEEPS_PORT].weight, SRC_WEIGHT / 2);
    CHECK_INT(src_profile_believes(&p, SRC_KEEPS_PORT), PATH_YES);
    src_profile_learn(&p, noon, &l);
    CHECK_INT(src_profile_believes(&p, SRC_KEEPS_PORT), PATH_UNKNOWN);
    /* A good call makes up for one failure. */
    l = lesson(private, addr_with_port(sip, 20000));
    src_profile_learn(&p, noon, &l);
    CHECK_INT(p.beliefs[SRC_KEEPS_PORT].weight, SRC_WEIGHT);
}

static void test_farms(void)
{
    struct src_profile p;
    src_profile_init(&p, noon);
    struct src_lesson l = lesson(public, elsewhere);
    src_profile_learn(&p, noon, &l); /* anybody's, as far as can be told */
    CHECK_TEXT(src_profile_class(&p), "B5");
    src_profile_learn(&p, noon, &l);
    src_profile_learn(&p, noon, &l);
    CHECK_TEXT(src_profile_class(&p), "B3"); /* it came again */
    for (uint8_t i = 0; i < 2 * SRC_MEDIA; i++) {
        l.observed.ip[3] = (uint8_t)(100 + i);
        src_profile_learn(&p, noon, &l);
    }
    CHECK_TEXT(src_profile_class(&p), "B5");
    CHECK_INT(p.media_count, SRC_MEDIA);
    CHECK_INT(p.media[0].ip[3], 100 + 2 * SRC_MEDIA - 1); /* the latest first */
    CHECK_INT(p.media[0].port, 0);
}

/* A call of a stream for each port: the first as offered, the second as seen. */
static void call_from(struct src_profile *p, struct addr offered, struct addr seen_at,
                      const int ports[][2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct src_lesson l = lesson(addr_with_port(offered, (uint16_t)ports[i][0]),
                                     addr_with_port(seen_at, (uint16_t)ports[i][1]));
        l.again = i > 0;
        src_profile_learn(p, noon, &l);
    }
}

#define CALL(p, ...)                                                                               \
    call_from(p, public, public, (const int[][2]){__VA_ARGS__},                                    \
              sizeof((const int[][2]){__VA_ARGS__}) / sizeof(int[2]))

static enum path_answer offset_of(const struct src_profile *p)
{
    return src_profile_believes(p, SRC_PORT_OFFSET);
}

/* doc/nat.md 4, EIM+APDF x B2: a relay; S once a second call has shown the same offset. */
static void test_a_second_call_shows_the_offset(void)
{
    struct src_profile p;
    char text[64];
    src_profile_init(&p, noon);
    CALL(&p, {20000, 21000}, {20002, 21002});
    CHECK_INT(offset_of(&p), PATH_UNKNOWN); /* a NAT that counts up shows two streams so */
    choice_text(&eim_apdf, &p, public, text);
    CHECK_TEXT(text, "Rw(ip)");
    CALL(&p, {20000, 21000}); /* may have found the mapping of the call before */
    CHECK_INT(offset_of(&p), PATH_UNKNOWN);
    CALL(&p, {24680, 25680});
    CHECK_INT(offset_of(&p), PATH_YES);
    CHECK_TEXT(src_profile_class(&p), "B2");
    choice_text(&eim_apdf, &p, public, text);
    CHECK_TEXT(text, "S+H(ip:port)");
    choice_text(&edm_apdf, &p, public, text); /* of no use there */
    CHECK_TEXT(text, "Rw(ip)");
    choice_text(&eim_apdf, &p, addr_with_port(public, 65000), text); /* no port */
    CHECK_TEXT(text, "Rw(ip)");
    CALL(&p, {65000, 41234}); /* nor does that prove anything */
    CHECK_INT(offset_of(&p), PATH_YES);
    CHECK_INT(p.port_offset, 1000);
    src_profile_init(&p, noon); /* downwards, too */
    CALL(&p, {20000, 19500});
    CALL(&p, {20010, 19510});
    CHECK(offset_of(&p) == PATH_YES && p.port_offset == -500);
    /* Behind its NAT it is at SIP's address. */
    src_profile_init(&p, noon);
    call_from(&p, private, sip, (const int[][2]){{20000, 30000}}, 1);
    choice_text(&eim_apdf, &p, private, text);
    CHECK_TEXT(text, "Rw(SIP ip)");
    call_from(&p, private, sip, (const int[][2]){{20006, 30006}}, 1);
    CHECK_TEXT(src_profile_class(&p), "B4");
    choice_text(&eim_apdf, &p, private, text);
    CHECK_TEXT(text, "S+H(SIP ip:m port)");
}

static void test_what_takes_an_offset_away(void)
{
    struct src_profile p, believed;
    char text[64];
    src_profile_init(&p, noon);
    CALL(&p, {20000, 21000});
    CALL(&p, {20002, 21002});
    believed = p;
    CALL(&p, {20004, 33333}); /* one call that says otherwise */
    CHECK_INT(offset_of(&p), PATH_NO);
    CHECK_TEXT(src_profile_class(&p), "B2");
    choice_text(&eim_apdf, &p, public, text);
    CHECK_TEXT(text, "Rw(ip)");
    CALL(&p, {20006, 21006}); /* where it has been another, two are not enough, */
    CALL(&p, {20008, 21008});
    CHECK_INT(offset_of(&p), PATH_NO);
    CALL(&p, {20010, 21010});
    CHECK_INT(offset_of(&p), PATH_YES);
    p = believed; /* a stream that says otherwise is enough */
    CALL(&p, {20004, 21004}, {20006, 33333});
    CHECK_INT(offset_of(&p), PATH_NO);
    CALL(&p, {20014, 21014}, {20016, 33343});
    CALL(&p, {20024, 21024}, {20026, 33353});
    CALL(&p, {20034, 21034}, {20036, 33363});
    CHECK_INT(offset_of(&p), PATH_NO);
    p = believed; /* it keeps its word now */
    CALL(&p, {20004, 20004});
    CHECK_INT(offset_of(&p), PATH_UNKNOWN);
    CHECK_TEXT(src_profile_class(&p), "B1");
    choice_text(&eim_apdf, &p, public, text);
    CHECK_TEXT(text, "S+H(ip:port)");
    CALL(&p, {20006, 21006});
    CHECK_INT(offset_of(&p), PATH_UNKNOWN);
    /* An answer by it that failed: halved, then forgotten, though the relay shows the same. */
    p = believed;
    struct src_lesson l = lesson(addr_with_port(public, 20004), addr_with_port(public, 21004));
    l.failed = true;
    l.used = 1u << SRC_PORT_OFFSET;
    src_profile_learn(&p, noon, &l);
    CHECK_INT(p.beliefs[SRC_PORT_OFFSET].weight, SRC_WEIGHT / 2);
    CHECK_INT(offset_of(&p), PATH_YES);
    l.offered.port = 20006;
    l.observed.port = 21006;
    src_profile_learn(&p, noon, &l);
    CHECK_INT(offset_of(&p), PATH_UNKNOWN);
    char kept[SRC_PROFILE_TEXT];
    src_profile_print(&p, kept); /* not even after a restart is it tried again, */
    CHECK(src_profile_parse(view_of_string(kept), &p));
    for (int i = 1; i < 5; i++)
        CALL(&p, {20010 + 2 * i, 21010 + 2 * i});
    CHECK_INT(offset_of(&p), PATH_UNKNOWN);
    for (int i = 1; i <= 3; i++) /* but another one is */
        CALL(&p, {20020 + 2 * i, 22020 + 2 * i});
    CHECK(offset_of(&p) == PATH_YES && p.port_offset == 2000);
    p = believed;
    src_profile_learn(&p, noon, &l);
    CALL(&p, {20008, 21008}); /* a good call makes up for one */
    CHECK_INT(p.beliefs[SRC_PORT_OFFSET].weight, SRC_WEIGHT);
}

/* NATs without any rule, of one stream a call and of two. */
static void test_random_ports_are_no_offset(void)
{
    struct rng rng;
    rng_init_number(&rng, 20261123);
    for (int streams = 1; streams <= 2; streams++) {
        struct src_profile p;
        src_profile_init(&p, noon);
        unsigned believed = 0;
        for (int call = 0; call < 100000; call++) {
            int ports[2][2];
            for (int i = 0; i < streams; i++) {
                ports[i][0] = 10000 + 2 * (int)rng_below(&rng, 5000);
                ports[i][1] = 1024 + (int)rng_below(&rng, 64512);
            }
            call_from(&p, public, public, (const int(*)[2])ports, (size_t)streams);
            believed += offset_of(&p) == PATH_YES;
        }
        CHECK_INT(believed, 0);
        CHECK_INT(offset_of(&p), PATH_NO);
    }
}

static void test_unused_ones_go(void)
{
    struct src_profile p;
    src_profile_init(&p, noon);
    CHECK(!src_profile_is_stale(&p, wall_add_ms(noon, INT64_C(30) * 86400000)));
    CHECK(src_profile_is_stale(&p, wall_add_ms(noon, INT64_C(30) * 86400000 + 1)));
    struct src_lesson l = lesson(public, public);
    src_profile_learn(&p, wall_add_ms(noon, INT64_C(29) * 86400000), &l);
    CHECK(!src_profile_is_stale(&p, wall_add_ms(noon, INT64_C(50) * 86400000)));
}

static void test_words(void)
{
    struct src_profile p;
    char text[256];
    struct path_src src = {.offered = public, .signalled = sip};
    src_profile_init(&p, noon);
    struct writer w = writer_of(text, sizeof text - 1);
    src_profile_say(&p, 0, &w);
    CHECK_INT(writer_done(&w).len, 0);
    struct src_lesson l = lesson(public, public);
    l.followed = true;
    src_profile_learn(&p, noon, &l);
    src_profile_apply(&p, &src);
    unsigned used = src_profile_used(&p, &edm_apdf, &src);
    CHECK_INT(used, 1u << SRC_LATCHES);
    src_profile_say(&p, used, &w);
    CHECK_VIEW(writer_done(&w), "it sends to where our packets come from (1 earlier call)");
    const struct path_us open = {.is_open = true};
    CHECK_INT(src_profile_used(&p, &open, &src), 0); /* there it needs nothing */
    src_profile_init(&p, noon);
    CALL(&p, {20000, 19500});
    CALL(&p, {20002, 19502});
    src_profile_apply(&p, &src);
    used = src_profile_used(&p, &eim_apdf, &src);
    CHECK_INT(used, 1u << SRC_SYMMETRIC | 1u << SRC_PORT_OFFSET);
    w = writer_of(text, sizeof text - 1);
    src_profile_say(&p, used, &w);
    CHECK_VIEW(writer_done(&w),
               "it sends from another port than it offers, its port is the offered "
               "one -500 (2 earlier calls)");
}

static void test_text_there_and_back(void)
{
    struct src_profile p, back;
    char text[SRC_PROFILE_TEXT], again[SRC_PROFILE_TEXT];
    src_profile_init(&p, noon);
    for (uint8_t i = 0; i < SRC_MEDIA; i++) {
        struct src_lesson l = lesson(public, public);
        static const uint8_t long_ip[16] = {0x20, 1,    0xd,  0xb8, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0};
        l.observed.family = ADDR_V6;
        memcpy(l.observed.ip, long_ip, sizeof long_ip);
        l.observed.ip[15] = i;
        l.first_rtp_ms = INT32_MAX;
        l.rebound = l.followed = true;
        l.one_port = l.reinvites = l.rtcp_mux = l.rtcp_attribute = l.quiet = PATH_NO;
        src_profile_learn(&p, noon, &l);
    }
    for (int f = 0; f < SRC_FACTS; f++) /* as long as it gets */
        p.beliefs[f] = (struct src_belief){PATH_NO, SRC_WEIGHT};
    p.beliefs[SRC_PORT_OFFSET].answer = PATH_YES;
    p.port_offset = -UINT16_MAX;
    p.port_offset_offered = UINT16_MAX;
    p.calls = p.port_offset_calls = UINT32_MAX;
    src_profile_print(&p, text);
    CHECK(strlen(text) > 100);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!CHECK(root != NULL))
        return;
    CHECK(json_is_false(
        json_object_get(json_object_get(json_object_get(root, "facts"), "latches"), "is")));
    CHECK_INT(json_array_size(json_object_get(root, "media")), SRC_MEDIA);
    CHECK_INT(json_integer_value(json_object_get(root, "port_offset")), -UINT16_MAX);
    json_decref(root);
    memset(&back, 0x55, sizeof back);
    if (!CHECK(src_profile_parse(view_of_string(text), &back)))
        return;
    src_profile_print(&back, again);
    CHECK_TEXT(again, text);
    CHECK_INT(back.used_at.ns, p.used_at.ns);
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"calls\":1}",
        "{\"calls\":-1,\"first_at\":\"2026-01-01T00:00:00Z\",\"used_at\":\"2026-01-01T00:00:00Z\","
        "\"facts\":{},\"media\":[]}",
        "{\"calls\":1,\"first_at\":\"2026-01-01T00:00:00Z\",\"used_at\":\"2026-01-01T00:00:00Z\","
        "\"facts\":{},\"media\":[\"x\"]}",
        "{\"calls\":1,\"first_at\":\"2026-01-01T00:00:00Z\",\"used_at\":\"2026-01-01T00:00:00Z\","
        "\"facts\":{\"latches\":{\"is\":true,\"weight\":101}},\"media\":[]}",
        "{\"calls\":1,\"first_at\":\"2026-01-01T00:00:00Z\",\"used_at\":\"2026-01-01T00:00:00Z\","
        "\"facts\":{\"port_offset\":{\"is\":true,\"weight\":100}},\"media\":[]}",
        "{\"calls\":1,\"first_at\":\"2026-01-01T00:00:00Z\",\"used_at\":\"2026-01-01T00:00:00Z\","
        "\"facts\":{},\"port_offset_seen\":{\"ports\":65536,\"offered\":20000,\"calls\":1},"
        "\"media\":[]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!src_profile_parse(view_of_string(bad[i]), &back));
}

/* What a siprecd before this one had kept, and what the number is before it is believed. */
static void test_older_text(void)
{
    struct src_profile p;
    char text[SRC_PROFILE_TEXT];
    CHECK(src_profile_parse(
        VIEW_LIT("{\"class\":\"B2\",\"calls\":3,\"first_at\":\"2026-02-20T12:00:00.000Z\","
                 "\"used_at\":\"2026-02-28T12:00:00.000Z\",\"first_rtp_ms\":null,"
                 "\"facts\":{\"symmetric\":{\"is\":false,\"weight\":100}},\"media\":[]}"),
        &p));
    CHECK(p.port_offset_calls == 0 && offset_of(&p) == PATH_UNKNOWN && p.calls == 3);
    CALL(&p, {20000, 21000});
    src_profile_print(&p, text);
    CHECK(strstr(text, "\"port_offset\":null,\"port_offset_seen\":{\"ports\":1000,"
                       "\"offered\":20000,\"calls\":1}") != NULL);
    CHECK(src_profile_parse(view_of_string(text), &p)); /* a restart between two calls */
    CALL(&p, {20002, 21002});
    CHECK_INT(offset_of(&p), PATH_YES);
    src_profile_print(&p, text);
    CHECK(strstr(text, "\"port_offset\":1000,") != NULL);
}

static void test_keys(void)
{
    char a[SRC_KEY_SIZE], b[SRC_KEY_SIZE];
    static char name[2][1000];
    struct src_key key = {.listener = VIEW("udp:0.0.0.0:5060"),
                          .source = sip,
                          .contact = VIEW("sbc.example"),
                          .agent = VIEW("Vendor SBC 7%")};
    src_key_print(&key, a);
    CHECK_TEXT(a, "udp:0.0.0.0:5060 192.0.2.10 sbc.example Vendor%20SBC%207%25");
    key.source.port = 40000; /* SIP over TCP comes from any */
    src_key_print(&key, b);
    CHECK_TEXT(b, a);
    key.contact = view_of_string("sbc.example Vendor");
    key.agent = view_of_string("SBC 7%");
    src_key_print(&key, b);
    CHECK(strcmp(a, b) != 0);
    for (int i = 0; i < 2; i++) {
        memset(name[i], 'x', sizeof name[i]);
        name[i][999] = (char)('a' + i);
    }
    key.agent = view_of(name[0], 1000);
    src_key_print(&key, a);
    key.agent = view_of(name[1], 1000);
    src_key_print(&key, b);
    CHECK(strcmp(a, b) != 0 && strlen(a) < 100);
    key.identity = view_of_string("alice@example.com");
    src_key_print(&key, a);
    CHECK_TEXT(a, "identity alice@example.com");
}

int main(void)
{
    RUN(test_one_call_shows_the_class);
    RUN(test_only_good_calls_teach);
    RUN(test_what_is_seen_replaces);
    RUN(test_failures);
    RUN(test_farms);
    RUN(test_a_second_call_shows_the_offset);
    RUN(test_what_takes_an_offset_away);
    RUN(test_random_ports_are_no_offset);
    RUN(test_unused_ones_go);
    RUN(test_words);
    RUN(test_text_there_and_back);
    RUN(test_older_text);
    RUN(test_keys);
    return tap_done();
}
