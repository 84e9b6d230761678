/* maphost: answers of a gateway.
 * Not here: translating.
 * RFC 6887 §7.1, §7.2, §11.1; RFC 6886 §3.2, §3.3, §3.5. */
#include "natsim/maphost.h"

#include "base/writer.h"

#include <string.h>

enum { PORT = 5351, PCP_MAP = 1, PCP_SIZE = 60, REFUSED = 2, OTHER_VERSION = 1 };

static uint32_t number(const uint8_t *b, size_t n)
{
    uint32_t x = 0;
    for (size_t i = 0; i < n; i++)
        x = x << 8 | b[i];
    return x;
}

static uint32_t epoch_s(const struct maphost *g)
{
    return (uint32_t)(tick_diff_ms(g->sim->now, g->started) / 1000);
}

static void answer(struct maphost *g, const struct natsim_packet *packet, const struct writer *w)
{
    (void)natsim_send(g->sim, g->host, packet->to, packet->from, writer_done(w));
}

/* What it makes of a wish; port 0: nothing. What there is already is kept to (RFC 6887 §11.3, 3 and 4;
 * RFC 6886 §3.3). */
static struct addr map(struct maphost *g, bool tcp, struct addr internal, uint16_t suggested,
                       uint32_t lifetime_s)
{
    struct natbox *box = tcp ? &g->sim->tcp_boxes[g->realm] : &g->sim->boxes[g->realm];
    struct addr external = box->options.firewall ? internal : box->options.external;
    external.port = suggested ? suggested : internal.port;
    if (g->other_port && !box->options.firewall)
        external.port = (uint16_t)(external.port ^ 0x0555);
    struct addr known;
    if (natbox_find(box, g->sim->now, &internal, &known) && addr_equal_ip(&known, &external))
        external = known;
    natbox_unforward(box, &external);
    if (lifetime_s > 0) {
        natbox_forward(box, internal, external,
                       tick_add_ms(g->sim->now, INT64_C(1000) * lifetime_s));
        g->mapped++;
    }
    external = box->options.firewall ? external : addr_with_port(g->external, external.port);
    return external;
}

static uint32_t cut(const struct maphost *g, uint32_t lifetime_s)
{
    return g->lifetime_s && lifetime_s > g->lifetime_s ? g->lifetime_s : lifetime_s;
}

static void put_ip(struct writer *w, const struct addr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (a->family == ADDR_V4)
        writer_view(w, view_of(mapped, sizeof mapped));
    writer_view(w, view_of(a->ip, a->family == ADDR_V4 ? 4 : 16));
}

static void take_pcp(struct maphost *g, const struct natsim_packet *packet)
{
    const uint8_t *b = (const uint8_t *)packet->bytes.at;
    uint8_t bytes[PCP_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    if (packet->bytes.len != PCP_SIZE || b[1] != PCP_MAP)
        return;
    uint32_t lifetime_s = cut(g, number(b + 4, 4));
    struct addr internal = addr_with_port(packet->from, (uint16_t)number(b + 40, 2));
    struct addr external = addr_with_port(g->external, 0);
    if (!g->refuses)
        external = map(g, b[36] == 6, internal, (uint16_t)number(b + 42, 2), lifetime_s);
    writer_u8(&w, 2);
    writer_u8(&w, 0x80 | PCP_MAP);
    writer_u8(&w, 0);
    writer_u8(&w, g->refuses ? REFUSED : 0);
    writer_u32(&w, lifetime_s);
    writer_u32(&w, epoch_s(g));
    writer_fill(&w, 0, 12);
    writer_view(&w, view_of(b + 24, 18)); /* nonce, protocol, internal port */
    writer_u16(&w, external.port);
    put_ip(&w, &external);
    answer(g, packet, &w);
}

static void take_natpmp(struct maphost *g, const struct natsim_packet *packet)
{
    const uint8_t *b = (const uint8_t *)packet->bytes.at;
    uint8_t bytes[16];
    struct writer w = writer_of(bytes, sizeof bytes);
    size_t len = packet->bytes.len;
    bool maps = len == 12 && (b[1] == 1 || b[1] == 2);
    if (!maps && !(len == 2 && b[1] == 0))
        return;
    writer_u8(&w, 0);
    writer_u8(&w, (uint8_t)(128 + b[1]));
    writer_u16(&w, g->refuses ? REFUSED : 0);
    writer_u32(&w, epoch_s(g));
    if (!maps) {
        writer_view(&w, view_of(g->external.ip, 4));
    } else {
        uint32_t lifetime_s = cut(g, number(b + 8, 4));
        struct addr internal = addr_with_port(packet->from, (uint16_t)number(b + 4, 2));
        struct addr external = {0};
        if (!g->refuses)
            external = map(g, b[1] == 2, internal, (uint16_t)number(b + 6, 2), lifetime_s);
        writer_u16(&w, internal.port);
        writer_u16(&w, external.port);
        writer_u32(&w, lifetime_s);
    }
    answer(g, packet, &w);
}

static void receive(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct maphost *g = context;
    (void)sim;
    if (packet->kind != NATSIM_DATAGRAM_CAME || packet->to.port != PORT || g->silent ||
        packet->bytes.len < 2)
        return;
    g->asked++;
    bool is_pcp = packet->bytes.at[0] == 2;
    if (g->speech == MAPHOST_PCP && is_pcp) {
        take_pcp(g, packet);
    } else if (g->speech == MAPHOST_NATPMP && !is_pcp) {
        take_natpmp(g, packet);
    } else if (g->speech == MAPHOST_NATPMP) { /* RFC 6886 §3.5; and as some do */
        uint8_t bytes[8], opcode = (uint8_t)(128 | (packet->bytes.at[1] & 0x7f));
        struct writer w = writer_of(bytes, sizeof bytes);
        writer_u8(&w, 0);
        writer_u8(&w, g->asked & 1 ? 0 : opcode);
        writer_u16(&w, OTHER_VERSION);
        writer_u32(&w, epoch_s(g));
        answer(g, packet, &w);
    }
}

void maphost_add(struct natsim *sim, size_t realm, struct maphost *gateway)
{
    gateway->sim = sim;
    gateway->realm = realm;
    gateway->started = sim->now;
    gateway->host = natsim_host(sim, realm, gateway->address, receive, gateway);
}

void maphost_restart(struct maphost *gateway)
{
    gateway->started = gateway->sim->now;
    natsim_reboot(gateway->sim, gateway->realm);
}
