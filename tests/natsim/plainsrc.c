/* plainsrc: RTP of an SRC.
 * Not here: the network.
 * RFC 3550 §5.1. */
#include "natsim/plainsrc.h"

#include "rtp/packet.h"

enum { FIRST_PORT = 20000, ANYWHERE = 30, SAMPLES_MS = 8 };

/* Something of ours has come to where it listens. */
static void receive(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct plainsrc *src = context;
    bool is_media =
        addr_equal(&packet->to, &src->source) ||
        (addr_equal_ip(&packet->to, &src->options.address) && packet->to.port == src->port);
    if (packet->kind != NATSIM_DATAGRAM_CAME || !is_media)
        return;
    src->taken++;
    if (src->options.is_closed) {
        src->turned_away++;
        natsim_refuse(sim);
        return;
    }
    src->latched = packet->from;
}

void plainsrc_init(struct plainsrc *src, struct natsim *sim, size_t realm,
                   const struct plainsrc_options *options)
{
    *src = (struct plainsrc){.options = *options, .sim = sim, .next = TICK_NEVER};
    src->host = natsim_host(sim, realm, options->address, receive, src);
    for (size_t i = 0; i < PLAINSRC_FARM_SIZE && addr_is_set(&options->farm[i]); i++)
        (void)natsim_interface(sim, src->host, realm, options->farm[i]);
    for (unsigned i = 0; i < ANYWHERE && options->source == PLAINSRC_ANYWHERE; i++) {
        struct addr a = options->anywhere;
        a.ip[a.family == ADDR_V4 ? 3 : 15] = (uint8_t)(a.ip[a.family == ADDR_V4 ? 3 : 15] + i);
        (void)natsim_interface(sim, src->host, realm, a);
    }
}

void plainsrc_offer(struct plainsrc *src)
{
    const struct plainsrc_options *o = &src->options;
    struct rng *rng = &src->sim->rng;
    src->port = (uint16_t)(FIRST_PORT + 2 * rng_below(rng, 10000));
    src->offered = src->source = addr_with_port(o->address, src->port);
    if (o->source != PLAINSRC_SYMMETRIC)
        src->source.port = (uint16_t)(40000 + 2 * rng_below(rng, 10000));
    if (o->source == PLAINSRC_OTHER_PORT && o->port_offset)
        src->source.port = (uint16_t)(src->port + o->port_offset);
    if (o->source == PLAINSRC_FARM)
        src->source = addr_with_port(o->farm[src->calls % PLAINSRC_FARM_SIZE], src->source.port);
    if (o->source == PLAINSRC_ANYWHERE) {
        uint8_t *last = &src->source.ip[o->address.family == ADDR_V4 ? 3 : 15];
        src->source = addr_with_port(o->anywhere, src->source.port);
        *last = (uint8_t)(*last + src->calls % ANYWHERE);
    }
    src->calls++;
    src->ssrc = rng_u32(rng);
    src->sent = 0;
    src->turned_away = 0;
    src->latched = src->to = (struct addr){0};
    src->sends = src->silent = false;
    src->next = TICK_NEVER;
}

bool plainsrc_answered(struct plainsrc *src, const struct addr *to, bool again)
{
    if (again && src->options.refuses)
        return false;
    src->to = *to;
    if (!src->sends) {
        src->sends = true;
        src->next = src->started = src->sim->now;
    }
    if (again)
        src->latched =
            (struct addr){0}; /* the new address holds until packets come from elsewhere */
    return true;
}

void plainsrc_end(struct plainsrc *src)
{
    src->sends = false;
    src->next = TICK_NEVER;
}

void plainsrc_move(struct plainsrc *src)
{
    src->source.port = (uint16_t)(src->source.port ^ 0x1002);
}

static void send_rtp(struct plainsrc *src)
{
    uint8_t bytes[64], number[4];
    struct writer n = writer_of(number, sizeof number), w = writer_of(bytes, sizeof bytes);
    struct rtp_packet packet = {
        .payload_type = PLAINSRC_PAYLOAD_TYPE,
        .seq = (uint16_t)src->sent,
        .timestamp = (uint32_t)(src->sent * (uint32_t)src->options.packet_ms * SAMPLES_MS),
        .ssrc = src->ssrc,
        .payload = view_of(number, sizeof number)};
    struct addr to = src->options.latches && addr_is_set(&src->latched) ? src->latched : src->to;
    writer_u32(&n, src->sent++);
    rtp_packet_encode(&packet, &w);
    (void)natsim_send(src->sim, src->host, src->source, to, writer_done(&w));
}

void plainsrc_run(struct plainsrc *src)
{
    while (src->sends && tick_due(src->next, src->sim->now)) {
        if (!src->silent)
            send_rtp(src);
        src->next = tick_add_ms(src->next, src->options.packet_ms);
    }
}

struct tick plainsrc_deadline(const struct plainsrc *src)
{
    return src->sends ? src->next : TICK_NEVER;
}
