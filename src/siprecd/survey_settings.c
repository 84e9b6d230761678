/* survey_settings: what the settings say about finding out our network, taken apart.
 * Not here: checking their form (values.h), doing it (surveyor.h).
 * RFC 7064, 7065 (stun: and turn: URIs and their ports). */
#include "siprecd/survey_settings.h"

#include <stdlib.h>
#include <string.h>

#define STUN_PORT  3478
#define TURNS_PORT 5349

static void take_families(const struct settings *settings, enum setting setting,
                          struct addr families[2])
{
    const struct values_addresses *addresses = &settings_meaning(settings, setting)->addresses;
    for (size_t i = 0; i < addresses->count; i++)
        families[addresses->list[i].family == ADDR_V6] = addresses->list[i];
}

static void take_bind(const struct settings *settings, struct addr bind[2])
{
    const struct values_addresses *addresses =
        &settings_meaning(settings, SETTING_RTP_BIND)->addresses;
    bool several[2] = {false, false};
    for (size_t i = 0; i < addresses->count; i++) {
        const struct addr *addr = &addresses->list[i];
        bool v6 = addr->family == ADDR_V6;
        several[v6] = several[v6] || addr_is_set(&bind[v6]);
        bind[v6] = addr_with_port(*addr, 0);
    }
    for (size_t f = 0; f < 2; f++) {
        if (several[f] || addr_is_unspecified(&bind[f]))
            bind[f] = (struct addr){0};
    }
}

static void take_host(struct view text, uint16_t port, struct survey_host *out)
{
    struct addr literal;
    size_t colon = view_find_char(text, ':');
    *out = (struct survey_host){.port = port};
    if (addr_parse(text, port, &literal)) {
        out->port = literal.port;
        (void)view_copy(view_of_string(addr_print_ip(&literal).s), out->name, sizeof out->name);
        return;
    }
    (void)view_copy(view_take(text, colon), out->name, sizeof out->name);
    if (colon < text.len && !view_parse_u16(view_skip(text, colon + 1), &out->port))
        out->port = port;
}

static bool next_item(struct view *rest, struct view *item)
{
    while (view_cut(rest, ',', item)) {
        *item = view_trim(*item);
        if (item->len > 0)
            return true;
    }
    return false;
}

static struct view list_of(const struct settings *settings, enum setting setting)
{
    struct view text = view_trim(view_of_string(settings_text(settings, setting)));
    return view_equal_nocase(text, VIEW_LIT("none")) ? VIEW_NONE : text;
}

static void take_stun(const struct settings *settings, struct survey_settings *out)
{
    struct view rest = list_of(settings, SETTING_NAT_STUN_SERVERS);
    struct view item;
    while (out->stun_count < SURVEY_STUN_SERVERS && next_item(&rest, &item)) {
        if (view_starts_with_nocase(item, VIEW_LIT("stun:")))
            item = view_skip(item, 5);
        take_host(item, STUN_PORT, &out->stun[out->stun_count++]);
    }
}

static void add_turn(struct survey_settings *out, const struct survey_host *host,
                     enum survey_transport transport)
{
    if (out->turn_count < SURVEY_TURN_SERVERS)
        out->turn[out->turn_count++] = (struct survey_turn){*host, transport};
}

/* turn: without a transport is asked both ways (RFC 7065 §3.1 leaves it to the client): UDP costs
 * less, TCP gets through where UDP does not. */
static void take_turn(const struct settings *settings, enum survey_transport transport,
                      struct survey_settings *out)
{
    struct view rest = list_of(settings, SETTING_NAT_TURN_SERVERS);
    struct view item;
    while (next_item(&rest, &item)) {
        bool is_secure = view_starts_with_nocase(item, VIEW_LIT("turns:"));
        size_t query = view_find_char(item, '?');
        struct view asked = view_skip(item, query);
        struct survey_host host;
        bool wanted =
            transport == SURVEY_TLS
                ? is_secure
                : !is_secure && (asked.len == 0 ||
                                 view_equal_nocase(asked, transport == SURVEY_UDP
                                                              ? VIEW_LIT("?transport=udp")
                                                              : VIEW_LIT("?transport=tcp")));
        take_host(view_skip(view_take(item, query), is_secure ? 6 : 5),
                  is_secure ? TURNS_PORT : STUN_PORT, &host);
        if (wanted)
            add_turn(out, &host, transport);
    }
}

static void take_credentials(const struct settings *settings, struct survey_settings *out)
{
    out->turn_is_secret = settings_is_set(settings, SETTING_NAT_TURN_SECRET);
    (void)view_copy(view_of_string(settings_text(settings, SETTING_NAT_TURN_USERNAME)),
                    out->turn_username, sizeof out->turn_username);
    (void)view_copy(
        view_of_string(settings_text(settings, out->turn_is_secret ? SETTING_NAT_TURN_SECRET
                                                                   : SETTING_NAT_TURN_PASSWORD)),
        out->turn_password, sizeof out->turn_password);
}

static void take_proxy(const struct settings *settings, struct survey_settings *out)
{
    struct view text = list_of(settings, SETTING_NAT_PROXY);
    if (view_equal_nocase(text, VIEW_LIT("auto"))) {
        const char *found = getenv("https_proxy");
        if (!found || !*found)
            found = getenv("HTTPS_PROXY");
        text = view_of_string(found);
    }
    (void)view_copy(text, out->proxy, sizeof out->proxy);
}

void survey_settings_of(const struct settings *settings, struct survey_settings *out)
{
    int64_t behind_nat = settings_number(settings, SETTING_NAT_BEHIND_NAT);
    struct view rest = list_of(settings, SETTING_NAT_IP_SERVICES);
    struct view item;
    memset(out, 0, sizeof *out);
    out->behind_nat = behind_nat == VALUES_AUTO ? PATH_UNKNOWN : behind_nat ? PATH_YES : PATH_NO;
    take_families(settings, SETTING_NAT_EXTERNAL_IP, out->external);
    take_families(settings, SETTING_NAT_INTERNAL_IP, out->internal);
    take_bind(settings, out->bind);
    take_stun(settings, out);
    take_turn(settings, SURVEY_UDP, out);
    take_turn(settings, SURVEY_TCP, out);
    take_turn(settings, SURVEY_TLS, out);
    take_credentials(settings, out);
    while (out->services_count < SURVEY_SERVICES && next_item(&rest, &item))
        (void)view_copy(item, out->services[out->services_count++], SURVEY_TEXT_SIZE);
    out->metadata = settings_number(settings, SETTING_NAT_METADATA) == 0; /* "auto false" */
    out->portmap = settings_number(settings, SETTING_NAT_PORTMAP) == 0;
    take_proxy(settings, out);
}

bool survey_settings_suffice(const struct survey_settings *settings)
{
    return settings->behind_nat == PATH_NO ||
           (settings->behind_nat == PATH_YES &&
            (addr_is_set(&settings->external[0]) || addr_is_set(&settings->external[1])));
}
