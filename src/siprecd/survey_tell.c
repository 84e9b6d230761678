/* survey_tell: what surveyor found out, in the words of those who want to know: recorder, workers,
 * Contact, the report.
 * Not here: finding out (surveyor.c).
 * RFC 8656 (TURN servers). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/proxy.h"
#include "io/udp.h"
#include "siprecd/surveyor_inside.h"
#include "turn/allocation.h"

bool surveyor_has_news(struct surveyor *s)
{
    bool has_news = s->has_news;
    s->has_news = false;
    return has_news;
}

const struct nat_profile *surveyor_profiles(const struct surveyor *s)
{
    return s->profiles;
}

const struct addr *surveyor_addresses(const struct surveyor *s, size_t *count)
{
    *count = s->addresses_count;
    return s->links.is_cut ? NULL : s->addresses;
}

bool surveyor_is_settling(const struct surveyor *s, struct tick now)
{
    bool is_anywhere = addr_is_set(&s->profiles[0].local) || addr_is_set(&s->profiles[1].local);
    for (size_t f = 0; f < 2; f++) {
        /* A family that this machine does not have keeps nobody waiting. */
        if ((addr_is_set(&s->profiles[f].local) || !is_anywhere) &&
            profile_state(&s->profiles[f], now) == PROFILE_SETTLING)
            return true;
    }
    return !tick_is_never(survey_ports_deadline(s, now));
}

void surveyor_fill_network(const struct surveyor *s, struct network *network)
{
    network->behind_nat = s->config.settings.behind_nat != PATH_NO;
    for (size_t f = 0; f < 2; f++) {
        enum profile_source source;
        network->external[f] = profile_external(&s->profiles[f], &source);
        if (profile_levels(&s->profiles[f]) == 0)
            network->external[f] = (struct addr){0};
    }
    for (size_t i = 0; i < VALUES_LISTENERS_MAX; i++)
        network->mapped[i] =
            profile_trusts_gateway(&s->profiles[0]) ? s->listeners[i].mapped : (struct addr){0};
}

/* ---- workers -------------------------------------------------------------------------------- */

/* The settings' order counts for so long as nothing speaks against it. */
static bool is_certainly_static(const struct surveyor *s, const struct path_us *us)
{
    return us->is_static && !us->is_doubted && !s->is_disproved;
}

/* Media ports need mappings of their own where a NAT or firewall stands before them, and somebody
 * answers. */
static bool keeps_mappings(const struct surveyor *s, bool v6, struct tick now)
{
    const struct nat_profile *p = &s->profiles[v6];
    struct path_us us = profile_us(p, now, false, false);
    return s->has_servers[v6] && !p->stun_is_silent && p->behind_nat != PATH_NO &&
           addr_is_set(&p->local) && !us.is_open && !is_certainly_static(s, &us);
}

static void fill_stun(const struct surveyor *s, struct worker_network *network)
{
    for (size_t f = 0; f < 2; f++) {
        size_t count = 0;
        /* Those that answer first. */
        for (int answers = 1; answers >= 0; answers--) {
            struct prober_server server;
            for (size_t i = 0; prober_server(s->probers[f], i, &server); i++) {
                if (server.answers == answers && count < WORKER_STUN_SERVERS)
                    network->stun[f][count++] = server.address;
            }
        }
    }
}

static void fill_host(const struct surveyor *s, size_t lookup, struct addr address[2])
{
    for (size_t f = 0; f < 2; f++) {
        const struct addr *found = lookups_find(&s->lookups, lookup, f ? ADDR_V6 : ADDR_V4);
        if (found && addr_is_set(&s->profiles[f].local))
            address[f] = *found;
    }
}

/* The settings' own words, or what is made of the secret. */
static void fill_credentials(const struct surveyor *s, char username[WORKER_CREDENTIAL_SIZE],
                             char password[WORKER_CREDENTIAL_SIZE])
{
    const struct survey_settings *settings = &s->config.settings;
    (void)view_copy(view_of_string(settings->turn_username), username, WORKER_CREDENTIAL_SIZE);
    (void)view_copy(view_of_string(settings->turn_password), password, WORKER_CREDENTIAL_SIZE);
    if (!settings->turn_is_secret)
        return;
    snprintf(username, WORKER_CREDENTIAL_SIZE, "%lld:%.*s", (long long)s->credentials_end_s,
             WORKER_CREDENTIAL_SIZE - 32,
             settings->turn_username[0] ? settings->turn_username : "siprecd");
    if (!turn_rest_password(view_of_string(settings->turn_password), view_of_string(username),
                            password))
        password[0] = '\0';
}

void survey_tell_renew_credentials(struct surveyor *s, struct recorder_now now)
{
    s->credentials_end_s = now.wall.ns / NS_PER_S + SURVEYOR_CREDENTIALS_S;
    s->credentials_at = tick_add_ms(now.tick, SURVEYOR_CREDENTIALS_S * 1000 / 2);
    s->has_news = true;
}

static bool needs_relays(const struct surveyor *s, struct tick now)
{
    for (size_t f = 0; f < 2; f++) {
        struct path_us us = profile_us(&s->profiles[f], now, false, false);
        if (addr_is_set(&s->profiles[f].local) && !us.is_open && !is_certainly_static(s, &us))
            return true;
    }
    return false;
}

/* Of either family in turns, IPv4 first; false: it has not so many. */
static bool nth_address(const struct surveyor *s, size_t lookup, size_t rank, struct addr *out)
{
    size_t seen = 0;
    for (size_t i = 0; i < ASKER_ADDRESSES; i++) {
        for (size_t f = 0; f < 2; f++) {
            const struct addr *found =
                lookups_find_next(&s->lookups, lookup, f ? ADDR_V6 : ADDR_V4, i);
            if (!found || !addr_is_set(&s->profiles[f].local) || seen++ < rank)
                continue;
            *out = *found;
            return true;
        }
    }
    return false;
}

static void add_server(const struct surveyor *s, size_t index, size_t rank,
                       struct worker_network *network)
{
    static const enum worker_turn_transport transports[] = {WORKER_TURN_UDP, WORKER_TURN_TCP,
                                                            WORKER_TURN_TLS};
    const struct survey_settings *settings = &s->config.settings;
    const struct survey_turn *turn = &settings->turn[index];
    struct worker_turn_server *server = &network->turn[network->turn_count];
    struct addr address;
    bool found = nth_address(s, settings->stun_count + index, rank, &address);
    /* Its name may be known to the proxy alone. */
    bool by_name = rank == 0 && network->proxy.host[0] != '\0' && turn->transport != SURVEY_UDP;
    if (network->turn_count == WORKER_TURN_SERVERS || (!found && !by_name))
        return;
    if (found)
        server->address[address.family == ADDR_V6] = address;
    server->transport = transports[turn->transport];
    server->port = turn->host.port;
    (void)view_copy(view_of_string(turn->host.name), server->name, sizeof server->name);
    network->turn_count++;
}

static void fill_relays(const struct surveyor *s, struct tick now, struct worker_network *network)
{
    const struct survey_settings *settings = &s->config.settings;
    if (settings->proxy[0] != '\0' &&
        io_proxy_parse(view_of_string(settings->proxy), &network->proxy))
        fill_host(s, settings->stun_count + settings->turn_count, network->proxy_at);
    network->wants_relays = settings->behind_nat != PATH_NO && needs_relays(s, now);
    if (settings->turn_count == 0)
        return;
    fill_credentials(s, network->turn_username, network->turn_password);
    /* All servers by their first address; then those with more, by the next: as if they were further
     * servers, which is what the dead ones among them are found out by. */
    for (size_t rank = 0; rank < ASKER_ADDRESSES; rank++) {
        for (size_t i = 0; i < settings->turn_count; i++)
            add_server(s, i, rank, network);
    }
}

/* Where each family's discovery may look at us from: the best server that is asked over UDP. */
static void offer_relays(struct surveyor *s, struct tick now, const struct worker_network *network)
{
    for (size_t f = 0; f < 2; f++) {
        struct outpost_server server = {0};
        for (size_t i = 0; i < network->turn_count && !addr_is_set(&server.address); i++) {
            if (network->turn[i].transport == WORKER_TURN_UDP)
                server.address = network->turn[i].address[f];
        }
        memcpy(server.username, network->turn_username, sizeof server.username);
        memcpy(server.password, network->turn_password, sizeof server.password);
        prober_offer_relay(s->probers[f], now, &server);
    }
}

struct worker_network *surveyor_worker_network(struct surveyor *s, struct tick now)
{
    struct worker_network *network = calloc(1, sizeof *network);
    if (!network)
        return NULL;
    network->change = s->change;
    network->addresses = s->addresses_change;
    network->unmapped = s->ports.unmapped;
    for (size_t f = 0; f < 2; f++) {
        enum profile_source source;
        network->local[f] = s->profiles[f].local;
        /* It may be an address that only others have. */
        const struct addr *internal = &s->config.settings.internal[f];
        if (addr_is_set(internal) && io_udp_is_here(internal))
            network->source[f] = addr_with_port(*internal, 0);
        network->external[f] = profile_external(&s->profiles[f], &source);
        network->behaviour[f] = s->profiles[f].behaviour;
        network->keep_mappings = network->keep_mappings || keeps_mappings(s, f, now);
    }
    fill_stun(s, network);
    fill_relays(s, now, network);
    offer_relays(s, now, network);
    if (s->has_told && memcmp(network, &s->told, sizeof *network) == 0) {
        free(network);
        return NULL;
    }
    s->told = *network;
    s->has_told = true;
    return network;
}

/* ---- the report ----------------------------------------------------------------------------- */

struct surveyor_view surveyor_view(const struct surveyor *s)
{
    return (struct surveyor_view){
        .settings = &s->config.settings,
        .links = &s->links,
        .places = s->places,
        .profiles = s->profiles,
        .probers = {s->probers[0], s->probers[1]},
        .lookups = &s->lookups,
        .gateways = {mapper_status(s->mappers[0]), mapper_status(s->mappers[1])},
        .is_mapping = {s->is_mapping[0], s->is_mapping[1]},
        .cloud = s->sources.cloud,
        .updated_at = s->updated_at};
}
