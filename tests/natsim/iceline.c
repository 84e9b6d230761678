/* iceline: what happens between our engines and one line.
 * Not here: candidates.
 * RFC 8489, 5780, 6887. */
#include "natsim/iceline.h"

#include "nat/discovery.h"
#include "nat/gateway.h"
#include "stun/message.h"

#include <assert.h>
#include <string.h>

enum {
    DISCOVERY_PORT = 30000,
    GATEWAY_PORT = 32000,
    STUN_AGAIN_MS = 500,
    STUN_KEEP_MS = 10000,
    STUN_WAIT_MS = 2000,
    GATEWAY_WAIT_MS = 4000, /* one answer that is lost: RFC 6887 §8.1.1 asks again after 3 s */
    GATEWAY_WAIT_AGAIN_MS = 300, /* in mid-call */
};

struct addr iceline_media(const struct iceline *line, size_t component)
{
    return addr_with_port(line->options.address, (uint16_t)(ICELINE_PORT + component));
}

void iceline_init(struct iceline *line, struct natsim *sim, size_t host,
                  const struct iceline_options *options)
{
    line->options = *options;
    line->sim = sim;
    line->host = host;
    profile_init(&line->profile, sim->now, PATH_UNKNOWN, options->external);
    (void)profile_set_local(&line->profile, sim->now, options->address);
    line->learning = sim->now;
}

void iceline_finish(struct iceline *line)
{
    finder_finish(&line->finder);
    gateway_destroy(line->gateway);
    line->gateway = NULL;
}

/* ---- what comes in -------------------------------------------------------------------------- */

static bool take_reflexive(struct iceline *line, const struct natsim_packet *packet)
{
    struct stun_message m;
    size_t component = (size_t)(packet->to.port - ICELINE_PORT);
    struct addr mapped;
    if (!addr_is_set(&line->options.stun) || !addr_equal(&packet->from, &line->options.stun))
        return false;
    if (component < ICELINE_COMPONENTS && stun_message_decode(packet->bytes, &m) == STUN_DECODED &&
        m.class == STUN_SUCCESS && stun_read_mapped(&m, &mapped))
        line->reflexive[component] = mapped;
    return true;
}

bool iceline_take(struct iceline *line, const struct natsim_packet *packet)
{
    if (packet->to.family != line->options.address.family)
        return false;
    if (packet->to.port == GATEWAY_PORT) {
        if (line->gateway && addr_equal(&packet->from, &line->options.gateway))
            (void)gateway_input(line->gateway, line->sim->now, packet->bytes);
        return true;
    }
    return finder_take(&line->finder, packet) || take_reflexive(line, packet);
}

/* ---- STUN ----------------------------------------------------------------------------------- */

static void ask_stun(struct iceline *line)
{
    for (size_t c = 0; c < line->components; c++) {
        uint8_t bytes[STUN_HEADER_SIZE];
        struct writer w = writer_of(bytes, sizeof bytes);
        struct stun_transaction transaction = stun_transaction_make(&line->sim->rng);
        stun_begin(&w, STUN_REQUEST, STUN_BINDING, &transaction);
        stun_finish(&w, false);
        (void)natsim_send(line->sim, line->host, iceline_media(line, c), line->options.stun,
                          writer_done(&w));
    }
    line->asked = line->sim->now;
}

bool iceline_has_reflexive(const struct iceline *line)
{
    bool has_all = true;
    for (size_t c = 0; c < line->components; c++)
        has_all &= addr_is_set(&line->reflexive[c]);
    return has_all;
}

/* Until when its media sockets ask nobody: what the gateway maps is what STUN sees from then on. */
static struct tick gateway_wait_ends(const struct iceline *line)
{
    bool has_all = !line->tcp_port || addr_is_set(&line->mapped_tcp);
    for (size_t c = 0; c < line->components; c++)
        has_all &= addr_is_set(&line->mapped[c]);
    if (!line->gateway || has_all)
        return line->learning;
    return tick_add_ms(line->learning, line->again ? GATEWAY_WAIT_AGAIN_MS : GATEWAY_WAIT_MS);
}

static struct tick stun_deadline(const struct iceline *line, bool is_calling)
{
    bool has_all = iceline_has_reflexive(line);
    bool is_late = tick_due(tick_add_ms(line->learning, STUN_WAIT_MS), line->sim->now);
    if (!addr_is_set(&line->options.stun) || (is_calling && (has_all || is_late)))
        return TICK_NEVER;
    if (!tick_due(gateway_wait_ends(line), line->sim->now))
        return gateway_wait_ends(line);
    return tick_add_ms(line->asked, has_all ? STUN_KEEP_MS : STUN_AGAIN_MS);
}

/* At once where no gateway is to be waited for; stun_deadline sees to the rest. */
static void begin_stun(struct iceline *line)
{
    line->asked = (struct tick){0};
    if (addr_is_set(&line->options.stun) && tick_due(gateway_wait_ends(line), line->sim->now))
        ask_stun(line);
}

/* ---- discovery, gateway --------------------------------------------------------------------- */

static void start_discovery(struct iceline *line)
{
    finder_finish(&line->finder);
    line->finder = (struct finder){.host = line->host,
                                   .options = {.servers = {line->options.stun}, .server_count = 1}};
    finder_init(&line->finder, line->sim, addr_with_port(line->options.address, DISCOVERY_PORT));
    finder_start(&line->finder);
}

static void forget_mapped(struct iceline *line)
{
    memset(line->mapped, 0, sizeof line->mapped);
    line->mapped_tcp = (struct addr){0};
}

static void start_gateway(struct iceline *line)
{
    struct gateway_options options = {.server = line->options.gateway,
                                      .internal = line->options.address};
    struct tick now = line->sim->now;
    rng_bytes(&line->sim->rng, options.seed, sizeof options.seed);
    gateway_destroy(line->gateway);
    line->gateway = gateway_create(&options);
    assert(line->gateway);
    forget_mapped(line);
    for (size_t c = 0; c < line->components; c++)
        (void)gateway_map(line->gateway, now, PORTMAP_UDP, iceline_media(line, c).port);
    if (line->tcp_port)
        (void)gateway_map(line->gateway, now, PORTMAP_TCP, line->tcp_port);
}

static void run_gateway(struct iceline *line)
{
    struct addr from = addr_with_port(line->options.address, GATEWAY_PORT);
    struct tick now = line->sim->now;
    struct gateway_event e;
    struct view out;
    gateway_expire(line->gateway, now);
    while (gateway_output(line->gateway, now, &out))
        (void)natsim_send(line->sim, line->host, from, line->options.gateway, out);
    while (gateway_event(line->gateway, &e)) {
        struct gateway_status status = gateway_status(line->gateway);
        profile_tell_gateway(&line->profile, now, &status);
        if (e.kind != GATEWAY_MAPPED && e.kind != GATEWAY_LOST)
            continue;
        struct addr *mapped = e.protocol == PORTMAP_TCP
                                  ? &line->mapped_tcp
                                  : &line->mapped[e.internal_port - ICELINE_PORT];
        *mapped = e.kind == GATEWAY_MAPPED ? e.external : (struct addr){0};
    }
}

/* ---- its life ------------------------------------------------------------------------------- */

void iceline_learn(struct iceline *line, bool discovers)
{
    line->profile.started = line->sim->now;
    if (discovers && addr_is_set(&line->options.stun))
        start_discovery(line);
    if (addr_is_set(&line->options.gateway))
        start_gateway(line);
    begin_stun(line);
}

void iceline_relearn(struct iceline *line, struct addr address)
{
    bool has_moved = !addr_equal_ip(&line->options.address, &address);
    line->options.address = address;
    line->learning = line->sim->now;
    line->again = true;
    (void)profile_set_local(&line->profile, line->sim->now, address);
    memset(line->reflexive, 0, sizeof line->reflexive);
    if (line->gateway && has_moved) { /* its mappings lead to the address that is gone */
        start_gateway(line);
    } else if (line->gateway) {
        forget_mapped(line);
        gateway_retry(line->gateway, line->sim->now);
    }
    begin_stun(line);
}

bool iceline_is_ready(const struct iceline *line)
{
    int64_t ms = tick_diff_ms(line->sim->now, line->profile.started);
    int64_t stun_ms = STUN_WAIT_MS + (line->gateway ? GATEWAY_WAIT_MS : 0);
    if (!finder_is_done(&line->finder))
        return false;
    if (!tick_due(gateway_wait_ends(line), line->sim->now))
        return false;
    return !addr_is_set(&line->options.stun) || iceline_has_reflexive(line) || ms >= stun_ms;
}

void iceline_run(struct iceline *line, bool is_calling)
{
    finder_turn(&line->finder, &line->profile);
    if (line->gateway)
        run_gateway(line);
    if (tick_due(stun_deadline(line, is_calling), line->sim->now))
        ask_stun(line);
}

struct tick iceline_deadline(const struct iceline *line, bool is_calling)
{
    struct tick next = tick_min(stun_deadline(line, is_calling), finder_deadline(&line->finder));
    if (line->gateway)
        next = tick_min(next, gateway_deadline(line->gateway));
    return next;
}
