/* pcap: see pcap.h. Little endian, LINKTYPE_RAW, nanoseconds, as the journal promises to be.
 * Not here: reassembly of TCP.
 * draft-ietf-opsawg-pcapng §4. */
#include "pcap.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t le32(const char *at)
{
    const uint8_t *b = (const uint8_t *)at;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static unsigned le16(const char *at)
{
    return (unsigned)((uint8_t)at[0] | (uint8_t)at[1] << 8);
}

static unsigned be16(const char *at)
{
    return (unsigned)((uint8_t)at[0] << 8 | (uint8_t)at[1]);
}

static bool bad(struct pcap *pcap, const char *what, size_t offset)
{
    if (pcap->sound)
        printf("# journal at %zu: %s\n", offset, what);
    pcap->sound = false;
    return false;
}

/* RFC 1071. */
static uint32_t add_up(uint32_t sum, struct view v)
{
    for (size_t i = 0; i < v.len; i++)
        sum += (uint32_t)(uint8_t)v.at[i] << (i % 2 ? 0 : 8);
    return sum;
}

static unsigned fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void read_addr(struct addr *a, uint8_t family, const char *at)
{
    *a = (struct addr){.family = family};
    memcpy(a->ip, at, family == ADDR_V6 ? 16 : 4);
}

/* The header of either family: the protocol and what it carries. */
static bool read_header(struct pcap *pcap, struct pcap_packet *packet, struct view ip,
                        struct view *inner, unsigned *protocol, size_t offset)
{
    if (ip.len >= 40 && (uint8_t)ip.at[0] >> 4 == 6) {
        if (be16(ip.at + 4) + 40u != ip.len)
            return bad(pcap, "IPv6 length", offset);
        *protocol = (uint8_t)ip.at[6];
        *inner = view_skip(ip, 40);
        read_addr(&packet->from, ADDR_V6, ip.at + 8);
        read_addr(&packet->to, ADDR_V6, ip.at + 24);
        return true;
    }
    if (ip.len < 20 || (uint8_t)ip.at[0] != 0x45)
        return bad(pcap, "no IP header", offset);
    if (be16(ip.at + 2) != ip.len)
        return bad(pcap, "IP length", offset);
    if (fold(add_up(0, view_take(ip, 20))) != 0xffff)
        return bad(pcap, "IP checksum", offset);
    *protocol = (uint8_t)ip.at[9];
    *inner = view_skip(ip, 20);
    read_addr(&packet->from, ADDR_V4, ip.at + 12);
    read_addr(&packet->to, ADDR_V4, ip.at + 16);
    return true;
}

static bool read_ip(struct pcap *pcap, struct pcap_packet *packet, struct view ip, size_t offset)
{
    struct view inner;
    unsigned protocol;
    if (!read_header(pcap, packet, ip, &inner, &protocol, offset))
        return false;
    if (protocol == 59) {
        memset(&packet->from, 0, sizeof packet->from);
        memset(&packet->to, 0, sizeof packet->to);
        return inner.len == 0 || bad(pcap, "payload after protocol 59", offset);
    }
    size_t addr_len = packet->from.family == ADDR_V6 ? 16 : 4;
    uint32_t sum = add_up(protocol + (uint32_t)inner.len, view_of(packet->from.ip, addr_len));
    sum = add_up(sum, view_of(packet->to.ip, addr_len));
    if (fold(add_up(sum, inner)) != 0xffff)
        return bad(pcap, "UDP or TCP checksum", offset);
    packet->from.port = (uint16_t)be16(inner.at);
    packet->to.port = (uint16_t)be16(inner.at + 2);
    packet->tcp = protocol == 6;
    if (protocol == 17 && be16(inner.at + 4) != inner.len)
        return bad(pcap, "UDP length", offset);
    packet->payload = view_skip(inner, packet->tcp ? (size_t)((uint8_t)inner.at[12] >> 4) * 4 : 8);
    return protocol == 17 || protocol == 6 || bad(pcap, "protocol", offset);
}

static struct view option(struct view options, unsigned wanted)
{
    while (options.len >= 4) {
        unsigned code = le16(options.at);
        size_t len = le16(options.at + 2), padded = (len + 3) & ~(size_t)3;
        if (code == 0 || padded + 4 > options.len)
            break;
        if (code == wanted)
            return view_of(options.at + 4, len);
        options = view_skip(options, 4 + padded);
    }
    return VIEW_NONE;
}

static bool read_packet(struct pcap *pcap, struct view block, size_t offset)
{
    assert(pcap->count < PCAP_PACKETS);
    struct pcap_packet *packet = &pcap->packets[pcap->count];
    memset(packet, 0, sizeof *packet);
    packet->interface = le32(block.at + 8);
    packet->at.ns = (int64_t)((uint64_t)le32(block.at + 12) << 32 | le32(block.at + 16));
    size_t len = le32(block.at + 20), padded = (len + 3) & ~(size_t)3;
    if (len != le32(block.at + 24) || 28 + padded + 4 > block.len)
        return bad(pcap, "captured length", offset);
    if (packet->interface >= pcap->interface_count)
        return bad(pcap, "packet on an interface that is not described", offset);
    packet->comment = option(view_of(block.at + 28 + padded, block.len - 32 - padded), 1);
    if (!read_ip(pcap, packet, view_of(block.at + 28, len), offset))
        return false;
    pcap->count++;
    return true;
}

static bool read_block(struct pcap *pcap, struct view block, size_t offset)
{
    struct view options;
    switch (le32(block.at)) {
    case 0x0a0d0d0a:
        if (offset != 0 || le32(block.at + 8) != 0x1a2b3c4d)
            return bad(pcap, "section header", offset);
        pcap->section_comment = option(view_of(block.at + 24, block.len - 28), 1);
        return true;
    case 1:
        assert(pcap->interface_count < PCAP_INTERFACES);
        if (le16(block.at + 8) != 101)
            return bad(pcap, "link type", offset);
        options = view_of(block.at + 16, block.len - 20);
        if (option(options, 9).len != 1 || option(options, 9).at[0] != 9)
            return bad(pcap, "time resolution", offset);
        pcap->names[pcap->interface_count] = option(options, 2);
        pcap->descriptions[pcap->interface_count++] = option(options, 3);
        return true;
    case 6:
        return read_packet(pcap, block, offset);
    default:
        return bad(pcap, "unknown block", offset);
    }
}

struct pcap *pcap_read(struct view bytes)
{
    struct pcap *pcap = calloc(1, sizeof *pcap);
    assert(pcap);
    pcap->sound = true;
    for (size_t at = 0; at < bytes.len && pcap->sound;) {
        struct view rest = view_skip(bytes, at);
        uint32_t len = rest.len >= 12 ? le32(rest.at + 4) : 0;
        if (len < 12 || len % 4 || len > rest.len || le32(rest.at + len - 4) != len)
            bad(pcap, "block length", at);
        else
            (void)read_block(pcap, view_take(rest, len), at);
        at += len;
    }
    return pcap;
}

unsigned pcap_count_rtp(const struct pcap *pcap, const struct addr *to, const struct addr *from)
{
    unsigned count = 0;
    for (unsigned i = 0; i < pcap->count; i++) {
        const struct pcap_packet *p = &pcap->packets[i];
        bool rtp = p->payload.len >= 12 && ((uint8_t)p->payload.at[0] & 0xc0) == 0x80 &&
                   !((uint8_t)p->payload.at[1] >= 200 && (uint8_t)p->payload.at[1] <= 204);
        count += rtp && addr_equal(&p->to, to) && (!from || addr_equal(&p->from, from));
    }
    return count;
}

static bool is_event(const struct pcap_packet *packet, const char *name)
{
    char start[64];
    (void)snprintf(start, sizeof start, "{\"siprecd\":\"%s\"", name);
    return view_starts_with(packet->comment, view_of_string(start));
}

unsigned pcap_count_events(const struct pcap *pcap, const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < pcap->count; i++)
        count += is_event(&pcap->packets[i], name);
    return count;
}

const struct pcap_packet *pcap_find_event(const struct pcap *pcap, const char *name)
{
    for (unsigned i = 0; i < pcap->count; i++) {
        if (is_event(&pcap->packets[i], name))
            return &pcap->packets[i];
    }
    return NULL;
}

unsigned pcap_count_sip(const struct pcap *pcap, const char *start)
{
    unsigned count = 0;
    for (unsigned i = 0; i < pcap->count; i++)
        count += pcap->packets[i].interface == 0 &&
                 view_starts_with(pcap->packets[i].payload, view_of_string(start));
    return count;
}
