/* The profile kept on disk: comes back at the same place with its age, and nowhere else.
 * Not here: writing the file (tests/interop/network).
 * RFC 3339. */
#include "siprecd/survey_file.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define HOUR_MS 3600000

static const struct tick start = {1000 * NS_PER_S};
static struct wall wall;

static struct survey_place place_of(const char *link, const char *local, const char *gateway)
{
    struct survey_place place = {0};
    strcpy(place.link, link);
    CHECK(addr_parse_ip(view_of_string(local), &place.local));
    if (gateway)
        CHECK(addr_parse_ip(view_of_string(gateway), &place.gateway));
    return place;
}

static char *printed(const struct survey_place *place)
{
    struct survey_place places[2] = {*place};
    struct nat_profile profiles[2];
    profile_init(&profiles[0], start, PATH_UNKNOWN, (struct addr){0});
    profile_init(&profiles[1], start, PATH_UNKNOWN, (struct addr){0});
    (void)profile_set_local(&profiles[0], start, place->local);
    (void)profile_tell(&profiles[0], start, PROFILE_STUN, addr_v4(203, 0, 113, 7, 0));
    (void)profile_tell(&profiles[0], start, PROFILE_GATEWAY, addr_v4(100, 64, 0, 9, 0));
    profiles[0].behaviour = (struct nat_behaviour){.mapping = NAT_MAPPING_INDEPENDENT,
                                                   .filtering = NAT_FILTERING_ADDRESS_PORT,
                                                   .hairpin = NAT_HAIRPIN_NONE,
                                                   .ports_kept = true,
                                                   .lifetime_s = 120,
                                                   .lifetime_most_s = 180,
                                                   .forgotten_s = 22};
    profiles[0].behaviour_at = start;
    return survey_file_print(places, profiles, start, wall);
}

/* What comes back age_ms later, the process having started anew. */
static bool parsed(const char *text, const struct survey_place *place, int64_t age_ms,
                   struct nat_profile *out)
{
    struct tick now = {5 * NS_PER_S};
    profile_init(out, now, PATH_UNKNOWN, (struct addr){0});
    (void)profile_set_local(out, now, place->local);
    return survey_file_parse(view_of_string(text), place, false, now, wall_add_ms(wall, age_ms),
                             out);
}

static void test_round(void)
{
    struct survey_place home = place_of("eth0", "192.168.1.5", "192.168.1.1");
    char *text = printed(&home);
    struct nat_profile p;
    struct tick now = {5 * NS_PER_S};
    CHECK(parsed(text, &home, HOUR_MS, &p));
    CHECK_TEXT(addr_print_ip(&p.told[PROFILE_STUN].address).s, "203.0.113.7");
    CHECK_INT(tick_diff_ms(now, p.told[PROFILE_STUN].at), HOUR_MS);
    CHECK_TEXT(addr_print_ip(&p.told[PROFILE_GATEWAY].address).s, "100.64.0.9");
    CHECK(!addr_is_set(&p.told[PROFILE_SERVICE].address));
    CHECK_INT(p.behaviour.mapping, NAT_MAPPING_INDEPENDENT);
    CHECK_INT(p.behaviour.filtering, NAT_FILTERING_ADDRESS_PORT);
    CHECK_INT(p.behaviour.hairpin, NAT_HAIRPIN_NONE);
    CHECK(p.behaviour.ports_kept && !p.behaviour.clashes);
    CHECK_INT(p.behaviour.lifetime_s, 120);
    CHECK_INT(p.behaviour.lifetime_most_s, 180);
    CHECK_INT(p.behaviour.forgotten_s, 22);
    /* so that no call waits */
    CHECK_INT(profile_state(&p, now), PROFILE_KNOWN);
    free(text);
}

static void test_elsewhere(void)
{
    struct survey_place home = place_of("eth0", "192.168.1.5", "192.168.1.1");
    struct survey_place bare = place_of("eth0", "192.168.1.5", NULL);
    struct survey_place others[] = {place_of("eth1", "192.168.1.5", "192.168.1.1"),
                                    place_of("eth0", "192.168.1.6", "192.168.1.1"),
                                    place_of("eth0", "192.168.1.5", "192.168.1.2"), bare};
    char *text = printed(&home), *of_bare = printed(&bare);
    struct nat_profile p;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        CHECK(!parsed(text, &others[i], HOUR_MS, &p));
        CHECK(!addr_is_set(&p.told[PROFILE_STUN].address));
    }
    CHECK(parsed(of_bare, &bare, HOUR_MS, &p));
    CHECK(!parsed(of_bare, &home, HOUR_MS, &p));
    /* too old, or from a clock that was wrong */
    CHECK(!parsed(text, &home, 31 * INT64_C(86400000), &p));
    CHECK(!parsed(text, &home, -HOUR_MS, &p));
    free(text);
    free(of_bare);
}

static void test_broken(void)
{
    struct survey_place home = place_of("eth0", "192.168.1.5", "192.168.1.1");
    struct nat_profile p;
    char *text = printed(&home);
    size_t len = strlen(text);
    static const char *const broken[] = {
        "",
        "null",
        "[]",
        "{\"version\":1}",
        "{\"version\":2,\"ipv4\":{\"interface\":\"eth0\",\"address\":\"192.168.1.5\",\"gateway\":"
        "\"192.168.1.1\"}}",
        "{\"version\":1,\"ipv4\":{\"interface\":\"eth0\",\"address\":\"192.168.1.5\",\"gateway\":"
        "\"192.168.1.1\","
        "\"told\":{\"stun\":{\"address\":\"2001:db8::1\",\"at\":\"2026-11-01T12:00:00.000Z\"}}}}",
        "{\"version\":1,\"ipv4\":{\"interface\":\"eth0\",\"address\":\"192.168.1.5\",\"gateway\":"
        "\"192.168.1.1\","
        "\"told\":{\"stun\":{\"address\":\"203.0.113.7\",\"at\":5}}}}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        CHECK(!parsed(broken[i], &home, HOUR_MS, &p));
    /* cut anywhere */
    for (size_t cut = 0; cut + 1 < len; cut++) {
        char kept = text[cut];
        text[cut] = '\0';
        CHECK(!parsed(text, &home, HOUR_MS, &p));
        text[cut] = kept;
    }
    CHECK(parsed(text, &home, HOUR_MS, &p));
    /* numbers that no enum has */
    char *wild = strstr(text, "\"mapping\": 2");
    CHECK(wild);
    memcpy(wild, "\"mapping\": 9", strlen("\"mapping\": 9"));
    CHECK(parsed(text, &home, HOUR_MS, &p));
    CHECK_INT(p.behaviour.mapping, NAT_MAPPING_UNKNOWN);
    free(text);
}

int main(void)
{
    CHECK(wall_parse(VIEW_LIT("2026-11-01T12:00:00Z"), &wall));
    RUN(test_round);
    RUN(test_elsewhere);
    RUN(test_broken);
    return tap_done();
}
