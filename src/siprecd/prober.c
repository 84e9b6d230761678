/* prober: what STUN servers see of us, for one address family: our address outside, again every 15
 * seconds, and in the background what the NATs between do, on sockets that nothing else uses.
 * Not here: the tests themselves (nat/discovery.h), what follows (surveyor.h).
 * RFC 8489, RFC 5780 §4. */
#include "siprecd/prober.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/target.h"
#include "io/clock.h"
#include "io/udp.h"
#include "stun/client.h"

enum {
    CHECK_MS = 15000,    /* nat.md 5.5: our own profile's STUN, 15 s plus three tries */
    CHECK_CAP_MS = 3500, /* requests at 0, 0.5 and 1.5 s */
    CHECK_SILENT_MOST_MS = 120000,
    BREAKER_MS = 30000, /* a silent server is left alone, then asked beside the others */
    BREAKER_MOST_MS = 600000,
    DISCOVER_AGAIN_MS = 60000, /* nobody answered, or too few; twice as long each time */
    DISCOVER_AGAIN_MOST_MS = 3600000,
    DATAGRAM_SIZE = 1500,
    EVENTS = 8,
};
#define DISCOVER_MS (7 * INT64_C(86400000)) /* nat.md 5.5: weekly */

enum check_kind {
    CHECK_NONE,
    CHECK_ROUTINE, /* the best server alone */
    CHECK_RACE,   /* all that may be asked; the first answer counts, the others show who is alive */
    CHECK_VERIFY, /* another socket, another server if there is one: is that really so? */
};

struct server {
    struct addr address;
    struct stun_client client;
    bool is_open; /* asked in this check, no answer yet */
    struct tick sent_at;
    int64_t rtt_ms;
    bool was_asked, answers;
    int64_t breaker_ms;
    struct tick closed_until; /* not asked before, unless nobody answers */
};

struct prober {
    struct prober_config config;
    struct rng rng;
    struct addr local;
    struct server servers[PROBER_SERVERS];
    size_t count;
    /* checks */
    enum check_kind check;
    bool has_answer; /* in this check */
    int fd; /* a new one each check: a mapping that stands would go on showing the old address */
    struct tick check_at;
    int64_t silent_ms; /* the pause after silence; 0: somebody answers */
    struct addr external;
    struct addr doubted, doubted_by; /* what the check that is being verified said */
    /* discovery */
    struct discovery *discovery;
    int sockets[DISCOVERY_SOCKETS];
    struct outpost_server relay; /* address unset: none */
    struct outpost *outpost;     /* while discovery needs one */
    bool wants_outpost;          /* it does, and nobody has named a server yet */
    bool is_patient;             /* servers were slow, or nobody answered */
    struct tick discover_at;
    int64_t discover_pause_ms;
    struct prober_event events[EVENTS];
    size_t event_first, event_count;
};

struct prober *prober_create(const struct prober_config *config)
{
    struct prober *prober = calloc(1, sizeof *prober);
    if (!prober)
        return NULL;
    prober->config = *config;
    rng_init(&prober->rng, config->seed);
    prober->fd = -1;
    for (size_t i = 0; i < DISCOVERY_SOCKETS; i++)
        prober->sockets[i] = -1;
    prober->check_at = prober->discover_at = TICK_NEVER;
    return prober;
}

static void prober_tell(struct prober *prober, const struct prober_event *event)
{
    if (prober->event_count == EVENTS) { /* the newest counts */
        prober->event_first = (prober->event_first + 1) % EVENTS;
        prober->event_count--;
    }
    prober->events[(prober->event_first + prober->event_count++) % EVENTS] = *event;
}

bool prober_event(struct prober *prober, struct prober_event *out)
{
    if (prober->event_count == 0)
        return false;
    *out = prober->events[prober->event_first];
    prober->event_first = (prober->event_first + 1) % EVENTS;
    prober->event_count--;
    return true;
}

/* ---- sockets -------------------------------------------------------------------------------- */

static int prober_open(struct prober *prober, uint64_t token, struct addr *bound)
{
    struct io_udp_options options = {0};
    struct addr any = {.family = prober->local.family};
    int fd = io_udp_open(&prober->local, &options, bound);
    /* nat.internal_ip may be an address that only others have. */
    if (fd < 0)
        fd = io_udp_open(&any, &options, bound);
    if (fd >= 0 && io_loop_add(prober->config.loop, fd, IO_READ, prober->config.token + token)) {
        close(fd);
        return -1;
    }
    if (fd >= 0 && addr_is_unspecified(bound))
        *bound = addr_with_port(prober->local, bound->port);
    return fd;
}

static void prober_close(struct prober *prober, int *fd)
{
    if (*fd < 0)
        return;
    io_loop_remove(prober->config.loop, *fd);
    close(*fd);
    *fd = -1;
}

/* ---- checks --------------------------------------------------------------------------------- */

static void check_end(struct prober *prober, struct tick now, int64_t pause_ms)
{
    prober->check = CHECK_NONE;
    prober->has_answer = false;
    prober_close(prober, &prober->fd);
    for (size_t i = 0; i < prober->count; i++)
        prober->servers[i].is_open = false;
    prober->check_at = prober->count > 0 ? tick_add_ms(now, pause_ms) : TICK_NEVER;
}

static void check_ask(struct prober *prober, struct tick now, struct server *server)
{
    const struct stun_client_options options = {.cap_ms = CHECK_CAP_MS};
    stun_client_start(&server->client, now, &prober->rng, &options);
    server->is_open = server->was_asked = true;
}

static bool is_askable(const struct server *server, struct tick now)
{
    return tick_due(server->closed_until, now);
}

/* The first in the settings' order that answers; or that may, where none is known to. */
static struct server *check_best(struct prober *prober, struct tick now, const struct addr *but)
{
    for (int known = 1; known >= 0; known--) {
        for (size_t i = 0; i < prober->count; i++) {
            struct server *server = &prober->servers[i];
            if (is_askable(server, now) && (server->answers || !known) &&
                (!but || !addr_equal(&server->address, but)))
                return server;
        }
    }
    return NULL;
}

static void check_start(struct prober *prober, struct tick now, enum check_kind kind)
{
    struct addr bound;
    struct server *best = NULL;
    check_end(prober, now, CHECK_MS);
    if (prober->count == 0)
        return;
    prober->fd = prober_open(prober, 0, &bound);
    if (prober->fd < 0)
        return;
    if (kind == CHECK_VERIFY)
        best = check_best(prober, now, &prober->doubted_by);
    if (kind != CHECK_RACE && !best)
        best = check_best(prober, now, NULL);
    if (kind == CHECK_ROUTINE && (!best || !best->answers))
        kind = CHECK_RACE;
    prober->check = kind;
    for (size_t i = 0; i < prober->count; i++) {
        struct server *server = &prober->servers[i];
        /* When nobody is known to answer a breaker protects nobody. */
        if (kind == CHECK_RACE ? is_askable(server, now) || prober->silent_ms > 0 : server == best)
            check_ask(prober, now, server);
    }
}

static void check_failed(struct prober *prober, struct tick now)
{
    enum check_kind kind = prober->check;
    if (kind != CHECK_RACE) {
        check_start(prober, now, CHECK_RACE);
        return;
    }
    if (prober->silent_ms == 0)
        prober_tell(prober, &(struct prober_event){.kind = PROBER_SILENT});
    prober->silent_ms = prober->silent_ms == 0                         ? CHECK_MS
                        : prober->silent_ms * 2 < CHECK_SILENT_MOST_MS ? prober->silent_ms * 2
                                                                       : CHECK_SILENT_MOST_MS;
    check_end(prober, now, prober->silent_ms);
}

static void check_timeout(struct server *server, struct tick now)
{
    server->is_open = server->answers = false;
    server->breaker_ms = server->breaker_ms == 0                    ? BREAKER_MS
                         : server->breaker_ms * 2 < BREAKER_MOST_MS ? server->breaker_ms * 2
                                                                    : BREAKER_MOST_MS;
    server->closed_until = tick_add_ms(now, server->breaker_ms);
    metric_add(METRIC_NETWORK_STUN_TIMEOUTS, 1);
}

static void check_send(struct prober *prober, struct tick now)
{
    bool is_open = false;
    for (size_t i = 0; i < prober->count && prober->check != CHECK_NONE; i++) {
        struct server *server = &prober->servers[i];
        if (!server->is_open)
            continue;
        switch (stun_client_step(&server->client, now)) {
        case STUN_CLIENT_SEND: {
            char packet[64];
            struct writer w = writer_of(packet, sizeof packet);
            stun_begin(&w, STUN_REQUEST, STUN_BINDING, &server->client.transaction);
            stun_finish(&w, false);
            server->sent_at = now;
            /* What cannot be sent counts as not answered. */
            if (io_udp_send(prober->fd, NULL, &server->address, writer_done(&w)) == 0)
                metric_add(METRIC_NETWORK_STUN_REQUESTS, 1);
            break;
        }
        case STUN_CLIENT_TIMEOUT:
            check_timeout(server, now);
            break;
        case STUN_CLIENT_WAIT:
            break;
        }
        is_open = is_open || server->is_open;
    }
    if (prober->check != CHECK_NONE && !is_open && prober->has_answer)
        check_end(prober, now, CHECK_MS);
    else if (prober->check != CHECK_NONE && !is_open)
        check_failed(prober, now);
}

static void check_seen(struct prober *prober, struct tick now, const struct server *server,
                       const struct addr *external)
{
    struct prober_event event = {
        .kind = PROBER_EXTERNAL, .external = *external, .server = server->address};
    bool is_same = addr_equal_ip(external, &prober->external);
    bool was_silent = prober->silent_ms > 0;
    prober->silent_ms = 0;
    if (was_silent && !prober->discovery)
        prober->discover_at = now;
    if (prober->check == CHECK_VERIFY && !addr_equal_ip(external, &prober->doubted)) {
        /* They do not agree: a server lies, or each socket has another address. */
        event.kind = PROBER_DIFFER;
        event.external = prober->doubted;
        event.server = prober->doubted_by;
        prober_tell(prober, &event);
        check_end(prober, now, CHECK_MS);
        return;
    }
    if (!is_same && addr_is_set(&prober->external) && prober->check != CHECK_VERIFY) {
        /* Nothing is torn down on the word of one packet. */
        prober->doubted = *external;
        prober->doubted_by = server->address;
        check_start(prober, now, CHECK_VERIFY);
        return;
    }
    prober->external = *external;
    prober->has_answer = true;
    prober_tell(prober, &event);
}

static void check_input(struct prober *prober, struct tick now)
{
    char buffer[DATAGRAM_SIZE];
    struct view bytes;
    struct addr from;
    while (prober->fd >= 0 && io_udp_receive(prober->fd, buffer, sizeof buffer, &bytes, &from)) {
        struct stun_message m;
        struct addr external;
        if (stun_message_decode(bytes, &m) != STUN_DECODED || m.class != STUN_SUCCESS)
            continue;
        for (size_t i = 0; i < prober->count; i++) {
            struct server *server = &prober->servers[i];
            if (!server->is_open || !addr_equal(&from, &server->address) ||
                !stun_client_matches(&server->client, &m))
                continue;
            if (!stun_read_mapped(&m, &external) || !target_may_be_ours(&external, &prober->local))
                break;
            server->is_open = false;
            server->answers = true;
            server->breaker_ms = 0;
            server->closed_until = (struct tick){0};
            server->rtt_ms = tick_diff_ms(now, server->sent_at);
            if (!prober->has_answer)
                check_seen(prober, now, server, &external);
            break;
        }
    }
}

/* ---- discovery ------------------------------------------------------------------------------ */

static void discovery_stop(struct prober *prober, struct tick now)
{
    outpost_destroy(prober->outpost, now);
    prober->outpost = NULL;
    prober->wants_outpost = false;
    discovery_destroy(prober->discovery);
    prober->discovery = NULL;
    for (size_t i = 0; i < DISCOVERY_SOCKETS; i++)
        prober_close(prober, &prober->sockets[i]);
}

void prober_discover(struct prober *prober, struct tick now)
{
    struct discovery_options options = {.lifetime = true, .may_relay = prober->config.may_relay};
    if (prober->is_patient)
        options.cap_ms = DISCOVERY_PATIENT_MS;
    discovery_stop(prober, now);
    prober->discover_at = TICK_NEVER;
    if (prober->count == 0)
        return;
    prober->discover_at = tick_add_ms(now, DISCOVER_AGAIN_MS);
    for (size_t i = 0; i < DISCOVERY_SOCKETS; i++) {
        prober->sockets[i] = prober_open(prober, 1 + i, &options.local[i]);
        if (prober->sockets[i] < 0) {
            discovery_stop(prober, now);
            return;
        }
    }
    for (size_t i = 0; i < prober->count; i++)
        options.servers[options.server_count++] = prober->servers[i].address;
    rng_bytes(&prober->rng, options.seed, sizeof options.seed);
    prober->discovery = discovery_create(&options);
    if (!prober->discovery) {
        discovery_stop(prober, now);
        return;
    }
    prober->discover_at = TICK_NEVER;
    nat_discover_mapping(prober->discovery, now);
}

/* The engine wants to look at us from outside. */
static void discovery_open_outpost(struct prober *prober, struct tick now)
{
    prober->wants_outpost = !addr_is_set(&prober->relay.address);
    if (prober->wants_outpost)
        return; /* its name is being looked up; the engine waits for some seconds */
    prober->outpost = outpost_create(
        prober->config.loop, prober->config.token + 1 + DISCOVERY_SOCKETS, now, &prober->relay);
    if (!prober->outpost)
        discovery_relay(prober->discovery, now, NULL);
}

static void outpost_run(struct prober *prober, struct tick now)
{
    struct outpost_event event;
    while (prober->outpost && outpost_event(prober->outpost, now, &event)) {
        if (event.kind == OUTPOST_DATA) {
            (void)discovery_input(prober->discovery, now, DISCOVERY_OVER_RELAY, &event.addr,
                                  event.bytes);
        } else if (event.kind == OUTPOST_STANDS) {
            const struct addr external = discovery_result(prober->discovery).external;
            outpost_let_in(prober->outpost, now, &external);
            discovery_relay(prober->discovery, now, &event.addr);
        } else {
            outpost_destroy(prober->outpost, now);
            prober->outpost = NULL;
            discovery_lost_relay(prober->discovery, now);
        }
    }
    if (prober->outpost)
        outpost_expire(prober->outpost, now);
}

static void discovery_send(struct prober *prober, struct tick now,
                           const struct discovery_packet *packet)
{
    if (packet->socket == DISCOVERY_OVER_RELAY) {
        if (prober->outpost)
            outpost_send(prober->outpost, now, &packet->to, packet->bytes);
        return;
    }
    metric_add(METRIC_NETWORK_STUN_REQUESTS, 1);
    if (io_udp_send(prober->sockets[packet->socket], NULL, &packet->to, packet->bytes) != 0) {
        /* As if it were lost: the engine asks again, and in the end counts it as silence. */
    }
}

static void discovery_pause(struct prober *prober, struct tick now)
{
    int64_t longer = prober->discover_pause_ms * 2;
    prober->discover_pause_ms = longer == 0                       ? DISCOVER_AGAIN_MS
                                : longer < DISCOVER_AGAIN_MOST_MS ? longer
                                                                  : DISCOVER_AGAIN_MOST_MS;
    prober->discover_at = tick_add_ms(now, prober->discover_pause_ms);
}

static void discovery_take_events(struct prober *prober, struct tick now)
{
    enum discovery_event_kind kind;
    while (prober->discovery && discovery_event(prober->discovery, &kind)) {
        struct prober_event event = {.result = discovery_result(prober->discovery)};
        event.external = event.result.external;
        if (kind == DISCOVERY_SILENT) {
            event.kind = PROBER_SILENT;
            prober_tell(prober, &event);
            discovery_stop(prober, now);
            discovery_pause(prober, now);
            prober->is_patient = true;
            return;
        }
        if (kind == DISCOVERY_WANTS_RELAY) {
            discovery_open_outpost(prober, now);
            continue;
        }
        if (kind == DISCOVERY_EXTERNAL) {
            if (addr_is_set(&prober->external))
                continue; /* a check has said so, too, or asks whether it has changed */
            prober->external = event.external;
            event.kind = PROBER_EXTERNAL;
        } else {
            event.kind = PROBER_BEHAVIOUR;
        }
        prober_tell(prober, &event);
    }
    if (!prober->discovery || !discovery_result(prober->discovery).is_done)
        return;
    if (discovery_result(prober->discovery).is_slow) {
        prober->is_patient = true;
        prober_discover(prober, now);
        return;
    }
    /* Packets may have been lost: calls would be answered with guesses for a week. */
    bool is_known = discovery_result(prober->discovery).behaviour.mapping != NAT_MAPPING_UNKNOWN;
    discovery_stop(prober, now);
    if (!is_known) {
        discovery_pause(prober, now);
        return;
    }
    prober->discover_pause_ms = 0;
    prober->discover_at = tick_add_ms(now, DISCOVER_MS);
}

static void discovery_run(struct prober *prober, struct tick now)
{
    struct discovery_packet packet;
    if (!prober->discovery)
        return;
    outpost_run(prober, now);
    discovery_expire(prober->discovery, now);
    while (discovery_output(prober->discovery, now, &packet))
        discovery_send(prober, now, &packet);
    discovery_take_events(prober, now);
}

static void discovery_read(struct prober *prober, struct tick now, size_t socket)
{
    char buffer[DATAGRAM_SIZE];
    struct view bytes;
    struct addr from;
    while (prober->sockets[socket] >= 0 &&
           io_udp_receive(prober->sockets[socket], buffer, sizeof buffer, &bytes, &from)) {
        if (prober->discovery)
            (void)discovery_input(prober->discovery, now, (enum discovery_socket)socket, &from,
                                  bytes);
    }
    discovery_run(prober, now);
}

/* ---- the owner's calls ---------------------------------------------------------------------- */

void prober_start(struct prober *prober, struct tick now, const struct addr *local,
                  const struct addr *servers, size_t count)
{
    discovery_stop(prober, now);
    prober->count = 0;
    prober->event_count = 0;
    prober->external = (struct addr){0};
    prober->silent_ms = prober->discover_pause_ms = 0;
    prober->is_patient = false;
    prober->local = addr_with_port(*local, 0);
    while (addr_is_set(local) && prober->count < count && prober->count < PROBER_SERVERS) {
        prober->servers[prober->count] =
            (struct server){.address = servers[prober->count], .rtt_ms = -1};
        prober->servers[prober->count].client.next = TICK_NEVER;
        prober->count++;
    }
    check_start(prober, now, CHECK_RACE);
    prober_discover(prober, now);
    check_send(prober, now);
    discovery_run(prober, now);
}

void prober_offer_relay(struct prober *prober, struct tick now, const struct outpost_server *server)
{
    prober->relay = *server;
    if (!prober->wants_outpost)
        return;
    discovery_open_outpost(prober, now);
    discovery_run(prober, now);
}

void prober_check(struct prober *prober, struct tick now)
{
    if (prober->check != CHECK_NONE || prober->count == 0)
        return;
    check_start(prober, now, CHECK_ROUTINE);
    check_send(prober, now);
}

void prober_ready(struct prober *prober, struct tick now, uint64_t token)
{
    uint64_t which = token - prober->config.token;
    if (which == 0) {
        check_input(prober, now);
        check_send(prober, now);
    } else if (which <= DISCOVERY_SOCKETS) {
        discovery_read(prober, now, (size_t)which - 1);
    } else {
        discovery_run(prober, now);
    }
}

void prober_expire(struct prober *prober, struct tick now)
{
    if (prober->check == CHECK_NONE && tick_due(prober->check_at, now))
        check_start(prober, now, CHECK_ROUTINE);
    check_send(prober, now);
    if (!prober->discovery && tick_due(prober->discover_at, now))
        prober_discover(prober, now);
    discovery_run(prober, now);
}

struct tick prober_deadline(const struct prober *prober)
{
    struct tick deadline = prober->check == CHECK_NONE ? prober->check_at : TICK_NEVER;
    for (size_t i = 0; i < prober->count; i++) {
        if (prober->servers[i].is_open)
            deadline = tick_min(deadline, stun_client_deadline(&prober->servers[i].client));
    }
    if (prober->outpost)
        deadline = tick_min(deadline, outpost_deadline(prober->outpost));
    return tick_min(deadline, prober->discovery ? discovery_deadline(prober->discovery)
                                                : prober->discover_at);
}

bool prober_server(const struct prober *prober, size_t index, struct prober_server *out)
{
    if (index >= prober->count)
        return false;
    *out = (struct prober_server){.address = prober->servers[index].address,
                                  .was_asked = prober->servers[index].was_asked,
                                  .answers = prober->servers[index].answers,
                                  .is_silent = prober->servers[index].breaker_ms > 0,
                                  .rtt_ms = prober->servers[index].rtt_ms};
    return true;
}

void prober_destroy(struct prober *prober)
{
    if (!prober)
        return;
    discovery_stop(prober, io_clock_tick());
    prober_close(prober, &prober->fd);
    free(prober);
}
