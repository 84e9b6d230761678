/* survey_file: what is known of our network, as the text that is kept on disk for the next start.
 * Not here: reading and writing the file (surveyor.c), when it may be believed.
 * RFC 8259 (JSON). */
#include "siprecd/survey_file.h"

#include <jansson.h>
#include <string.h>

enum { SURVEY_FILE_VERSION = 1 };
#define SURVEY_FILE_OLD_MS (30 * INT64_C(86400000))

static json_t *address_of(const struct addr *addr)
{
    return addr_is_set(addr) ? json_string(addr_print_ip(addr).s) : json_null();
}

static json_t *time_of(struct tick at, struct tick now, struct wall wall)
{
    return json_string(wall_print(wall_add_ms(wall, -tick_diff_ms(now, at))).s);
}

static json_t *print_behaviour(const struct nat_behaviour *b)
{
    return json_pack("{s:i,s:i,s:i,s:i,s:i,s:b,s:b,s:b,s:i,s:i,s:i}", "mapping", (int)b->mapping,
                     "filtering", (int)b->filtering, "scope", (int)b->scope, "hairpin",
                     (int)b->hairpin, "refresh", (int)b->refresh, "ports_kept", b->ports_kept,
                     "clashes", b->clashes, "pooling_arbitrary", b->pooling_arbitrary, "lifetime_s",
                     (int)b->lifetime_s, "lifetime_most_s", (int)b->lifetime_most_s, "forgotten_s",
                     (int)b->forgotten_s);
}

static json_t *print_family(const struct survey_place *place, const struct nat_profile *profile,
                            struct tick now, struct wall wall)
{
    json_t *family = json_pack("{s:s,s:o,s:o}", "interface", place->link, "address",
                               address_of(&place->local), "gateway", address_of(&place->gateway));
    json_t *told = json_object();
    for (enum profile_source s = PROFILE_METADATA; s < PROFILE_SOURCES; s++) {
        if (addr_is_set(&profile->told[s].address))
            json_object_set_new(told, profile_source_name(s),
                                json_pack("{s:o,s:o}", "address",
                                          address_of(&profile->told[s].address), "at",
                                          time_of(profile->told[s].at, now, wall)));
    }
    json_object_set_new(family, "told", told);
    if (!tick_is_never(profile->behaviour_at) && !profile->stun_is_silent) {
        json_object_set_new(family, "behaviour", print_behaviour(&profile->behaviour));
        json_object_set_new(family, "behaviour_at", time_of(profile->behaviour_at, now, wall));
    }
    return family;
}

char *survey_file_print(const struct survey_place places[2], const struct nat_profile profiles[2],
                        struct tick now, struct wall wall)
{
    json_t *root = json_pack("{s:i}", "version", SURVEY_FILE_VERSION);
    char *text;
    for (size_t f = 0; f < 2; f++) {
        if (addr_is_set(&places[f].local))
            json_object_set_new(root, f ? "ipv6" : "ipv4",
                                print_family(&places[f], &profiles[f], now, wall));
    }
    text = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(root);
    return text;
}

static bool parse_address(const json_t *json, bool v6, struct addr *out)
{
    const char *text = json_string_value(json);
    *out = (struct addr){0};
    return text && addr_parse_ip(view_of_string(text), out) &&
           out->family == (v6 ? ADDR_V6 : ADDR_V4);
}

/* The moment on our clock; false: it is in the future, or too long ago. */
static bool parse_time(const json_t *json, struct tick now, struct wall wall, struct tick *out)
{
    const char *text = json_string_value(json);
    struct wall at;
    int64_t age_ms;
    if (!text || !wall_parse(view_of_string(text), &at))
        return false;
    age_ms = wall_diff_ms(wall, at);
    if (age_ms < 0 || age_ms > SURVEY_FILE_OLD_MS)
        return false;
    *out = tick_add_ms(now, -age_ms);
    return true;
}

static int parse_number(const json_t *json, const char *key, int most)
{
    json_int_t value = json_integer_value(json_object_get(json, key));
    return value < 0 || value > most ? 0 : (int)value;
}

static void parse_behaviour(const json_t *json, struct nat_behaviour *b)
{
    *b = (struct nat_behaviour){
        .mapping = (enum nat_mapping)parse_number(json, "mapping", NAT_MAPPING_DEPENDENT),
        .filtering =
            (enum nat_filtering)parse_number(json, "filtering", NAT_FILTERING_ADDRESS_PORT),
        .scope = (enum nat_scope)parse_number(json, "scope", NAT_SCOPE_MAPPING),
        .hairpin = (enum nat_hairpin)parse_number(json, "hairpin", NAT_HAIRPIN_INTERNAL),
        .refresh = (enum nat_refresh)parse_number(json, "refresh", NAT_REFRESH_BOTH),
        .ports_kept = json_is_true(json_object_get(json, "ports_kept")),
        .clashes = json_is_true(json_object_get(json, "clashes")),
        .pooling_arbitrary = json_is_true(json_object_get(json, "pooling_arbitrary")),
        .lifetime_s = (uint16_t)parse_number(json, "lifetime_s", UINT16_MAX),
        .lifetime_most_s = (uint16_t)parse_number(json, "lifetime_most_s", UINT16_MAX),
        .forgotten_s = (uint16_t)parse_number(json, "forgotten_s", UINT16_MAX)};
}

static bool is_at(const json_t *family, const struct survey_place *place, bool v6)
{
    const char *link = json_string_value(json_object_get(family, "interface"));
    struct addr local, gateway;
    if (!link || strcmp(link, place->link) != 0 ||
        !parse_address(json_object_get(family, "address"), v6, &local) ||
        !addr_equal_ip(&local, &place->local))
        return false;
    if (!addr_is_set(&place->gateway))
        return json_is_null(json_object_get(family, "gateway"));
    return parse_address(json_object_get(family, "gateway"), v6, &gateway) &&
           addr_equal_ip(&gateway, &place->gateway);
}

static bool parse_family(const json_t *family, bool v6, struct tick now, struct wall wall,
                         struct nat_profile *profile)
{
    const json_t *told = json_object_get(family, "told");
    const json_t *behaviour = json_object_get(family, "behaviour");
    bool any = false;
    for (enum profile_source s = PROFILE_METADATA; s < PROFILE_SOURCES; s++) {
        const json_t *one = json_object_get(told, profile_source_name(s));
        struct profile_told got;
        if (!parse_address(json_object_get(one, "address"), v6, &got.address) ||
            !parse_time(json_object_get(one, "at"), now, wall, &got.at))
            continue;
        profile->told[s] = got;
        any = true;
    }
    if (any && json_is_object(behaviour) &&
        parse_time(json_object_get(family, "behaviour_at"), now, wall, &profile->behaviour_at))
        parse_behaviour(behaviour, &profile->behaviour);
    else if (any)
        profile->behaviour_at = now; /* nobody did tests, and nobody may next time */
    return any;
}

bool survey_file_parse(struct view text, const struct survey_place *place, bool v6, struct tick now,
                       struct wall wall, struct nat_profile *profile)
{
    json_t *root = json_loadb(text.at ? text.at : "", text.len, 0, NULL);
    const json_t *family = json_object_get(root, v6 ? "ipv6" : "ipv4");
    bool good = json_integer_value(json_object_get(root, "version")) == SURVEY_FILE_VERSION &&
                is_at(family, place, v6) && parse_family(family, v6, now, wall, profile);
    json_decref(root);
    return good;
}
