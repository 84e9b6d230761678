/* portmap: PCP and NAT-PMP on the wire.
 * Not here: time.
 * RFC 6887 §7, §11.1; RFC 6886 §3. */
#include "nat/portmap.h"

#include "base/reader.h"

#include <string.h>

#define PCP_VERSION    2
#define NATPMP_VERSION 0
#define RESPONSE       0x80
#define PCP_ANNOUNCE   0
#define PCP_MAP        1

const char *portmap_result_name(enum portmap_result result)
{
    static const char *const names[] = {
        [PORTMAP_OK] = "ok",
        [PORTMAP_OTHER_VERSION] = "other version",
        [PORTMAP_REFUSED] = "refused",
        [PORTMAP_NETWORK] = "gateway has no address",
        [PORTMAP_FULL] = "no room",
        [PORTMAP_BEHIND_NAT] = "another NAT in between",
        [PORTMAP_UNSUPPORTED] = "unsupported",
    };
    return names[result];
}

/* RFC 6887 §5: IPv4 as IPv4-mapped; "any" is the all-zeros address of the family. */
static void put_address(struct writer *w, const struct addr *a, uint8_t family)
{
    if (family == ADDR_V4) {
        writer_fill(w, 0, 10);
        writer_fill(w, 0xff, 2);
        writer_view(w, view_of(a->ip, 4));
    } else {
        writer_view(w, view_of(a->ip, 16));
    }
}

static struct addr read_address(struct reader *r)
{
    struct addr a = {.family = ADDR_V6};
    struct view bytes = reader_view(r, 16);
    if (bytes.len)
        memcpy(a.ip, bytes.at, 16);
    return addr_unmap(a);
}

void portmap_pcp_write(struct writer *w, const struct portmap_request *request)
{
    writer_u8(w, PCP_VERSION);
    writer_u8(w, PCP_MAP);
    writer_u16(w, 0);
    writer_u32(w, request->lifetime_s);
    put_address(w, &request->internal, request->internal.family);
    writer_view(w, view_of(request->nonce, PORTMAP_NONCE_SIZE));
    writer_u8(w, (uint8_t)request->protocol);
    writer_fill(w, 0, 3);
    writer_u16(w, request->internal.port);
    writer_u16(w, request->suggested.port);
    put_address(w, &request->suggested, request->internal.family);
}

void portmap_natpmp_write(struct writer *w, const struct portmap_request *request)
{
    writer_u8(w, NATPMP_VERSION);
    writer_u8(w, request->protocol == PORTMAP_UDP ? 1 : 2);
    writer_u16(w, 0);
    writer_u16(w, request->internal.port);
    writer_u16(w, request->lifetime_s ? request->suggested.port : 0); /* §3.4 */
    writer_u32(w, request->lifetime_s);
}

void portmap_natpmp_write_address(struct writer *w)
{
    writer_u8(w, NATPMP_VERSION);
    writer_u8(w, 0);
}

static enum portmap_result pcp_result(uint8_t code)
{
    switch (code) {
    case 0:
        return PORTMAP_OK;
    case 1:
        return PORTMAP_OTHER_VERSION;
    case 2:
        return PORTMAP_REFUSED;
    case 7:
        return PORTMAP_NETWORK;
    case 8:
    case 10:
        return PORTMAP_FULL;
    case 12:
        return PORTMAP_BEHIND_NAT;
    default:
        return PORTMAP_UNSUPPORTED;
    }
}

static enum portmap_result natpmp_result(uint16_t code)
{
    static const enum portmap_result results[] = {PORTMAP_OK, PORTMAP_OTHER_VERSION,
                                                  PORTMAP_REFUSED, PORTMAP_NETWORK, PORTMAP_FULL};
    return code < sizeof results / sizeof *results ? results[code] : PORTMAP_UNSUPPORTED;
}

static bool read_pcp(struct reader r, uint8_t opcode, struct portmap_response *out)
{
    reader_skip(&r, 1);
    out->result = pcp_result(reader_u8(&r));
    out->lifetime_s = reader_u32(&r);
    out->epoch_s = reader_u32(&r);
    reader_skip(&r, 12);
    out->kind = opcode == PCP_ANNOUNCE ? PORTMAP_PCP_ANNOUNCE : PORTMAP_PCP_MAP;
    if (opcode == PCP_ANNOUNCE || out->result == PORTMAP_OTHER_VERSION)
        return !r.failed;
    struct view nonce = reader_view(&r, PORTMAP_NONCE_SIZE);
    out->protocol = (enum portmap_protocol)reader_u8(&r);
    reader_skip(&r, 3);
    out->internal_port = reader_u16(&r);
    uint16_t port = reader_u16(&r);
    out->external = addr_with_port(read_address(&r), port);
    if (r.failed)
        return false;
    memcpy(out->nonce, nonce.at, nonce.len);
    return true;
}

static bool read_natpmp(struct reader r, uint8_t opcode, struct portmap_response *out)
{
    out->result = natpmp_result(reader_u16(&r));
    out->epoch_s = reader_u32(&r);
    out->kind = opcode == 0 ? PORTMAP_NATPMP_ADDRESS : PORTMAP_NATPMP_MAP;
    if (opcode == 0) {
        struct view ip = reader_view(&r, 4);
        if (out->result == PORTMAP_OK && ip.len == 4) {
            out->external.family = ADDR_V4;
            memcpy(out->external.ip, ip.at, 4);
        }
        return !r.failed || out->result != PORTMAP_OK;
    }
    out->protocol = opcode == 1 ? PORTMAP_UDP : PORTMAP_TCP;
    out->internal_port = reader_u16(&r);
    out->external.port = reader_u16(&r);
    out->lifetime_s = reader_u32(&r);
    return !r.failed;
}

bool portmap_read(struct view datagram, struct portmap_response *out)
{
    struct portmap_response response = {0};
    struct reader r = reader_of(datagram);
    uint8_t version = reader_u8(&r), opcode = reader_u8(&r);
    bool ok;
    if (r.failed || datagram.len > PORTMAP_MESSAGE_MAX)
        return false;
    /* RFC 6886 §3.5: a NAT-PMP gateway refuses a PCP request with version 0 and an opcode of 0; or,
     * as miniupnpd does, with that of the request and the response's bit. */
    bool is_natpmp = version == NATPMP_VERSION &&
                     (opcode == 0 || (opcode >= RESPONSE && opcode <= RESPONSE + 2));
    if (is_natpmp && datagram.len == 8) {
        response.kind = PORTMAP_NATPMP_ADDRESS;
        response.result = natpmp_result(reader_u16(&r));
        response.epoch_s = reader_u32(&r);
        ok = !r.failed && response.result != PORTMAP_OK;
    } else if (is_natpmp && opcode != 0) {
        ok = read_natpmp(r, (uint8_t)(opcode - RESPONSE), &response);
    } else if (version == PCP_VERSION &&
               (opcode == (RESPONSE | PCP_MAP) || opcode == (RESPONSE | PCP_ANNOUNCE))) {
        ok = read_pcp(r, (uint8_t)(opcode & 0x7f), &response);
    } else {
        ok = false;
    }
    if (ok)
        *out = response;
    return ok;
}
