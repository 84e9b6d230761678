/* mapper: our ports mapped at the gateway, for as long as they are wanted: by PCP or NAT-PMP where
 * it speaks one of them, else by UPnP.
 * Not here: the protocols (nat/gateway.h, io/igd.h), which ports (surveyor.h).
 * RFC 6887, RFC 6886, UPnP WANIPConnection. */
#include "siprecd/mapper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/rng.h"
#include "base/target.h"
#include "io/udp.h"

enum {
    /* NAT-PMP's own schedule waits for two minutes (RFC 6886 §3.1); a gateway on the same link
     * answers in milliseconds, and calls may be waiting. */
    MAPPER_FIND_MS = 2000,
    MAPPER_DOUBT_MS = 1000, /* nothing but refusals for so long: UPnP may tell why */
    MAPPER_ANNOUNCE_PORT = 5350,
    MAPPER_LEASE_S = 3600,      /* UPnP; asked for again at half of it */
    MAPPER_UPNP_PAUSE_MS = 100, /* gathers what is wanted at about the same time into one errand */
    MAPPER_UPNP_AT_ONCE = 16,   /* in one errand, whose end tells of them */
    MAPPER_CHECK_MS = 10000,    /* between two doubts, where all that is mapped is asked for anew */
    MAPPER_RETRY_MS = 60000,
    MAPPER_RETRY_MOST_MS = 1800000,
    MAPPER_DATAGRAM = PORTMAP_MESSAGE_MAX + 1,
};

_Static_assert((int)ASKER_PORTS >= (int)GATEWAY_MAPPINGS, "all can be given back by one errand");

struct wish {
    bool is_used;
    bool is_dropped; /* UPnP: to be given back */
    bool is_doubted; /* UPnP: to be asked whether it is still mapped */
    enum portmap_protocol protocol;
    uint16_t port;
    struct addr external; /* not set: not mapped */
    struct tick due;      /* UPnP: to be asked for (again) */
};

struct mapper {
    struct mapper_config config;
    struct rng rng;
    struct addr local, server;
    bool is_on;
    struct gateway *gateway; /* NULL: by UPnP, or off */
    int fd, ear_fd;          /* to the gateway; where it speaks to all */
    bool is_heard;
    bool is_stranded; /* our address is not on this host (yet) */
    bool is_refused;  /* of what it was asked for last */
    bool is_inside; /* it has no address outside that is worth the name: another NAT comes behind */
    struct tick find_until, doubt_at;
    struct tick check_until; /* until then what was known before mapper_check holds */
    struct tick checked, check_at;
    /* UPnP, where the gateway is mute otherwise */
    bool by_upnp, has_upnp;
    bool is_asking;
    bool is_stale;      /* what is under way is of another network */
    unsigned farewells; /* errands that give all back, and are heard of when they are done */
    struct io_igd *igd;
    struct addr upnp_external;
    struct tick upnp_at, retry_at;
    int64_t retry_ms;
    /* all that is wanted */
    struct wish wishes[GATEWAY_MAPPINGS];
    struct mapper_event events[2 * GATEWAY_MAPPINGS];
    size_t event_first, event_count;
    struct gateway_status told;
    bool has_news;
};

struct mapper *mapper_create(const struct mapper_config *config)
{
    struct mapper *mapper = calloc(1, sizeof *mapper);
    if (!mapper)
        return NULL;
    mapper->config = *config;
    mapper->fd = mapper->ear_fd = -1;
    mapper->upnp_at = mapper->retry_at = mapper->find_until = mapper->doubt_at = TICK_NEVER;
    mapper->check_until = mapper->check_at = TICK_NEVER;
    rng_init(&mapper->rng, config->seed);
    return mapper;
}

static void mapper_tell(struct mapper *mapper, struct wish *wish, struct addr external)
{
    const size_t room = sizeof mapper->events / sizeof *mapper->events;
    /* Some gateways have 0.0.0.0 when they have none, and map all the same. */
    if (external.port == 0 || !target_may_be_ours(&external, &mapper->local))
        external = (struct addr){0};
    if (addr_equal(&wish->external, &external))
        return;
    wish->external = external;
    if (mapper->event_count == room)
        return;
    mapper->events[(mapper->event_first + mapper->event_count++) % room] =
        (struct mapper_event){.protocol = wish->protocol, .port = wish->port, .external = external};
}

bool mapper_event(struct mapper *mapper, struct mapper_event *out)
{
    if (mapper->event_count == 0)
        return false;
    *out = mapper->events[mapper->event_first];
    mapper->event_first =
        (mapper->event_first + 1) % (sizeof mapper->events / sizeof *mapper->events);
    mapper->event_count--;
    return true;
}

static bool is_v6(const struct mapper *mapper)
{
    return mapper->local.family == ADDR_V6;
}

static struct wish *wish_find(struct mapper *mapper, enum portmap_protocol protocol, uint16_t port)
{
    for (size_t i = 0; i < GATEWAY_MAPPINGS; i++) {
        struct wish *wish = &mapper->wishes[i];
        if (wish->is_used && wish->protocol == protocol && wish->port == port)
            return wish;
    }
    return NULL;
}

struct gateway_status mapper_status(const struct mapper *mapper)
{
    struct gateway_status status = {0};
    if (mapper->gateway)
        status = gateway_status(mapper->gateway);
    if (!tick_is_never(mapper->check_until)) {
        /* It has said nothing else yet, and most often says the same: calls go on being told it. */
        if (!mapper->is_heard)
            status.speech = mapper->told.speech;
        if (!addr_is_set(&status.external))
            status.external = mapper->told.external;
    }
    if (mapper->by_upnp) {
        status.speech = mapper->has_upnp                  ? GATEWAY_UPNP
                        : tick_is_never(mapper->retry_at) ? GATEWAY_UNKNOWN
                                                          : GATEWAY_MUTE;
        status.external = mapper->upnp_external;
    }
    if (!mapper->is_on)
        status.speech = GATEWAY_UNKNOWN;
    status.is_inside = mapper->is_on && mapper->is_inside;
    status.is_refused = mapper->is_on && mapper->is_refused;
    status.mapped = status.wanted = 0;
    for (size_t i = 0; i < GATEWAY_MAPPINGS; i++) {
        status.wanted += mapper->wishes[i].is_used && !mapper->wishes[i].is_dropped;
        status.mapped += mapper->wishes[i].is_used && addr_is_set(&mapper->wishes[i].external);
    }
    return status;
}

static void mapper_look_for_news(struct mapper *mapper)
{
    struct gateway_status status = mapper_status(mapper);
    if (status.speech != mapper->told.speech || status.is_inside != mapper->told.is_inside ||
        !addr_equal_ip(&status.external, &mapper->told.external))
        mapper->has_news = true;
    metric_add(METRIC_PORT_MAPPINGS, (int64_t)status.mapped - (int64_t)mapper->told.mapped);
    mapper->told = status;
}

bool mapper_has_news(struct mapper *mapper)
{
    bool has_news = mapper->has_news;
    mapper->has_news = false;
    return has_news;
}

/* ---- PCP and NAT-PMP ------------------------------------------------------------------------ */

static void mapper_take_events(struct mapper *mapper, struct tick now)
{
    struct gateway_event event;
    while (gateway_event(mapper->gateway, &event)) {
        struct wish *wish = wish_find(mapper, event.protocol, event.internal_port);
        switch (event.kind) {
        case GATEWAY_MAPPED:
            mapper->is_refused = mapper->is_inside = false;
            if (wish)
                mapper_tell(mapper, wish, event.external);
            break;
        case GATEWAY_LOST:
        case GATEWAY_REFUSED:
            metric_add(METRIC_PORT_MAPPING_FAILURES, 1);
            LOG_DEBUG("nat", VIEW_NONE, "mapping refused port=%u result=%s", event.internal_port,
                      portmap_result_name(event.result));
            if (wish)
                mapper_tell(mapper, wish, (struct addr){0});
            /* RFC 6887 §7.4, codes 7 and 12, say why; miniupnpd says that it has no room. */
            if (event.result == PORTMAP_BEHIND_NAT)
                mapper->is_inside = true;
            if (!mapper->is_refused && mapper_status(mapper).mapped == 0 && !is_v6(mapper))
                mapper->doubt_at = tick_add_ms(now, MAPPER_DOUBT_MS);
            mapper->is_refused = true;
            break;
        case GATEWAY_SILENT: /* mapper_expire has stopped waiting before */
            break;
        case GATEWAY_RESTARTED:
            LOG_INFO("nat", VIEW_NONE, "gateway restarted, mapping again gateway=%s",
                     addr_print_ip(&mapper->server).s);
            break;
        }
    }
}

static void mapper_send(struct mapper *mapper, struct view packet)
{
    if (io_udp_send(mapper->fd, NULL, &mapper->server, packet) != 0) {
        /* As if it were lost: the engine sends it again. */
    }
}

static void mapper_run_gateway(struct mapper *mapper, struct tick now)
{
    struct view packet;
    if (!mapper->gateway)
        return;
    while (gateway_output(mapper->gateway, now, &packet))
        mapper_send(mapper, packet);
    mapper_take_events(mapper, now);
    mapper_look_for_news(mapper);
}

/* ---- UPnP ----------------------------------------------------------------------------------- */

/* A gateway that refuses all may be without an address outside itself, and says so by UPnP at best:
 * its address there is private, or empty. */
static void upnp_ask_why(struct mapper *mapper, struct tick now)
{
    struct asker_question question = {.kind = ASKER_GATEWAY,
                                      .id = mapper->config.id,
                                      .local = mapper->local,
                                      .gateway = mapper->server,
                                      .igd = mapper->igd};
    mapper->doubt_at = TICK_NEVER;
    if (mapper_status(mapper).mapped > 0)
        return;
    mapper->is_asking = asker_ask(mapper->config.asker, &question);
    if (mapper->is_asking)
        mapper->igd = NULL;
    else
        mapper->doubt_at = tick_add_ms(now, MAPPER_RETRY_MS);
}

static struct asker_port upnp_port(const struct wish *wish)
{
    return (struct asker_port){.is_tcp = wish->protocol == PORTMAP_TCP,
                               .internal = wish->port,
                               .external = wish->external.port};
}

static bool upnp_is_due(const struct wish *wish, struct tick now)
{
    return wish->is_used && (wish->is_dropped || wish->is_doubted || tick_due(wish->due, now));
}

/* What is due, as one errand; false: nothing is. */
static bool upnp_gather(struct mapper *mapper, struct tick now, struct asker_question *question)
{
    for (size_t i = 0; i < GATEWAY_MAPPINGS && question->ports_count < MAPPER_UPNP_AT_ONCE; i++) {
        struct wish *wish = &mapper->wishes[i];
        struct asker_port *port = &question->ports[question->ports_count];
        if (!upnp_is_due(wish, now))
            continue;
        *port = upnp_port(wish);
        port->give_back = wish->is_dropped;
        port->is_check = wish->is_doubted && !tick_due(wish->due, now);
        question->ports_count++;
        if (wish->is_dropped)
            *wish = (struct wish){0};
        else if (!port->is_check)
            wish->due = TICK_NEVER; /* until the answer comes */
        wish->is_doubted = false;
    }
    return question->ports_count > 0;
}

/* At the end: what the question's ports were mapped to, all at once, of which nothing is waited for but that it is
 * done. Takes its igd. */
static void upnp_give_back(struct mapper *mapper, struct asker_question *question)
{
    size_t count = 0;
    for (size_t i = 0; i < question->ports_count; i++) {
        struct asker_port port = question->ports[i];
        if (!port.is_mapped || port.is_check)
            continue;
        port.give_back = true;
        question->ports[count++] = port;
    }
    question->ports_count = count;
    question->is_farewell = true;
    if (count == 0 || !asker_ask(mapper->config.asker, question))
        io_igd_destroy(question->igd);
    else
        mapper->farewells++;
    question->igd = NULL;
}

/* An errand that is under way has the gateway's description; then it is looked for once more. */
static void upnp_give_back_all(struct mapper *mapper)
{
    struct asker_question *question = calloc(1, sizeof *question);
    if (!question)
        return;
    *question = (struct asker_question){.kind = ASKER_GATEWAY,
                                        .id = mapper->config.id,
                                        .local = mapper->local,
                                        .gateway = mapper->server,
                                        .igd = mapper->igd};
    mapper->igd = NULL;
    for (size_t i = 0; i < GATEWAY_MAPPINGS; i++) {
        struct asker_port *port = &question->ports[question->ports_count];
        if (!mapper->wishes[i].is_used || !addr_is_set(&mapper->wishes[i].external))
            continue;
        *port = upnp_port(&mapper->wishes[i]);
        port->is_mapped = true;
        question->ports_count++;
    }
    upnp_give_back(mapper, question);
    free(question);
}

/* The gateway has lost a mapping, or has another address outside: all is mapped anew, but not again and
 * again where it has two addresses by turns. What it refuses has its own time. */
static void upnp_map_anew(struct mapper *mapper, struct tick now)
{
    struct tick at = tick_add_ms(mapper->checked, MAPPER_CHECK_MS);
    if (tick_due(at, now)) {
        at = mapper->checked = now;
        LOG_INFO("nat", VIEW_NONE, "no longer mapped by UPnP, mapping again gateway=%s",
                 addr_print_ip(&mapper->server).s);
    }
    for (size_t i = 0; i < GATEWAY_MAPPINGS; i++) {
        struct wish *wish = &mapper->wishes[i];
        if (wish->is_used && addr_is_set(&wish->external))
            wish->due = tick_min(wish->due, at);
    }
}

/* When the first of them is due; mapped later than that it would end. */
static void upnp_plan(struct mapper *mapper, struct tick now)
{
    struct tick first = TICK_NEVER;
    for (size_t i = 0; i < GATEWAY_MAPPINGS; i++) {
        const struct wish *wish = &mapper->wishes[i];
        if (wish->is_used)
            first = tick_min(first, upnp_is_due(wish, now) ? now : wish->due);
    }
    if (!tick_is_never(first) && tick_due(first, now))
        first = tick_add_ms(now, MAPPER_UPNP_PAUSE_MS);
    mapper->upnp_at = first;
}

static void upnp_ask(struct mapper *mapper, struct tick now)
{
    struct wish before[GATEWAY_MAPPINGS];
    struct asker_question *question = calloc(1, sizeof *question);
    mapper->upnp_at = tick_add_ms(now, MAPPER_UPNP_PAUSE_MS);
    if (!question)
        return;
    memcpy(before, mapper->wishes, sizeof before);
    *question = (struct asker_question){.kind = ASKER_GATEWAY,
                                        .id = mapper->config.id,
                                        .local = mapper->local,
                                        .gateway = mapper->server,
                                        .igd = mapper->igd,
                                        .lease_s = MAPPER_LEASE_S};
    if (!upnp_gather(mapper, now, question)) {
        upnp_plan(mapper, now);
    } else if (asker_ask(mapper->config.asker, question)) {
        mapper->is_asking = true;
        mapper->upnp_at = TICK_NEVER;
        mapper->igd = NULL;
    } else {
        memcpy(mapper->wishes, before, sizeof before); /* once more, soon */
    }
    free(question);
}

static void upnp_failed(struct mapper *mapper, struct tick now, const char *why)
{
    mapper->retry_ms = mapper->retry_ms == 0                         ? MAPPER_RETRY_MS
                       : mapper->retry_ms * 2 < MAPPER_RETRY_MOST_MS ? mapper->retry_ms * 2
                                                                     : MAPPER_RETRY_MOST_MS;
    mapper->retry_at = tick_add_ms(now, mapper->retry_ms);
    mapper->upnp_external = (struct addr){0};
    mapper->has_upnp = false;
    metric_add(METRIC_PORT_MAPPING_FAILURES, 1);
    LOG_INFO("nat", VIEW_NONE, "no port mappings: %s gateway=%s", why,
             addr_print_ip(&mapper->server).s);
    for (size_t i = 0; i < GATEWAY_MAPPINGS; i++) {
        if (mapper->wishes[i].is_used)
            mapper_tell(mapper, &mapper->wishes[i], (struct addr){0});
    }
}

/* There is nobody else to ask, for now. */
static void mapper_give_up(struct mapper *mapper, struct tick now, const char *why)
{
    mapper->by_upnp = true;
    upnp_failed(mapper, now, why);
    mapper_look_for_news(mapper);
}

static void upnp_take(struct mapper *mapper, struct tick now, const struct asker_answer *answer)
{
    const struct asker_question *question = &answer->question;
    struct addr before = mapper->upnp_external;
    uint64_t held_back = 0;
    mapper->retry_ms = 0;
    mapper->has_upnp = true;
    mapper->is_inside = answer->count == 0 || addr_is_unspecified(&answer->addresses[0]);
    mapper->upnp_external = answer->count > 0 ? answer->addresses[0] : (struct addr){0};
    bool is_lost = addr_is_set(&before) && !addr_equal_ip(&before, &mapper->upnp_external);
    for (size_t i = 0; i < question->ports_count; i++) {
        const struct asker_port *port = &question->ports[i];
        struct wish *wish =
            wish_find(mapper, port->is_tcp ? PORTMAP_TCP : PORTMAP_UDP, port->internal);
        if (!wish || port->give_back || wish->is_dropped)
            continue;
        if (port->is_check) {
            is_lost |= !port->is_mapped;
            continue;
        }
        if (port->is_mapped) {
            mapper_tell(mapper, wish, addr_with_port(mapper->upnp_external, port->external));
            wish->due = tick_add_ms(now, MAPPER_LEASE_S * 1000 / 2);
            continue;
        }
        metric_add(METRIC_PORT_MAPPING_FAILURES, 1);
        if (held_back++ == 0)
            LOG_INFO("nat", VIEW_NONE, "mapping refused by UPnP port=%u error=%d", port->internal,
                     port->error);
        mapper_tell(mapper, wish, (struct addr){0});
        wish->due = tick_add_ms(now, MAPPER_RETRY_MS);
    }
    if (is_lost)
        upnp_map_anew(mapper, now);
}

void mapper_answer(struct mapper *mapper, struct tick now, struct asker_answer *answer)
{
    bool is_stale = mapper->is_stale;
    if (answer->question.is_farewell) {
        mapper->farewells--;
        return;
    }
    mapper->is_asking = mapper->is_stale = false;
    if (is_stale && !mapper->is_on && answer->good) /* mapped after we had stopped wanting it */
        upnp_give_back(mapper, &answer->question);
    if (!is_stale && !mapper->by_upnp && answer->good && mapper->is_refused) {
        mapper->is_inside = answer->count == 0 || addr_is_private(&answer->addresses[0]) ||
                            addr_is_unspecified(&answer->addresses[0]);
        mapper_look_for_news(mapper);
        return;
    }
    if (is_stale || !mapper->by_upnp) {
        upnp_plan(mapper, now);
        return; /* its igd goes with the answer */
    }
    mapper->igd = answer->question.igd;
    answer->question.igd = NULL;
    if (!answer->good || !mapper->igd)
        upnp_failed(mapper, now, answer->good ? "the UPnP gateway went away" : answer->why);
    else
        upnp_take(mapper, now, answer);
    if (answer->good && mapper->igd)
        upnp_plan(mapper, now);
    mapper_look_for_news(mapper);
}

/* The clock runs from the first question on. */
static void mapper_wait_for_gateway(struct mapper *mapper, struct tick now)
{
    if (!mapper->is_heard && tick_is_never(mapper->find_until))
        mapper->find_until = tick_add_ms(now, MAPPER_FIND_MS);
}

/* ---- wishes --------------------------------------------------------------------------------- */

bool mapper_want(struct mapper *mapper, struct tick now, enum portmap_protocol protocol,
                 uint16_t port)
{
    struct wish *wish = wish_find(mapper, protocol, port);
    if (wish) {
        wish->is_dropped = false;
        return true;
    }
    for (size_t i = 0; i < GATEWAY_MAPPINGS && !wish; i++) {
        if (!mapper->wishes[i].is_used)
            wish = &mapper->wishes[i];
    }
    if (!wish)
        return false;
    *wish = (struct wish){.is_used = true, .protocol = protocol, .port = port, .due = now};
    if (!mapper->is_on)
        return true;
    if (mapper->gateway) {
        (void)gateway_map(mapper->gateway, now, protocol, port);
        mapper_wait_for_gateway(mapper, now);
    }
    if (mapper->by_upnp && tick_is_never(mapper->retry_at))
        mapper->upnp_at = tick_min(mapper->upnp_at, tick_add_ms(now, MAPPER_UPNP_PAUSE_MS));
    mapper_run_gateway(mapper, now);
    return true;
}

void mapper_drop(struct mapper *mapper, struct tick now, enum portmap_protocol protocol,
                 uint16_t port)
{
    struct wish *wish = wish_find(mapper, protocol, port);
    if (!wish)
        return;
    if (mapper->gateway)
        gateway_unmap(mapper->gateway, now, protocol, port);
    if (mapper->by_upnp && addr_is_set(&wish->external)) {
        wish->is_dropped = true;
        mapper->upnp_at = tick_min(mapper->upnp_at, tick_add_ms(now, MAPPER_UPNP_PAUSE_MS));
    } else {
        *wish = (struct wish){0};
    }
    mapper_run_gateway(mapper, now);
}

/* ---- the gateway ---------------------------------------------------------------------------- */

static void close_socket(struct mapper *mapper, int *fd)
{
    if (*fd < 0)
        return;
    io_loop_remove(mapper->config.loop, *fd);
    close(*fd);
    *fd = -1;
}

static void mapper_close_gateway(struct mapper *mapper)
{
    gateway_destroy(mapper->gateway);
    mapper->gateway = NULL;
    mapper->find_until = mapper->check_until = TICK_NEVER;
    close_socket(mapper, &mapper->fd);
}

/* Gateways that came up anew, or have another address outside, say so to all hosts, at this port
 * (RFC 6887 §14.1.2, RFC 6886 §3.2.1): 224.0.0.1 and ff02::1 need no joining. Other programs may listen, too.
 * Without it we would find out when mappings are renewed. */
static void mapper_open_ear(struct mapper *mapper)
{
    struct io_udp_options options = {.reuse = true};
    struct addr all = {.family = mapper->local.family, .port = MAPPER_ANNOUNCE_PORT};
    if (mapper->ear_fd >= 0)
        return;
    mapper->ear_fd = io_udp_open(&all, &options, NULL);
    if (mapper->ear_fd >= 0 &&
        io_loop_add(mapper->config.loop, mapper->ear_fd, IO_READ, mapper->config.token) != 0) {
        close(mapper->ear_fd);
        mapper->ear_fd = -1;
    }
    if (mapper->ear_fd < 0)
        LOG_INFO("nat", VIEW_NONE, "announcements of the gateway are not heard error=\"%s\"",
                 strerror(errno));
}

static void mapper_forget(struct mapper *mapper)
{
    mapper_close_gateway(mapper);
    close_socket(mapper, &mapper->ear_fd);
    io_igd_destroy(mapper->igd);
    mapper->igd = NULL;
    mapper->by_upnp = mapper->has_upnp = mapper->is_heard = mapper->is_stranded = false;
    mapper->is_refused = mapper->is_inside = false;
    mapper->doubt_at = mapper->check_at = TICK_NEVER;
    mapper->is_stale = mapper->is_asking;
    mapper->upnp_external = (struct addr){0};
    mapper->upnp_at = mapper->retry_at = TICK_NEVER;
    mapper->retry_ms = 0;
}

/* PCP and NAT-PMP first; all that is wanted is asked for. */
static void mapper_open_gateway(struct mapper *mapper, struct tick now)
{
    struct gateway_options options = {.internal = mapper->local, .server = mapper->server};
    struct io_udp_options socket = {0};
    mapper->by_upnp = mapper->is_heard = false;
    rng_bytes(&mapper->rng, options.seed, sizeof options.seed);
    mapper->fd = io_udp_open(&mapper->local, &socket, NULL);
    if (mapper->fd >= 0 &&
        io_loop_add(mapper->config.loop, mapper->fd, IO_READ, mapper->config.token) != 0) {
        close(mapper->fd);
        mapper->fd = -1;
    }
    mapper->gateway = mapper->fd >= 0 ? gateway_create(&options) : NULL;
    if (mapper->gateway)
        mapper_open_ear(mapper);
    for (size_t i = 0; i < GATEWAY_MAPPINGS; i++) {
        struct wish *wish = &mapper->wishes[i];
        if (wish->is_used && wish->is_dropped)
            *wish = (struct wish){0};
        if (!wish->is_used)
            continue;
        wish->due = now;
        if (mapper->gateway) {
            (void)gateway_map(mapper->gateway, now, wish->protocol, wish->port);
            mapper_wait_for_gateway(mapper, now);
        }
    }
    mapper_run_gateway(mapper, now);
    mapper->is_stranded = !mapper->gateway;
    if (mapper->is_stranded) /* from another address it would map that, or refuse (RFC 6887 §8.2) */
        mapper_give_up(mapper, now, "it cannot be asked from our address");
}

void mapper_addresses(struct mapper *mapper, struct tick now)
{
    if (mapper->is_on && mapper->is_stranded)
        mapper->retry_at = now;
}

void mapper_start(struct mapper *mapper, struct tick now, const struct addr *local,
                  const struct addr *gateway)
{
    struct addr from = addr_with_port(*local, 0);
    struct addr server = addr_with_port(*gateway, PORTMAP_SERVER_PORT);
    if (mapper->is_on && addr_equal(&mapper->local, &from) && addr_equal(&mapper->server, &server))
        return;
    mapper_forget(mapper);
    mapper->is_on = true;
    mapper->local = from;
    mapper->server = server;
    for (size_t i = 0; i < GATEWAY_MAPPINGS; i++) {
        if (mapper->wishes[i].is_used)
            mapper_tell(mapper, &mapper->wishes[i], (struct addr){0});
    }
    mapper_open_gateway(mapper, now);
}

void mapper_check(struct mapper *mapper, struct tick now)
{
    if (!mapper->is_on)
        return;
    mapper->checked = now;
    mapper->check_at = TICK_NEVER;
    if (mapper->gateway && mapper->is_heard) {
        mapper->is_heard = false; /* one that is silent by now has mapped nothing */
        mapper->check_until = tick_add_ms(now, MAPPER_FIND_MS);
        gateway_retry(mapper->gateway, now);
        mapper_wait_for_gateway(mapper, now);
        mapper_run_gateway(mapper, now);
    }
    if (mapper->by_upnp && !is_v6(mapper)) {
        for (size_t i = 0; i < GATEWAY_MAPPINGS; i++)
            mapper->wishes[i].due = now;
        mapper->upnp_at = now;
    }
}

void mapper_doubt(struct mapper *mapper, struct tick now, enum portmap_protocol protocol,
                  uint16_t port)
{
    struct wish *wish = wish_find(mapper, protocol, port);
    struct tick earliest = tick_add_ms(mapper->checked, MAPPER_CHECK_MS);
    if (!mapper->is_on || !wish)
        return;
    if (mapper->by_upnp && !is_v6(mapper)) {
        wish->is_doubted = true;
        mapper->upnp_at = now;
    } else if (tick_due(earliest, now)) {
        mapper_check(mapper, now);
    } else {
        mapper->check_at = earliest;
    }
}

void mapper_stop(struct mapper *mapper, struct tick now)
{
    struct view packet;
    if (!mapper->is_on)
        return;
    while (mapper->gateway && gateway_end(mapper->gateway, &packet))
        mapper_send(mapper, packet);
    if (mapper->by_upnp && !is_v6(mapper))
        upnp_give_back_all(mapper);
    mapper_forget(mapper);
    mapper->is_on = false;
    for (size_t i = 0; i < GATEWAY_MAPPINGS; i++) {
        struct wish *wish = &mapper->wishes[i];
        if (wish->is_dropped)
            *wish = (struct wish){0};
        if (wish->is_used)
            mapper_tell(mapper, wish, (struct addr){0});
    }
    mapper_look_for_news(mapper);
}

bool mapper_is_ending(const struct mapper *mapper)
{
    return !mapper->is_on &&
           (mapper->farewells > 0 || (mapper->is_asking && asker_is_mapping(mapper->config.asker)));
}

/* From the server's own address and port (RFC 6887 §8.3, RFC 6886 §3.2: from nobody else). */
static void mapper_hear(struct mapper *mapper, struct tick now, struct view bytes)
{
    struct portmap_response said;
    if (mapper->gateway && gateway_input(mapper->gateway, now, bytes)) {
        mapper->is_heard = true;
        mapper->find_until = TICK_NEVER;
    } else if (!mapper->gateway && !tick_is_never(mapper->retry_at) && portmap_read(bytes, &said)) {
        mapper->retry_at = now; /* it was silent, and is back: an announcement */
    }
}

void mapper_ready(struct mapper *mapper, struct tick now, uint64_t token)
{
    char buffer[MAPPER_DATAGRAM];
    struct view bytes;
    struct addr from;
    if (token != mapper->config.token)
        return;
    while ((mapper->fd >= 0 && io_udp_receive(mapper->fd, buffer, sizeof buffer, &bytes, &from)) ||
           (mapper->ear_fd >= 0 &&
            io_udp_receive(mapper->ear_fd, buffer, sizeof buffer, &bytes, &from))) {
        if (addr_equal(&from, &mapper->server))
            mapper_hear(mapper, now, bytes);
    }
    mapper_run_gateway(mapper, now);
}

void mapper_expire(struct mapper *mapper, struct tick now)
{
    if (!mapper->is_on)
        return;
    if (mapper->gateway && tick_due(gateway_deadline(mapper->gateway), now))
        gateway_expire(mapper->gateway, now);
    if (tick_due(mapper->check_until, now))
        mapper->check_until = TICK_NEVER;
    if (tick_due(mapper->check_at, now))
        mapper_check(mapper, now);
    mapper_run_gateway(mapper, now);
    if (mapper->gateway && tick_due(mapper->find_until, now) && is_v6(mapper)) {
        mapper_close_gateway(mapper);
        mapper_give_up(mapper, now, "it speaks no PCP for IPv6");
    }
    if (mapper->gateway && tick_due(mapper->find_until, now)) {
        LOG_INFO("nat", VIEW_NONE,
                 "gateway speaks neither PCP nor NAT-PMP, asking by UPnP gateway=%s",
                 addr_print_ip(&mapper->server).s);
        mapper_close_gateway(mapper);
        mapper->by_upnp = true;
        mapper->upnp_at = now;
    }
    if (tick_due(mapper->retry_at, now) && !mapper->is_asking) {
        /* Switched on meanwhile, or another device: all ways are tried again. */
        mapper->retry_at = TICK_NEVER;
        mapper_close_gateway(mapper);
        mapper_open_gateway(mapper, now);
    }
    if (!mapper->by_upnp && !mapper->is_asking && tick_due(mapper->doubt_at, now))
        upnp_ask_why(mapper, now);
    if (mapper->by_upnp && !mapper->is_asking && tick_due(mapper->upnp_at, now))
        upnp_ask(mapper, now);
}

struct tick mapper_deadline(const struct mapper *mapper)
{
    struct tick deadline =
        tick_min(mapper->find_until, mapper->is_asking ? TICK_NEVER : mapper->retry_at);
    deadline = tick_min(deadline, tick_min(mapper->check_until, mapper->check_at));
    if (!mapper->is_on)
        return TICK_NEVER;
    if (mapper->gateway)
        deadline = tick_min(deadline, gateway_deadline(mapper->gateway));
    if (mapper->is_asking)
        return deadline;
    return tick_min(deadline, mapper->by_upnp ? mapper->upnp_at : mapper->doubt_at);
}

void mapper_destroy(struct mapper *mapper)
{
    if (!mapper)
        return;
    mapper_forget(mapper);
    free(mapper);
}
