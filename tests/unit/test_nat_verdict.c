/* nat/verdict: the SRC's class by doc/nat.md 1's table of classes, and the JSON by DESIGN.md's form,
 * read back by jansson. */
#include "nat/verdict.h"

#include "tap.h"

#include <jansson.h>

static const struct path_us eim_apdf = {
    .has_stun = true,
    .relay_udp = true,
    .edge = true,
    .behaviour = {.mapping = NAT_MAPPING_INDEPENDENT, .filtering = NAT_FILTERING_ADDRESS_PORT}};

static void begin(struct verdict *v, const struct path_us *us, struct path_src src)
{
    struct path_choice choice = path_choose(us, &src, 0);
    verdict_begin(v, (struct tick){NS_PER_S}, us, &src, &choice);
}

static struct tick later(int64_t ms)
{
    return tick_add_ms((struct tick){NS_PER_S}, ms);
}

static void test_classes_of_srcs(void)
{
    const struct addr offered = addr_v4(192, 0, 2, 10, 4000), inside = addr_v4(10, 0, 0, 5, 4000);
    const struct {
        struct addr offered, seen;
        bool many, follows;
        const char *want;
    } cases[] = {
        {offered, offered, false, false, "B1"},
        {offered, addr_v4(192, 0, 2, 10, 4444), false, false, "B2"},
        {offered, addr_v4(192, 0, 2, 77, 4000), true, false, "B3"},
        {inside, addr_v4(192, 0, 2, 10, 61000), false, false, "B4"},
        {inside, addr_v4(203, 0, 113, 4, 61000), false, false, "B5"},
        {offered, offered, false, true, "B6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict v;
        begin(&v, &eim_apdf,
              (struct path_src){.offered = cases[i].offered,
                                .signalled = addr_v4(192, 0, 2, 10, 5060),
                                .many_addresses = cases[i].many});
        CHECK(verdict_src_class(&v) == NULL);
        if (cases[i].follows)
            verdict_note(&v, later(300), VERDICT_FOLLOWED, &cases[i].seen);
        verdict_first_packet(&v, later(400), &cases[i].seen, 3);
        verdict_first_packet(&v, later(900), &offered, 9); /* the first counts */
        CHECK_INT(v.first_packet_ms, 400);
        CHECK_INT(v.lost_before_first, 3);
        CHECK_TEXT(verdict_src_class(&v), cases[i].want);
    }
}

/* It was under way before our answer left: 0 is a time, null says that none came. */
static void test_a_packet_from_before_the_answer(void)
{
    static char text[8192];
    const struct addr offered = addr_v4(192, 0, 2, 10, 4000);
    struct verdict v;
    struct writer w = writer_of(text, sizeof text);
    begin(&v, &eim_apdf, (struct path_src){.offered = offered});
    verdict_first_packet(&v, later(-54), &offered, 0);
    verdict_print(&v, &w);
    json_t *json = json_loadb(text, w.len, 0, NULL);
    json_t *last = json_array_get(json_object_get(json, "trail"), 1);
    CHECK(json_is_integer(json_object_get(json, "first_packet_ms")));
    CHECK_INT(json_integer_value(json_object_get(json, "first_packet_ms")), 0);
    CHECK_TEXT(json_string_value(json_object_get(last, "event")), "first-packet");
    CHECK_INT(json_integer_value(json_object_get(last, "t_ms")), 0);
    json_decref(json);
}

/* With ICE the pair is the path; what the m-line would have been is not told. */
static void test_ice(void)
{
    char text[2048];
    struct verdict v;
    const struct addr peer = addr_v4(203, 0, 113, 4, 61000);
    begin(&v, &eim_apdf, (struct path_src){.offered = addr_v4(10, 0, 0, 5, 4000)});
    const char *const paths[] = {"none", "Rw-P", "S-S"};
    verdict_ice(&v, true);
    for (unsigned i = 0; i < 3; i++) {
        struct writer w = writer_of(text, sizeof text);
        if (i)
            verdict_ice_chose(&v, later(100 * i), paths[i], &peer);
        verdict_print(&v, &w);
        json_t *root = json_loadb(writer_done(&w).at, writer_done(&w).len, 0, NULL);
        CHECK(root != NULL);
        CHECK_TEXT(json_string_value(json_object_get(root, "path")), paths[i]);
        CHECK_INT(json_array_size(json_object_get(root, "alternatives")), 0);
        CHECK_INT(json_array_size(json_object_get(root, "trail")), i ? 2 : 1); /* told once */
        CHECK_INT(json_integer_value(json_object_get(root, "switches")), i == 2);
        json_decref(root);
    }
}

static void check_our_class(struct path_us us, const char *want)
{
    char text[64];
    struct writer w = writer_of(text, sizeof text);
    verdict_our_class(&us, &w);
    CHECK_VIEW(writer_done(&w), want);
}

static void test_our_classes(void)
{
    struct path_us us = eim_apdf;
    check_our_class(us, "EIM+APDF");
    us.behaviour.mapping = NAT_MAPPING_ADDRESS;
    us.behaviour.scope = NAT_SCOPE_ENDPOINT;
    check_our_class(us, "EDM+APDF per endpoint");
    us.is_mapped = true;
    check_our_class(us, "mapped");
    us.is_open = true;
    check_our_class(us, "open");
    us = eim_apdf;
    us.is_static = us.is_ordered = true;
    check_our_class(us, "1:1");
    us.is_doubted = true; /* the settings' word against STUN's */
    check_our_class(us, "EIM+APDF");
    check_our_class((struct path_us){.relay_stream = true}, "UDP blocked");
    check_our_class((struct path_us){0}, "unknown");
}

static const char *text_at(const json_t *array, size_t i)
{
    const char *text = json_string_value(json_array_get(array, i));
    return text ? text : "";
}

static void test_the_json(void)
{
    char text[4096];
    struct verdict v;
    struct writer w = writer_of(text, sizeof text);
    const struct addr peer = addr_v4(192, 0, 2, 10, 4000);
    begin(&v, &eim_apdf,
          (struct path_src){.offered = peer, .signalled = addr_v4(192, 0, 2, 10, 5060)});
    for (int i = 0; i < 5; i++)
        verdict_note(&v, later(i * 200), VERDICT_PUNCHED, &peer);
    verdict_first_packet(&v, later(1200), &peer, 2);
    verdict_alarm(&v, VERDICT_SECOND_SENDER);
    verdict_alarm(&v, VERDICT_ALG);
    verdict_print(&v, &w);
    json_error_t error;
    json_t *json = json_loadb((const char *)writer_done(&w).at, writer_done(&w).len, 0, &error);
    if (!CHECK(json != NULL))
        return;
    CHECK_TEXT(json_string_value(json_object_get(json, "src_class")), "B1");
    CHECK_TEXT(json_string_value(json_object_get(json, "our_class")), "EIM+APDF");
    CHECK_TEXT(json_string_value(json_object_get(json, "path")), "S+H(ip:port)");
    CHECK(json_string_length(json_object_get(json, "why")) > 10);
    const json_t *alternatives = json_object_get(json, "alternatives");
    CHECK_INT(json_array_size(alternatives), 2);
    CHECK_TEXT(text_at(alternatives, 0), "Rw(ip)");
    CHECK_TEXT(text_at(alternatives, 1), "E");
    const json_t *trail = json_object_get(json, "trail");
    CHECK_INT(json_array_size(trail), 3); /* answered, punched, first packet */
    const json_t *last = json_array_get(trail, 2);
    CHECK_INT(json_integer_value(json_object_get(last, "t_ms")), 1200);
    CHECK_TEXT(json_string_value(json_object_get(last, "event")), "first-packet");
    CHECK_TEXT(json_string_value(json_object_get(last, "peer")), "192.0.2.10:4000");
    CHECK_INT(json_integer_value(json_object_get(json, "first_packet_ms")), 1200);
    CHECK_INT(json_integer_value(json_object_get(json, "lost_before_first")), 2);
    CHECK_INT(json_integer_value(json_object_get(json, "switches")), 0);
    CHECK_INT(json_array_size(json_object_get(json, "security")), 2);
    CHECK_TEXT(text_at(json_object_get(json, "security"), 1), "alg-suspected");
    json_decref(json);
}

static void test_long_stories_end(void)
{
    char text[8192];
    struct verdict v;
    struct writer w = writer_of(text, sizeof text);
    begin(&v, &eim_apdf, (struct path_src){.signalled = addr_v4(192, 0, 2, 10, 5060)});
    for (int i = 0; i < 100; i++) {
        struct path_choice next = path_choose(&v.us, &v.src, 0);
        verdict_switch(&v, later(i * 1000), i % 2 ? VERDICT_RETRIED : VERDICT_MIGRATED, &next);
    }
    CHECK_INT(v.switches, 100);
    CHECK_INT(v.count, VERDICT_TRAIL);
    CHECK_INT(v.untold, 101 - VERDICT_TRAIL);
    verdict_print(&v, &w);
    json_error_t error;
    json_t *json = json_loadb((const char *)writer_done(&w).at, writer_done(&w).len, 0, &error);
    CHECK(json_is_null(json_object_get(json, "src_class")));
    CHECK(json_is_null(json_object_get(json, "first_packet_ms")));
    json_decref(json);
}

/* What nobody can be reached by is told with a reason and a cure; what came after all takes it back. */
static void test_unreachable(void)
{
    const struct path_us nats[] = {
        {.is_open = true},
        {.has_stun = true, .behaviour = eim_apdf.behaviour},
        eim_apdf,
        {.stun_is_silent = true},
        {0},
        {.has_stun = true, .behaviour = {.mapping = NAT_MAPPING_NONE}},
        {.behaviour = eim_apdf.behaviour}, /* its NAT is full */
    };
    const char *const words[] = {"its own network",     "there is no relay",  "nobody can tell",
                                 "no UDP leaves",       "no STUN server has", "a firewall before",
                                 "no more UDP mappings"};
    const char *const cures[] = {"firewall",      "nat.turn_servers", "sip.allow",
                                 "transport=tcp", "nat.stun_servers", "security group",
                                 "nat.ready"};
    for (size_t i = 0; i < sizeof nats / sizeof *nats; i++) {
        static char text[8192];
        struct verdict v;
        struct writer w = writer_of(text, sizeof text);
        const struct addr seen = addr_v4(192, 0, 2, 10, 4000);
        begin(&v, &nats[i], (struct path_src){.signalled = addr_v4(192, 0, 2, 10, 5060)});
        verdict_learned(&v, view_of_string("its media comes from elsewhere (2 earlier calls)"));
        verdict_note(&v, later(4000), VERDICT_SILENT, &(struct addr){0}); /* as media tells it */
        unsigned steps = v.count;
        verdict_unreachable(&v, later(4000));
        CHECK_INT(v.count, steps);
        CHECK(strstr(verdict_cure(&v).reason, words[i]) && strstr(verdict_cure(&v).cure, cures[i]));
        verdict_print(&v, &w);
        json_t *json = json_loadb(text, writer_done(&w).len, 0, NULL);
        const json_t *told = json_object_get(json, "unreachable");
        CHECK_TEXT(json_string_value(json_object_get(told, "reason")), verdict_cure(&v).reason);
        CHECK_INT(json_is_true(json_object_get(json, "no_port_outside")),
                  strstr(words[i], "UDP mappings") != NULL);
        CHECK_TEXT(json_string_value(json_object_get(told, "cure")), verdict_cure(&v).cure);
        CHECK(json_string_length(json_object_get(json, "learned")) > 20);
        json_decref(json);
        verdict_first_packet(&v, later(9000), &seen, 7);
        CHECK(!v.unreachable);
        verdict_unreachable(&v, later(9001));
        CHECK(!v.unreachable);
    }
}

/* With ICE it is its checks that found nothing; what they choose after all takes it back. */
static void test_unreachable_by_ice(void)
{
    const struct path_us nats[] = {
        {.is_open = true},
        {.has_stun = true, .behaviour = {.mapping = NAT_MAPPING_NONE}},
        {.has_stun = true, .behaviour = eim_apdf.behaviour},
        eim_apdf,
        {.same_realm = true, .relay_udp = true}, /* which it is not given */
        {.is_static = true, .is_ordered = true, .relay_udp = true},
        {.is_static = true, .is_ordered = true, .is_doubted = true},
    };
    const char *const words[] = {
        "anyone may send to", "anyone may send to", "no relay", "not even over our relay",
        "anyone may send to", "the settings say",   "STUN sees"};
    for (size_t i = 0; i < sizeof nats / sizeof *nats; i++) {
        struct verdict v;
        const struct addr peer = addr_v4(192, 0, 2, 10, 4000);
        begin(&v, &nats[i], (struct path_src){.signalled = addr_v4(192, 0, 2, 10, 5060)});
        verdict_ice(&v, true);
        verdict_unreachable(&v, later(5000));
        unsigned steps = v.count;
        verdict_unreachable(&v, later(39000));
        CHECK_INT(v.count, steps);
        CHECK(strstr(verdict_cure(&v).reason, words[i]) && verdict_cure(&v).cure[0]);
        verdict_ice_chose(&v, later(40000), "S-S", &peer);
        CHECK(!v.unreachable);
        CHECK_INT(v.turns, 2);
    }
}

int main(void)
{
    RUN(test_a_packet_from_before_the_answer);
    RUN(test_ice);
    RUN(test_unreachable);
    RUN(test_unreachable_by_ice);
    RUN(test_classes_of_srcs);
    RUN(test_our_classes);
    RUN(test_the_json);
    RUN(test_long_stories_end);
    return tap_done();
}
