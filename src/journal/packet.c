/* packet: IP, UDP and TCP headers around what was received.
 * Not here: checksums of the hot path (writer.c adds them up itself).
 * RFC 791 §3.1, RFC 8200 §3 and §8.1, RFC 768, RFC 9293 §3.1. */
#include "journal/packet.h"

#include "base/reader.h"

#define IPV4_SIZE 20
#define IPV6_SIZE 40
#define HOP_LIMIT 64

static struct addr as_v6(struct addr a)
{
    if (a.family == ADDR_V6)
        return a;
    struct addr mapped = {.family = ADDR_V6, .port = a.port};
    if (a.family == ADDR_V4) {
        mapped.ip[10] = mapped.ip[11] = 0xff;
        memcpy(mapped.ip + 12, a.ip, 4);
    }
    return mapped;
}

void journal_packet_pair(struct addr *source, struct addr *destination)
{
    bool v6 = source->family == ADDR_V6 || destination->family == ADDR_V6;
    if (v6) {
        *source = as_v6(*source);
        *destination = as_v6(*destination);
        return;
    }
    source->family = ADDR_V4;
    destination->family = ADDR_V4;
}

static void put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

size_t journal_packet_ip(uint8_t *at, enum journal_protocol protocol, const struct addr *source,
                         const struct addr *destination)
{
    if (source->family == ADDR_V4) {
        memset(at, 0, IPV4_SIZE);
        at[0] = 0x45;
        at[6] = 0x40; /* don't fragment, so that the identification may be 0 (RFC 6864 §4.1) */
        at[8] = HOP_LIMIT;
        at[9] = (uint8_t)protocol;
        memcpy(at + 12, source->ip, 4);
        memcpy(at + 16, destination->ip, 4);
        return IPV4_SIZE;
    }
    memset(at, 0, IPV6_SIZE);
    at[0] = 0x60;
    at[6] = (uint8_t)protocol;
    at[7] = HOP_LIMIT;
    memcpy(at + 8, source->ip, 16);
    memcpy(at + 24, destination->ip, 16);
    return IPV6_SIZE;
}

void journal_packet_ip_finish(uint8_t *at, size_t total_len)
{
    if (at[0] >> 4 == 6) {
        put_u16(at + 4, total_len - IPV6_SIZE);
        return;
    }
    put_u16(at + 2, total_len);
    uint16_t sum = (uint16_t)~journal_fold(journal_sum(at, IPV4_SIZE));
    memcpy(at + 10, &sum, 2);
}

uint32_t journal_packet_pseudo(const uint8_t *ip, enum journal_protocol protocol, size_t len)
{
    bool v6 = ip[0] >> 4 == 6;
    uint8_t tail[4] = {0, (uint8_t)protocol, (uint8_t)(len >> 8), (uint8_t)len};
    return journal_sum(ip + (v6 ? 8 : 12), v6 ? 32 : 8) + journal_sum(tail, sizeof tail);
}

static bool decode_ip(struct reader *in, struct journal_packet *p)
{
    struct view all = in->rest;
    uint8_t first = all.len ? (uint8_t)all.at[0] : 0;
    size_t address_len = first >> 4 == 4 ? 4 : 16;
    p->source.family = p->destination.family = first >> 4 == 4 ? ADDR_V4 : ADDR_V6;
    if (first >> 4 == 4) {
        size_t head = (size_t)(first & 0x0f) * 4;
        reader_skip(in, 2);
        size_t total = reader_u16(in);
        reader_skip(in, 2);
        bool fragment = reader_u16(in) & 0x3fff;
        reader_skip(in, 1);
        p->protocol = reader_u8(in);
        reader_skip(in, 2);
        if (fragment || head < IPV4_SIZE || total < head || total > all.len)
            return false;
        in->rest = view_take(in->rest, total - (all.len - in->rest.len));
        memcpy(p->source.ip, reader_view(in, address_len).at, address_len);
        memcpy(p->destination.ip, reader_view(in, address_len).at, address_len);
        reader_skip(in, head - IPV4_SIZE);
        return !in->failed;
    }
    if (first >> 4 != 6 || all.len < IPV6_SIZE)
        return false;
    reader_skip(in, 4);
    size_t len = reader_u16(in);
    p->protocol = reader_u8(in);
    reader_skip(in, 1);
    memcpy(p->source.ip, reader_view(in, address_len).at, address_len);
    memcpy(p->destination.ip, reader_view(in, address_len).at, address_len);
    if (len > in->rest.len)
        return false;
    in->rest = view_take(in->rest, len);
    return true;
}

bool journal_packet_decode(struct view bytes, struct journal_packet *packet)
{
    struct journal_packet p = {0};
    struct reader in = reader_of(bytes);
    if (!decode_ip(&in, &p))
        return false;
    if (p.protocol == JOURNAL_PROTOCOL_UDP) {
        p.source.port = reader_u16(&in);
        p.destination.port = reader_u16(&in);
        size_t len = reader_u16(&in);
        reader_skip(&in, 2);
        if (in.failed || len < 8 || len - 8 > in.rest.len)
            return false;
        in.rest = view_take(in.rest, len - 8);
    } else if (p.protocol == JOURNAL_PROTOCOL_TCP) {
        p.source.port = reader_u16(&in);
        p.destination.port = reader_u16(&in);
        reader_skip(&in, 8);
        size_t head = (size_t)(reader_u8(&in) >> 4) * 4;
        p.push = reader_u8(&in) & 0x08;
        reader_skip(&in, 6);
        if (in.failed || head < 20)
            return false;
        reader_skip(&in, head - 20);
    }
    if (in.failed)
        return false;
    p.payload = in.rest;
    *packet = p;
    return true;
}
