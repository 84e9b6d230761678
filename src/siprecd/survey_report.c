/* survey_report: what is known of our network, as GET /v1/nat tells it.
 * Not here: finding out (surveyor.h), HTTP (api/nat.c).
 * RFC 8259 (JSON), RFC 3339 (times). */
#include "siprecd/survey_report.h"

#include <jansson.h>
#include <string.h>

#include "base/writer.h"

/* ---- words ---------------------------------------------------------------------------------- */

static json_t *word(const char *text)
{
    return text ? json_string(text) : json_null();
}

static const char *state_word(enum profile_state state)
{
    static const char *const words[] = {"settling", "known", "changed", "offline"};
    return words[state];
}

static const char *mapping_word(enum nat_mapping mapping)
{
    static const char *const words[] = {NULL,
                                        "none",
                                        "endpoint-independent",
                                        "address-dependent",
                                        "address-and-port-dependent",
                                        "endpoint-dependent"};
    return words[mapping];
}

static const char *filtering_word(enum nat_filtering filtering)
{
    static const char *const words[] = {NULL, "endpoint-independent", "address-dependent",
                                        "address-and-port-dependent"};
    return words[filtering];
}

static const char *speech_word(enum gateway_speech speech)
{
    static const char *const words[] = {NULL, "pcp", "nat-pmp", NULL, "upnp"};
    return words[speech];
}

static json_t *address(const struct addr *addr)
{
    return addr_is_set(addr) ? json_string(addr_print_ip(addr).s) : json_null();
}

/* ---- parts ---------------------------------------------------------------------------------- */

static json_t *interfaces(const struct surveyor_view *view)
{
    json_t *list = json_array();
    for (size_t i = 0; i < view->links->count; i++) {
        const struct io_link *link = &view->links->list[i];
        bool is_default = strcmp(link->name, view->places[0].link) == 0 ||
                          strcmp(link->name, view->places[1].link) == 0;
        json_t *addresses = json_array();
        for (size_t k = 0; k < link->count; k++)
            json_array_append_new(addresses, address(&link->addresses[k]));
        if (link->is_loopback) {
            json_decref(addresses);
            continue;
        }
        json_array_append_new(list,
                              json_pack("{s:s,s:o,s:b,s:b,s:o}", "name", link->name, "kind",
                                        word(link->kind[0] ? link->kind : NULL), "up", link->is_up,
                                        "default", is_default, "addresses", addresses));
    }
    return list;
}

static json_t *external(const struct surveyor_view *view, struct tick now)
{
    json_t *list = json_array();
    for (size_t f = 0; f < 2; f++) {
        const struct nat_profile *p = &view->profiles[f];
        enum profile_source believed;
        struct addr best = profile_external(p, &believed);
        /* The one that is believed comes first. */
        for (int rest = 0; rest < 2; rest++) {
            for (enum profile_source s = PROFILE_SETTING; s < PROFILE_SOURCES; s++) {
                const struct profile_told *told = &p->told[s];
                bool is_best = addr_is_set(&best) && s == believed;
                if (!addr_is_set(&told->address) || is_best == (rest == 1))
                    continue;
                json_array_append_new(list,
                                      json_pack("{s:o,s:s,s:I}", "address", address(&told->address),
                                                "source", profile_source_name(s), "age_s",
                                                (json_int_t)(tick_diff_ms(now, told->at) / 1000)));
            }
        }
    }
    return list;
}

static json_t *behind_nat(const struct nat_profile *p)
{
    int levels = profile_levels(p);
    if (p->behind_nat != PATH_UNKNOWN)
        return json_boolean(p->behind_nat == PATH_YES);
    /* A private address alone says only that the world cannot send to it. */
    if (levels < 0 || !addr_is_set(&p->local))
        return json_null();
    if (levels == 1 && !addr_is_set(&p->told[PROFILE_STUN].address) &&
        !addr_is_set(&p->told[PROFILE_METADATA].address) &&
        !addr_is_set(&p->told[PROFILE_SERVICE].address) &&
        !addr_is_set(&p->told[PROFILE_GATEWAY].address))
        return json_null();
    return json_boolean(levels > 0);
}

/* behind_nat, levels, mapping, filtering, lifetime_s, forgotten_s, hairpin of one family, into object. */
static void put_family(json_t *object, const struct nat_profile *p)
{
    const struct nat_behaviour *b = &p->behaviour;
    int levels = profile_levels(p);
    json_t *is_behind = behind_nat(p);
    bool is_known = json_is_boolean(is_behind) && levels >= 0;
    json_object_set_new(object, "behind_nat", is_behind);
    json_object_set_new(object, "levels", is_known ? json_integer(levels) : json_null());
    json_object_set_new(object, "mapping", word(mapping_word(b->mapping)));
    json_object_set_new(object, "filtering", word(filtering_word(b->filtering)));
    json_object_set_new(object, "lifetime_s",
                        b->lifetime_s ? json_integer(b->lifetime_s) : json_null());
    json_object_set_new(object, "forgotten_s",
                        b->forgotten_s ? json_integer(b->forgotten_s) : json_null());
    json_object_set_new(object, "hairpin",
                        b->hairpin == NAT_HAIRPIN_UNKNOWN
                            ? json_null()
                            : json_boolean(b->hairpin != NAT_HAIRPIN_NONE));
}

static json_t *portmap(const struct surveyor_view *view, bool v6)
{
    const struct gateway_status *gateway = &view->gateways[v6];
    if (!view->is_mapping[v6])
        return json_null();
    return json_pack("{s:o,s:o,s:o,s:I,s:I}", "protocol", word(speech_word(gateway->speech)),
                     "gateway", address(&view->places[v6].gateway), "external",
                     address(&gateway->external), "mapped", (json_int_t)gateway->mapped, "wanted",
                     (json_int_t)gateway->wanted);
}

static json_t *stun_servers(const struct surveyor_view *view)
{
    json_t *list = json_array();
    for (size_t f = 0; f < 2; f++) {
        struct prober_server server;
        for (size_t i = 0; prober_server(view->probers[f], i, &server); i++)
            json_array_append_new(
                list, json_pack("{s:s,s:b,s:o}", "server", addr_print(&server.address).s, "answers",
                                server.answers, "rtt_ms",
                                server.rtt_ms < 0 ? json_null() : json_integer(server.rtt_ms)));
    }
    return list;
}

/* Servers, and the proxy, that nobody can be asked at. */
static json_t *names_not_found(const struct lookups *lookups)
{
    json_t *list = json_array();
    for (size_t i = 0; i < lookups->count; i++) {
        const struct lookup *one = &lookups->list[i];
        if (one->is_done && one->count == 0)
            json_array_append_new(list, json_string(one->host.name));
    }
    return list;
}

static const char *relay_word(enum relay_server_state state)
{
    static const char *const words[] = {"unknown", "serving", "silent", "refuses"};
    return words[state];
}

/* One object a server, as the workers find it taken together: allocations add up. */
static json_t *servers(const struct relay_report *const relays[], size_t workers)
{
    static const char *const transports[] = {"udp", "tcp", "tls"};
    json_t *list = json_array();
    const struct relay_report *first = NULL;
    for (size_t w = 0; w < workers && !first; w++)
        first = relays[w];
    for (size_t i = 0; first && i < first->count; i++) {
        const struct relay_server_report *best = &first->servers[i];
        json_int_t ready = 0, lent = 0;
        for (size_t w = 0; w < workers; w++) {
            const struct relay_server_report *one =
                relays[w] && i < relays[w]->count ? &relays[w]->servers[i] : NULL;
            if (!one)
                continue;
            ready += one->ready + one->reserved;
            lent += one->lent;
            if (one->state == RELAY_SERVER_SERVING)
                best = one;
        }
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:o,s:s,s:o,s:o,s:o,s:b,s:I,s:I}", "server", best->name,
                            "transport", transports[best->transport], "address",
                            address(&best->address), "state", relay_word(best->state), "code",
                            best->code ? json_integer(best->code) : json_null(), "why",
                            word(best->why[0] ? best->why : NULL), "rtt_ms",
                            best->rtt_ms < 0 ? json_null() : json_integer(best->rtt_ms), "by_proxy",
                            best->by_proxy, "ready", ready, "lent", lent));
    }
    return list;
}

static bool has_problem(const json_t *list, const char *code)
{
    size_t i;
    const json_t *known;
    json_array_foreach(list, i, known)
    {
        if (strcmp(json_string_value(json_object_get(known, "code")), code) == 0)
            return true;
    }
    return false;
}

static void add_problem(json_t *list, const char *code, const char *text, const char *cure)
{
    if (has_problem(list, code))
        return;
    json_array_append_new(list,
                          json_pack("{s:s,s:s,s:s}", "code", code, "text", text, "cure", cure));
}

/* The worst that any worker has seen of any server. */
static void add_relay_problems(json_t *list, const struct relay_report *const relays[],
                               size_t workers)
{
    bool serves = false, silent = false, refuses = false;
    for (size_t w = 0; w < workers; w++) {
        for (size_t i = 0; relays[w] && i < relays[w]->count; i++) {
            enum relay_server_state state = relays[w]->servers[i].state;
            serves = serves || state == RELAY_SERVER_SERVING;
            silent = silent || state == RELAY_SERVER_SILENT;
            refuses = refuses || state == RELAY_SERVER_REFUSES;
        }
    }
    if (refuses)
        add_problem(list, "turn_refused", "a TURN server refuses us",
                    "check nat.turn_username, nat.turn_password or nat.turn_secret, and the "
                    "server's quota");
    if (silent && !serves)
        add_problem(list, "turn_silent", "no TURN server answers",
                    "check that they run, and that UDP or TCP to them is open");
}

static void add_register_problems(json_t *list, const json_t *registered)
{
    const json_t *one;
    char text[512];
    size_t i;
    json_array_foreach(registered, i, one)
    {
        const char *why = json_string_value(json_object_get(one, "why"));
        const char *state = json_string_value(json_object_get(one, "state"));
        if (!why || !state || why[0] == '\0' || strcmp(state, "registered") == 0)
            continue;
        snprintf(text, sizeof text, "no calls come from %.200s: %.200s",
                 json_string_value(json_object_get(one, "uri")), why);
        add_problem(list, "not_registered", text,
                    "check sip.register, sip.register_username and sip.register_password, and that "
                    "the registrar can be reached over that transport (nat.proxy where TCP only "
                    "leaves through a proxy)");
    }
}

static void add_missing_problem(json_t *list, const struct survey_sides *sides)
{
    char text[2048];
    struct writer w = writer_of(text, sizeof text - 1);
    if (sides->missing_count == 0)
        return;
    writer_string(&w, "this host has not got ");
    for (size_t i = 0; i < sides->missing_count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < i; k++)
            is_known = is_known || addr_equal_ip(&sides->missing[k], &sides->missing[i]);
        if (!is_known)
            writer_printf(&w, "%s%s", i ? ", " : "", addr_print_ip(&sides->missing[i]).s);
    }
    writer_string(&w, ", where sip.listen, rtp.bind or http.listen have us listen");
    text[writer_done(&w).len] = '\0';
    add_problem(list, "address_missing", text,
                "give the host the address, which is then heard at once, or correct the setting");
}

static bool has_relay(const struct survey_sides *sides)
{
    for (size_t w = 0; w < sides->workers; w++) {
        for (size_t i = 0; sides->relays[w] && i < sides->relays[w]->count; i++) {
            if (sides->relays[w]->servers[i].state == RELAY_SERVER_SERVING)
                return true;
        }
    }
    return false;
}

static json_t *problems(const struct surveyor_view *view, struct tick now,
                        const struct survey_sides *sides, const json_t *registered)
{
    json_t *list = json_array();
    bool is_anywhere =
        addr_is_set(&view->profiles[0].local) || addr_is_set(&view->profiles[1].local);
    for (size_t f = 0; f < 2; f++) {
        const struct nat_profile *p = &view->profiles[f];
        struct profile_problem problem;
        /* A machine without IPv6 is not offline. */
        for (size_t i = 0;
             (addr_is_set(&p->local) || !is_anywhere) && profile_problem(p, now, i, &problem);
             i++) {
            if (strcmp(problem.code, "needs_relay") != 0 || !has_relay(sides))
                add_problem(list, problem.code, problem.text, problem.cure);
        }
    }
    /* Only where nothing else lets anybody in. */
    if (view->is_mapping[0] && view->gateways[0].speech == GATEWAY_MUTE &&
        has_problem(list, "needs_relay"))
        add_problem(list, "no_portmap",
                    "the gateway maps no ports: it speaks neither PCP, NAT-PMP nor UPnP",
                    "switch one of them on in the router");
    add_relay_problems(list, sides->relays, sides->workers);
    add_register_problems(list, registered);
    add_missing_problem(list, sides);
    return list;
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* The one that calls go by: IPv4 where there is any. */
static const struct nat_profile *main_profile(const struct surveyor_view *view)
{
    return &view->profiles[!addr_is_set(&view->profiles[0].local) &&
                           addr_is_set(&view->profiles[1].local)];
}

static json_t *registrations(const struct survey_sides *sides)
{
    json_t *list = sides->registrations ? json_loads(sides->registrations, 0, NULL) : NULL;
    return list ? list : json_array();
}

char *survey_report_print(const struct surveyor_view *view, struct recorder_now now,
                          const struct survey_sides *sides)
{
    json_t *registered = registrations(sides);
    const struct nat_profile *p = main_profile(view);
    struct wall updated = wall_add_ms(now.wall, -tick_diff_ms(now.tick, view->updated_at));
    json_t *root = json_pack("{s:s,s:s,s:o,s:o}", "state", state_word(profile_state(p, now.tick)),
                             "updated_at", wall_print(updated).s, "interfaces", interfaces(view),
                             "external", external(view, now.tick));
    json_t *ipv6 = NULL;
    char *text;
    put_family(root, p);
    if (p != &view->profiles[1] && addr_is_set(&view->profiles[1].local)) {
        ipv6 = json_object();
        put_family(ipv6, &view->profiles[1]);
        json_object_set_new(ipv6, "portmap", portmap(view, true));
    }
    json_object_set_new(root, "portmap", portmap(view, p == &view->profiles[1]));
    json_object_set_new(root, "relays", servers(sides->relays, sides->workers));
    json_object_set_new(root, "stock",
                        json_pack("{s:I,s:I}", "ready", (json_int_t)sides->usage->tickets,
                                  "streams", (json_int_t)sides->usage->streams));
    json_object_set_new(root, "problems", problems(view, now.tick, sides, registered));
    json_object_set_new(root, "registrations", registered);
    json_object_set_new(root, "ipv6", ipv6 ? ipv6 : json_null());
    json_object_set_new(root, "stun_servers", stun_servers(view));
    json_object_set_new(root, "names_not_found", names_not_found(view->lookups));
    json_object_set_new(root, "cloud",
                        word(view->cloud == CLOUD_NONE ? NULL : cloud_name(view->cloud)));
    text = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(root);
    return text;
}
