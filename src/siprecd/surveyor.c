/* surveyor: keeps what we know of our own network fresh, for both address families.
 * Not here: STUN (prober.h), gateways (mapper.h), HTTP (sources.h), names (lookups.h), media ports
 * (survey_ports.c), whom to believe (nat/profile.h).
 * RFC 5780, 6886, 6887, 8489; doc/nat.md. */
#include "siprecd/surveyor.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/proxy.h"
#include "siprecd/surveyor_inside.h"

enum {
    DEBOUNCE_MS = 250,     /* a link that comes up brings its address and routes with it */
    SERVERS_WAIT_MS = 300, /* after the first name is known, for the others */
    KEEP_MS = 2000,
    MOMENT_MS = 500,     /* of patience with a family, once the other is known */
    GIVE_BACK_MS = 5000, /* at the end; leases end by themselves */
    JUMP_MS = 5000,      /* of the wall clock: the machine slept, or somebody set it */
    FILE_MAX = 65536,
};

/* What questions to asker are about. */
enum { ID_MAPPER = 1, ID_LOOKUPS = 100, ID_SOURCES = 200, ID_KEEP = 300 };
/* Tokens, from the config's on. */
enum {
    AT_NETLINK,
    AT_ASKER,
    AT_MAPPER = 8,
    AT_MAPPER_STEP = 1,
    AT_PROBER = 16,
    AT_PROBER_STEP = 16
};

/* ---- where we are --------------------------------------------------------------------------- */

/* An address that no network in use has, so that what is found is the way to the world: class E
 * (RFC 1112 §4), and IPv6 space that is not allocated; then the ranges of documentation, for hosts
 * that refuse the former. */
static struct addr anywhere(bool v6, int tried)
{
    if (!v6)
        return tried ? addr_v4(192, 0, 2, 1, 9) : addr_v4(240, 0, 0, 1, 9);
    return tried ? (struct addr){.family = ADDR_V6, .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}
                 : (struct addr){.family = ADDR_V6, .ip = {0x20, 0x00, [15] = 1}};
}

static const struct io_link *link_of(const struct io_links *links, uint32_t index)
{
    for (size_t i = 0; i < links->count; i++) {
        if (links->list[i].index == index)
            return &links->list[i];
    }
    return NULL;
}

static bool is_of_use(const struct addr *addr, bool v6)
{
    return addr->family == (v6 ? ADDR_V6 : ADDR_V4) && !addr_is_loopback(addr) &&
           !(v6 && addr_is_link_local(addr)) && !addr_is_unspecified(addr);
}

/* Without a route to the world: an address of a network card if there is one, else of any other
 * link. It stands for us where nothing else does; SRCs are told the one towards them. */
static bool place_anyhow(const struct io_links *links, bool v6, struct survey_place *place)
{
    for (int cards = 1; cards >= 0; cards--) {
        for (size_t i = 0; i < links->count; i++) {
            const struct io_link *link = &links->list[i];
            if (!link->is_up || link->is_loopback || (cards && link->kind[0] != '\0'))
                continue;
            for (size_t k = 0; k < link->count; k++) {
                if (!is_of_use(&link->addresses[k], v6))
                    continue;
                place->local = link->addresses[k];
                strcpy(place->link, link->name);
                return true;
            }
        }
    }
    return false;
}

/* source: what leaves from there may have a route of its own; NULL: any. */
static bool place_by_route(const struct surveyor *s, const struct addr *towards, bool v6,
                           const struct addr *source, struct survey_place *place)
{
    struct io_route route;
    const struct io_link *link;
    if (io_netlink_route(towards, source, &route) != 0 || !is_of_use(&route.source, v6))
        return false;
    link = link_of(&s->links, route.link);
    if (!link || link->is_loopback)
        return false;
    *place = (struct survey_place){.local = route.source, .gateway = route.gateway};
    strcpy(place->link, link->name);
    return true;
}

/* The address that the settings name; NULL: none. */
static const struct addr *ordered_address(const struct survey_settings *settings, bool v6)
{
    if (addr_is_set(&settings->internal[v6]))
        return &settings->internal[v6];
    return addr_is_set(&settings->bind[v6]) ? &settings->bind[v6] : NULL;
}

static bool place_towards_world(const struct surveyor *s, bool v6, const struct addr *source,
                                struct survey_place *place)
{
    struct addr first = anywhere(v6, 0), second = anywhere(v6, 1);
    bool found = place_by_route(s, &first, v6, source, place) ||
                 place_by_route(s, &second, v6, source, place);
    /* A network of its own, with its own servers. */
    for (size_t i = 0; i < s->lookups.count && !found; i++) {
        const struct addr *server = lookups_find(&s->lookups, i, v6 ? ADDR_V6 : ADDR_V4);
        found = server && place_by_route(s, server, v6, source, place);
    }
    return found;
}

static struct survey_place find_place(const struct surveyor *s, bool v6)
{
    const struct addr *ordered = ordered_address(&s->config.settings, v6);
    struct survey_place place = {0};
    /* nat.internal_ip may be an address that only others have. */
    if (!(ordered && place_towards_world(s, v6, ordered, &place)) &&
        !place_towards_world(s, v6, NULL, &place))
        (void)place_anyhow(&s->links, v6, &place);
    if (ordered)
        place.local = *ordered;
    place.local.port = 0;
    return place;
}

/* ---- asking --------------------------------------------------------------------------------- */

/* Is there anything about this family that somebody else could tell? */
static bool is_wanted(const struct surveyor *s, bool v6)
{
    return s->config.settings.behind_nat != PATH_NO && addr_is_set(&s->places[v6].local);
}

/* TURN servers answer STUN as well (RFC 8656 §3), and may be the only ones that this network lets us
 * reach. */
static size_t stun_servers(const struct surveyor *s, bool v6,
                           struct addr servers[SURVEY_STUN_SERVERS])
{
    const struct survey_settings *settings = &s->config.settings;
    size_t count = 0, last = settings->stun_count + settings->turn_count;
    /* Not before the others' names are known: what they tell is worth more. */
    for (size_t i = 0; i < settings->stun_count; i++)
        last = s->lookups.list[i].is_done ? last : settings->stun_count;
    for (size_t i = 0; i < last; i++) {
        const struct addr *server = lookups_find(&s->lookups, i, v6 ? ADDR_V6 : ADDR_V4);
        bool is_stream = i >= settings->stun_count &&
                         settings->turn[i - settings->stun_count].transport != SURVEY_UDP;
        bool is_there = !server || is_stream || count == SURVEY_STUN_SERVERS;
        for (size_t k = 0; k < count && server; k++)
            is_there = is_there || addr_equal(&servers[k], server);
        if (!is_there)
            servers[count++] = *server;
    }
    return count;
}

static void start_prober(struct surveyor *s, struct tick now, bool v6)
{
    struct addr servers[SURVEY_STUN_SERVERS];
    size_t count = is_wanted(s, v6) ? stun_servers(s, v6, servers) : 0;
    s->has_servers[v6] = count > 0;
    prober_start(s->probers[v6], now, &s->places[v6].local, servers, count);
}

/* Only who sits behind a NAT has something to map; of IPv6, which nobody translates, who is not known to
 * be let in anyhow. */
static bool wants_mappings(const struct surveyor *s, bool v6)
{
    const struct nat_profile *p = &s->profiles[v6];
    const struct profile_told *stun = &p->told[PROFILE_STUN];
    bool is_ours = addr_is_set(&stun->address) && addr_equal_ip(&stun->address, &p->local);
    if (!s->config.settings.portmap || !is_wanted(s, v6) ||
        survey_settings_suffice(&s->config.settings) || !addr_is_set(&s->places[v6].gateway))
        return false;
    if (v6)
        return !addr_is_private(&p->local) &&
               !(is_ours && p->behaviour.filtering == NAT_FILTERING_INDEPENDENT);
    return addr_is_private(&p->local) && !is_ours;
}

static void start_mapper(struct surveyor *s, struct tick now)
{
    for (size_t f = 0; f < 2; f++) {
        s->is_mapping[f] = wants_mappings(s, f);
        if (s->is_mapping[f])
            mapper_start(s->mappers[f], now, &s->places[f].local, &s->places[f].gateway);
        else
            mapper_stop(s->mappers[f], now);
    }
}

static void start_sources(struct surveyor *s, struct tick now)
{
    bool families[2] = {is_wanted(s, false), is_wanted(s, true)};
    if (survey_settings_suffice(&s->config.settings))
        families[0] = families[1] = false;
    sources_start(&s->sources, now, families);
}

static void count_servers(const struct surveyor *s)
{
    struct prober_server server;
    int64_t answering = 0;
    for (size_t f = 0; f < 2; f++) {
        for (size_t i = 0; prober_server(s->probers[f], i, &server); i++)
            answering += server.answers;
    }
    metric_set(METRIC_STUN_SERVERS_ANSWERING, answering);
}

static void tell_news(struct surveyor *s, struct tick now)
{
    count_servers(s);
    s->has_news = true;
    s->updated_at = now;
    s->keep_at = tick_min(s->keep_at, tick_add_ms(now, KEEP_MS));
}

static bool is_told(const struct nat_profile *p)
{
    for (enum profile_source source = PROFILE_SETTING + 1; source < PROFILE_SOURCES; source++) {
        if (addr_is_set(&p->told[source].address))
            return true;
    }
    return false;
}

/* The other family is known, and of this one nobody has said anything: most often packets of one of the two lead
 * nowhere (RFC 8305 §1). Calls wait for it no longer than until then. */
static struct tick patience_ends(const struct surveyor *s, size_t f)
{
    const struct nat_profile *p = &s->profiles[f], *other = &s->profiles[!f];
    bool may_map = !f && s->is_mapping[f] && mapper_status(s->mappers[f]).speech == GATEWAY_UNKNOWN;
    if (!addr_is_set(&p->local) || !tick_is_never(p->behaviour_at) || may_map ||
        !addr_is_set(&other->local) || tick_is_never(other->behaviour_at) || other->has_changed)
        return TICK_NEVER;
    /* Where nobody was there to ask, that the family has settled says nothing. */
    if (is_told(p) || !is_told(other))
        return TICK_NEVER;
    return tick_add_ms(other->behaviour_at, MOMENT_MS);
}

/* Nobody is left who could say more: calls need not wait for the rest of the three seconds. */
static void settle_where_silent(struct surveyor *s, struct tick now)
{
    for (size_t f = 0; f < 2; f++) {
        struct nat_profile *p = &s->profiles[f];
        bool names_open = false;
        /* Without a pinhole a call over IPv6 has its address all the same. */
        bool mapper_open =
            !f && s->is_mapping[f] && mapper_status(s->mappers[f]).speech == GATEWAY_UNKNOWN;
        for (size_t i = 0; i < s->config.settings.stun_count; i++)
            names_open = names_open || !s->lookups.list[i].is_done;
        bool is_open =
            s->has_servers[f] || !tick_is_never(s->servers_at) ||
            (is_wanted(s, f) && (names_open || mapper_open || sources_are_busy(&s->sources, f)));
        if (!addr_is_set(&p->local) || (!tick_is_never(p->behaviour_at) && !p->has_changed) ||
            (is_open && !tick_due(patience_ends(s, f), now)))
            continue;
        profile_settle(p, now);
        tell_news(s, now);
    }
}

/* ---- a family's place ----------------------------------------------------------------------- */

static void remember(struct surveyor *s, struct recorder_now now, bool v6)
{
    char path[PATH_MAX];
    char *text;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", s->directory, SURVEYOR_FILE);
    if (io_file_read(path, FILE_MAX, &text, &len) != 0)
        return;
    if (survey_file_parse(view_of(text, len), &s->places[v6], v6, now.tick, now.wall,
                          &s->profiles[v6]))
        LOG_INFO("nat", VIEW_NONE, "network known from before interface=%s address=%s",
                 s->places[v6].link, addr_print_ip(&s->places[v6].local).s);
    free(text);
}

/* All addresses, of whatever link: media ports and calls may be on any of them. */
static void list_addresses(struct surveyor *s)
{
    s->addresses_count = 0;
    for (size_t i = 0; i < s->links.count; i++) {
        const struct io_link *link = &s->links.list[i];
        for (size_t k = 0; k < link->count && s->addresses_count < SURVEYOR_ADDRESSES; k++) {
            if (!addr_is_loopback(&link->addresses[k]))
                s->addresses[s->addresses_count++] = link->addresses[k];
        }
    }
    s->links.is_cut = s->links.is_cut || s->addresses_count == SURVEYOR_ADDRESSES;
    /* One that is not in the list may have come or gone. */
    if (s->links.fingerprint != s->fingerprint)
        s->addresses_change++;
    s->fingerprint = s->links.fingerprint;
}

/* Looks where we are. True when a family is somewhere else than before. */
static bool look(struct surveyor *s, struct recorder_now now)
{
    bool moved = false;
    int error = io_netlink_links(&s->links);
    if (error)
        LOG_WARN("nat", VIEW_NONE, "interfaces not read error=\"%s\"", strerror(error));
    else
        list_addresses(s);
    for (size_t f = 0; f < 2; f++) {
        struct survey_place place = find_place(s, f);
        bool is_other = !addr_equal_ip(&place.gateway, &s->places[f].gateway) ||
                        strcmp(place.link, s->places[f].link) != 0;
        bool was_there = addr_is_set(&s->places[f].local);
        bool has_moved = profile_set_local(&s->profiles[f], now.tick, place.local);
        s->places[f] = place;
        if (!has_moved && !(is_other && was_there && addr_is_set(&place.local)))
            continue;
        s->moved[f] = moved = true;
        if (was_there || addr_is_set(&place.local))
            LOG_INFO("nat", VIEW_NONE, "we are at interface=%s address=%s gateway=%s", place.link,
                     addr_print_ip(&place.local).s, addr_print_ip(&place.gateway).s);
        if (was_there) {
            s->change++;
            metric_add(METRIC_LOCAL_ADDRESS_CHANGES, 1);
        }
        if (addr_is_set(&place.local) && s->profiles[f].behind_nat != PATH_NO)
            remember(s, now, f);
    }
    return moved;
}

/* The network may be another one. */
static void look_again(struct surveyor *s, struct recorder_now now)
{
    uint32_t addresses_change = s->addresses_change;
    bool moved = look(s, now);
    for (size_t f = 0; f < 2; f++) {
        if (addresses_change != s->addresses_change)
            mapper_addresses(s->mappers[f], now.tick);
        if (s->moved[f])
            start_prober(s, now.tick, f);
        else /* the address is ours still; whether it is outside, somebody else knows */
            prober_check(s->probers[f], now.tick);
        s->moved[f] = false;
    }
    if (moved) {
        lookups_again(&s->lookups, now.tick);
        start_sources(s, now.tick);
        start_mapper(s, now.tick);
    }
    tell_news(s, now.tick);
    settle_where_silent(s, now.tick);
}

/* ---- names that may lead elsewhere by now ---------------------------------------------------- */

/* STUN servers of the settings whose address is asked and does not answer. */
static void miss_stun(struct surveyor *s, struct tick now)
{
    for (size_t i = 0; i < s->config.settings.stun_count; i++) {
        bool is_silent = false;
        for (size_t f = 0; f < 2; f++) {
            const struct addr *address = lookups_find(&s->lookups, i, f ? ADDR_V6 : ADDR_V4);
            struct prober_server server;
            for (size_t k = 0; address && prober_server(s->probers[f], k, &server); k++)
                is_silent |= server.is_silent && addr_equal(&server.address, address);
        }
        lookups_silent(&s->lookups, now, i, is_silent);
    }
}

void surveyor_relays(struct surveyor *s, struct tick now, const struct relay_report *const *reports,
                     size_t count)
{
    const struct survey_settings *settings = &s->config.settings;
    for (size_t i = 0; i < settings->turn_count; i++) {
        const struct survey_host *host = &settings->turn[i].host;
        bool is_silent = false;
        for (size_t k = 0; k < count; k++) {
            for (size_t n = 0; reports[k] && n < reports[k]->count; n++)
                is_silent |= reports[k]->servers[n].state == RELAY_SERVER_SILENT &&
                             strcmp(reports[k]->servers[n].name, host->name) == 0;
        }
        lookups_silent(&s->lookups, now, settings->stun_count + i, is_silent);
    }
}

void surveyor_disprove(struct surveyor *s, bool is_disproved)
{
    s->has_news = s->has_news || s->is_disproved != is_disproved;
    s->is_disproved = is_disproved;
}

void surveyor_forgotten(struct surveyor *s, struct tick now, const struct media_event *event)
{
    bool v6 = event->addr.family == ADDR_V6;
    uint16_t after_s = (uint16_t)(event->duration_ms / 1000);
    if (!profile_tell_forgotten(&s->profiles[v6], after_s))
        return;
    LOG_INFO("nat", VIEW_NONE, "our NAT forgets what calls send by after_s=%d", after_s);
    tell_news(s, now);
}

/* ---- what others say ------------------------------------------------------------------------ */

static void external_changed(struct surveyor *s, struct tick now, bool v6,
                             const struct addr *external)
{
    LOG_WARN("nat", VIEW_NONE, "our address outside is another one now address=%s",
             addr_print_ip(external).s);
    metric_add(METRIC_EXTERNAL_ADDRESS_CHANGES, 1);
    s->change++;
    prober_discover(s->probers[v6], now);
    start_sources(s, now);
    if (s->is_mapping[v6])
        mapper_check(s->mappers[v6], now);
}

static void take_external(struct surveyor *s, struct tick now, bool v6, enum profile_source source,
                          const struct addr *external)
{
    struct nat_profile *p = &s->profiles[v6];
    enum profile_source believed;
    struct addr before = profile_external(p, &believed), after;
    bool is_first = !addr_is_set(&p->told[source].address);
    bool differs = profile_tell(p, now, source, *external);
    after = profile_external(p, &believed);
    if (is_first)
        LOG_INFO("nat", VIEW_NONE, "our address outside address=%s source=%s",
                 addr_print_ip(external).s, profile_source_name(source));
    if (differs && addr_is_set(&before) && !addr_equal_ip(&before, &after))
        external_changed(s, now, v6, &after);
    tell_news(s, now);
}

static void take_prober(struct surveyor *s, struct tick now, bool v6)
{
    struct nat_profile *p = &s->profiles[v6];
    struct prober_event event;
    while (prober_event(s->probers[v6], &event)) {
        switch (event.kind) {
        case PROBER_EXTERNAL:
            take_external(s, now, v6, PROFILE_STUN, &event.external);
            break;
        case PROBER_BEHAVIOUR:
            profile_tell_behaviour(p, now, &event.result);
            tell_news(s, now);
            break;
        case PROBER_SILENT:
            LOG_WARN("nat", VIEW_NONE, "no STUN server answers family=IPv%d", v6 ? 6 : 4);
            profile_tell_silence(p, now);
            tell_news(s, now);
            break;
        case PROBER_DIFFER:
            LOG_WARN("nat", VIEW_NONE, "STUN servers disagree, nothing changed server=%s says=%s",
                     addr_print(&event.server).s, addr_print_ip(&event.external).s);
            break;
        }
    }
    start_mapper(s, now);
    miss_stun(s, now);
}

static void take_mapper(struct surveyor *s, struct tick now, bool v6)
{
    struct gateway_status status = mapper_status(s->mappers[v6]);
    struct nat_profile *p = &s->profiles[v6];
    struct mapper_event event;
    while (mapper_event(s->mappers[v6], &event))
        survey_ports_mapped(s, v6, &event);
    if (!mapper_has_news(s->mappers[v6]))
        return;
    status.external.port = 0;
    if (addr_is_set(&status.external))
        take_external(s, now, v6, PROFILE_GATEWAY, &status.external);
    else
        p->told[PROFILE_GATEWAY] = (struct profile_told){0};
    p->gateway = status.speech;
    p->gateway_is_inside = status.is_inside;
    tell_news(s, now);
}

static void take_mappers(struct surveyor *s, struct tick now)
{
    for (size_t f = 0; f < 2; f++)
        take_mapper(s, now, f);
}

static void take_answer(struct surveyor *s, struct tick now, struct asker_answer *answer)
{
    bool is_service;
    struct addr address;
    switch (answer->question.kind) {
    case ASKER_NAME:
        if (lookups_answer(&s->lookups, now, answer))
            s->servers_at = tick_min(s->servers_at, tick_add_ms(now, SERVERS_WAIT_MS));
        break;
    case ASKER_METADATA:
    case ASKER_SERVICE:
        if (sources_answer(&s->sources, now, answer, &is_service, &address))
            take_external(s, now, address.family == ADDR_V6,
                          is_service ? PROFILE_SERVICE : PROFILE_METADATA, &address);
        break;
    case ASKER_GATEWAY:
        mapper_answer(s->mappers[0], now, answer);
        break;
    case ASKER_KEEP:
        s->is_keeping = false;
        if (!answer->good)
            LOG_WARN("nat", VIEW_NONE, "network profile not kept file=%s error=\"%s\"",
                     answer->question.text, answer->why);
        break;
    }
}

/* ---- time ----------------------------------------------------------------------------------- */

/* Names are known, or others: the servers in use change only with need. */
static void take_servers(struct surveyor *s, struct recorder_now now)
{
    s->servers_at = TICK_NEVER;
    for (size_t f = 0; f < 2; f++) {
        struct addr servers[SURVEY_STUN_SERVERS];
        size_t count = is_wanted(s, f) ? stun_servers(s, f, servers) : 0;
        bool differs = false;
        struct prober_server known;
        for (size_t i = 0; i < count; i++)
            differs = differs || !prober_server(s->probers[f], i, &known) ||
                      !addr_equal(&known.address, &servers[i]);
        if (differs)
            start_prober(s, now.tick, f);
    }
    tell_news(s, now.tick);
}

static void keep(struct surveyor *s, struct recorder_now now)
{
    struct asker_question question = {.kind = ASKER_KEEP, .id = ID_KEEP};
    s->keep_at = TICK_NEVER;
    for (size_t f = 0; f < 2; f++) {
        if (addr_is_set(&s->profiles[f].local) &&
            profile_state(&s->profiles[f], now.tick) != PROFILE_KNOWN)
            return; /* half of the truth is worse than the one from before */
    }
    snprintf(question.text, sizeof question.text, "%s/%s", s->directory, SURVEYOR_FILE);
    question.content = survey_file_print(s->places, s->profiles, now.tick, now.wall);
    s->is_keeping = question.content && asker_ask(s->asker, &question);
    if (!s->is_keeping)
        free(question.content);
}

/* What BOOTTIME and REALTIME do against each other, and BOOTTIME against MONOTONIC: somebody set
 * the clock, or the machine slept and woke up who knows where. */
static void watch_clocks(struct surveyor *s, struct recorder_now now)
{
    int64_t set_ms = (now.wall.ns - now.tick.ns) / NS_PER_MS;
    int64_t slept_ms = io_clock_slept_ns() / NS_PER_MS;
    bool jumped =
        llabs(set_ms - s->clock_set_ms) > JUMP_MS || llabs(slept_ms - s->clock_slept_ms) > JUMP_MS;
    if (jumped && s->clocks_are_known) {
        LOG_INFO("nat", VIEW_NONE, "the clock jumped, looking at the network again ms=%lld",
                 (long long)(set_ms - s->clock_set_ms));
        s->look_at = now.tick;
    }
    s->clock_set_ms = set_ms;
    s->clock_slept_ms = slept_ms;
    s->clocks_are_known = true;
}

void surveyor_ready(struct surveyor *s, struct recorder_now now, uint64_t token)
{
    uint64_t which = token - s->config.token;
    struct asker_answer *answer;
    if (which == AT_NETLINK) {
        if (io_netlink_drain(s->netlink_fd) && tick_is_never(s->look_at))
            s->look_at = tick_add_ms(now.tick, DEBOUNCE_MS);
    } else if (which == AT_ASKER) {
        while ((answer = asker_answer(s->asker))) {
            take_answer(s, now.tick, answer);
            asker_answer_free(answer);
        }
    } else if (which >= AT_PROBER) {
        size_t v6 = which >= AT_PROBER + AT_PROBER_STEP;
        prober_ready(s->probers[v6], now.tick, token);
        take_prober(s, now.tick, v6);
    } else {
        mapper_ready(s->mappers[which == AT_MAPPER + AT_MAPPER_STEP], now.tick, token);
    }
    take_mappers(s, now.tick);
    settle_where_silent(s, now.tick);
}

void surveyor_expire(struct surveyor *s, struct recorder_now now)
{
    watch_clocks(s, now);
    if (tick_due(s->look_at, now.tick)) {
        s->look_at = TICK_NEVER;
        look_again(s, now);
    }
    lookups_expire(&s->lookups, now.tick);
    if (tick_due(s->servers_at, now.tick))
        take_servers(s, now);
    sources_expire(&s->sources, now.tick);
    for (size_t f = 0; f < 2; f++) {
        if (tick_due(prober_deadline(s->probers[f]), now.tick))
            prober_expire(s->probers[f], now.tick);
        take_prober(s, now.tick, f);
        if (tick_due(s->state_at[f], now.tick))
            tell_news(s, now.tick);
        s->state_at[f] = profile_deadline(&s->profiles[f], now.tick);
    }
    s->state_at[0] = tick_min(s->state_at[0], survey_ports_deadline(s, now.tick));
    for (size_t f = 0; f < 2; f++) {
        if (tick_due(mapper_deadline(s->mappers[f]), now.tick))
            mapper_expire(s->mappers[f], now.tick);
    }
    take_mappers(s, now.tick);
    settle_where_silent(s, now.tick);
    /* One at a time: a slow disk's last write must not meet the next, which has the same name. */
    if (!s->is_keeping && tick_due(s->keep_at, now.tick))
        keep(s, now);
    if (tick_due(s->credentials_at, now.tick))
        survey_tell_renew_credentials(s, now);
}

struct tick surveyor_deadline(const struct surveyor *s)
{
    struct tick deadline = tick_min(s->look_at, s->servers_at);
    deadline = tick_min(deadline, lookups_deadline(&s->lookups));
    deadline = tick_min(deadline, sources_deadline(&s->sources));
    deadline = tick_min(deadline, s->credentials_at);
    if (!s->is_keeping)
        deadline = tick_min(deadline, s->keep_at);
    for (size_t f = 0; f < 2; f++) {
        deadline = tick_min(deadline, tick_min(prober_deadline(s->probers[f]), s->state_at[f]));
        deadline = tick_min(deadline, mapper_deadline(s->mappers[f]));
        deadline = tick_min(deadline, patience_ends(s, f));
    }
    return deadline;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void set_profiles(struct surveyor *s, struct tick now)
{
    const struct survey_settings *settings = &s->config.settings;
    for (size_t f = 0; f < 2; f++) {
        profile_init(&s->profiles[f], now, settings->behind_nat, settings->external[f]);
        s->profiles[f].is_asked =
            settings->stun_count > 0 || settings->services_count > 0 || settings->portmap;
    }
}

static bool make_parts(struct surveyor *s)
{
    s->asker = asker_create();
    if (!s->asker)
        return false;
    for (size_t f = 0; f < 2; f++) {
        struct mapper_config mapper = {.loop = s->config.loop,
                                       .token = s->config.token + AT_MAPPER + f * AT_MAPPER_STEP,
                                       .asker = s->asker,
                                       .id = ID_MAPPER};
        io_clock_seed(mapper.seed, sizeof mapper.seed);
        s->mappers[f] = mapper_create(&mapper);
        struct prober_config prober = {.loop = s->config.loop,
                                       .may_relay = s->config.settings.turn_count > 0,
                                       .token = s->config.token + AT_PROBER + f * AT_PROBER_STEP};
        io_clock_seed(prober.seed, sizeof prober.seed);
        s->probers[f] = prober_create(&prober);
    }
    s->netlink_fd = io_netlink_open();
    return s->mappers[0] && s->mappers[1] && s->probers[0] && s->probers[1] && s->netlink_fd >= 0 &&
           io_loop_add(s->config.loop, s->netlink_fd, IO_READ, s->config.token + AT_NETLINK) == 0 &&
           io_loop_add(s->config.loop, asker_fd(s->asker), IO_READ, s->config.token + AT_ASKER) ==
               0;
}

static void start(struct surveyor *s, struct recorder_now now)
{
    const struct survey_settings *settings = &s->config.settings;
    struct io_proxy proxy;
    struct survey_host host = {0};
    lookups_init(&s->lookups, s->asker, ID_LOOKUPS);
    for (size_t i = 0; i < settings->stun_count; i++)
        (void)lookups_add(&s->lookups, now.tick, &settings->stun[i]);
    for (size_t i = 0; i < settings->turn_count; i++)
        (void)lookups_add(&s->lookups, now.tick, &settings->turn[i].host);
    if (settings->proxy[0] != '\0' && io_proxy_parse(view_of_string(settings->proxy), &proxy)) {
        host.port = proxy.port;
        (void)view_copy(view_of_string(proxy.host), host.name, sizeof host.name);
        (void)lookups_add(&s->lookups, now.tick, &host);
    }
    sources_init(&s->sources, s->asker, settings, ID_SOURCES);
    set_profiles(s, now.tick);
    (void)look(s, now);
    for (size_t f = 0; f < 2; f++) {
        s->moved[f] = false;
        start_prober(s, now.tick, f);
    }
    start_sources(s, now.tick);
    start_mapper(s, now.tick);
    settle_where_silent(s, now.tick);
}

struct surveyor *surveyor_create(const struct surveyor_config *config, struct recorder_now now)
{
    struct surveyor *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->config = *config;
    s->netlink_fd = -1;
    s->look_at = s->servers_at = s->keep_at = s->state_at[0] = s->state_at[1] = TICK_NEVER;
    s->credentials_at = TICK_NEVER;
    if (config->settings.turn_is_secret)
        survey_tell_renew_credentials(s, now);
    s->updated_at = now.tick;
    s->has_news = true;
    s->directory = strdup(config->directory);
    if (!s->directory || !make_parts(s)) {
        int error = errno;
        surveyor_destroy(s, now);
        errno = error;
        return NULL;
    }
    start(s, now);
    return s;
}

/* What is mapped by UPnP takes a request each. Whoever still looks for such a gateway is not waited for. */
static void give_back(struct surveyor *s, struct tick now)
{
    struct tick end = tick_add_ms(now, GIVE_BACK_MS);
    struct asker_answer *answer;
    asker_map_no_more(s->asker);
    for (size_t f = 0; f < 2; f++)
        mapper_stop(s->mappers[f], now);
    while (mapper_is_ending(s->mappers[0]) && !tick_due(end, now)) {
        asker_wait(s->asker, tick_diff_ms(end, now));
        now = io_clock_tick();
        while ((answer = asker_answer(s->asker))) {
            if (answer->question.kind == ASKER_GATEWAY)
                mapper_answer(s->mappers[0], now, answer);
            asker_answer_free(answer);
        }
    }
}

void surveyor_destroy(struct surveyor *s, struct recorder_now now)
{
    if (!s)
        return;
    if (s->asker && s->mappers[0] && s->mappers[1])
        give_back(s, now.tick);
    for (size_t f = 0; f < 2; f++) {
        mapper_destroy(s->mappers[f]);
        prober_destroy(s->probers[f]);
    }
    asker_destroy(s->asker);
    if (s->netlink_fd >= 0)
        close(s->netlink_fd);
    survey_ports_finish(s);
    free(s->directory);
    free(s);
}

void surveyor_configure(struct surveyor *s, struct recorder_now now,
                        const struct survey_settings *settings)
{
    struct survey_settings *mine = &s->config.settings;
    if (mine->behind_nat == settings->behind_nat &&
        memcmp(mine->external, settings->external, sizeof mine->external) == 0 &&
        memcmp(mine->internal, settings->internal, sizeof mine->internal) == 0)
        return;
    mine->behind_nat = settings->behind_nat;
    memcpy(mine->external, settings->external, sizeof mine->external);
    memcpy(mine->internal, settings->internal, sizeof mine->internal);
    set_profiles(s, now.tick);
    s->change++;
    look_again(s, now);
}
