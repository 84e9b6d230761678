/* rtcp: compound packets, read tolerantly and written strictly.
 * Not here: reports' numbers (sequence.c), timing (interval.c).
 * RFC 3550 §6.4 to §6.7, Appendix A.2; RFC 5506. */
#include "rtp/rtcp.h"

#include <assert.h>

#define HEADER_SIZE       4
#define REPORT_BLOCK_SIZE 24
#define SENDER_INFO_SIZE  20
#define SDES_CNAME        1

/* Seconds from 1900 to 1970 (§4). */
#define NTP_UNIX_OFFSET UINT64_C(2208988800)

struct rtcp_reader rtcp_reader_of(struct view datagram)
{
    return (struct rtcp_reader){
        .rest = datagram,
        .result = datagram.len < 2 * HEADER_SIZE ? RTCP_SHORT : RTCP_OK,
    };
}

static bool note(struct rtcp_reader *r, enum rtcp_result result)
{
    if (r->result == RTCP_OK)
        r->result = result;
    return false;
}

/* The length field counts words after the first (§6.4.1). */
static bool cut_packet(struct rtcp_reader *r, struct view *whole)
{
    struct reader in = reader_of(r->rest);
    uint8_t first = reader_u8(&in);
    reader_skip(&in, 1);
    size_t len = ((size_t)reader_u16(&in) + 1) * 4;
    if (in.failed || len > r->rest.len)
        return note(r, RTCP_LENGTH);
    if (first >> 6 != 2)
        return note(r, RTCP_VERSION);
    *whole = view_take(r->rest, len);
    r->rest = view_skip(r->rest, len);
    return true;
}

static bool strip_padding(struct rtcp_reader *r, struct view *body)
{
    uint8_t count = body->len ? (uint8_t)body->at[body->len - 1] : 0;
    /* §6.4.1: only the last packet may be padded, by a multiple of four. */
    if (r->rest.len > 0 || count == 0 || count % 4 != 0 || count > body->len)
        return note(r, RTCP_PADDING);
    *body = view_take(*body, body->len - count);
    return true;
}

static void read_blocks(struct rtcp_reader *r, struct rtcp_packet *p, struct reader *in)
{
    size_t wanted = (size_t)p->count * REPORT_BLOCK_SIZE;
    size_t there = reader_left(in) - reader_left(in) % REPORT_BLOCK_SIZE;
    if (wanted > there)
        (void)note(r, RTCP_TRUNCATED);
    /* What follows the blocks is a profile's extension (§6.4.3). */
    p->reports = reader_view(in, wanted < there ? wanted : there);
}

bool rtcp_reader_next(struct rtcp_reader *r, struct rtcp_packet *packet)
{
    struct view whole;
    if (r->rest.len == 0 || !cut_packet(r, &whole))
        return false;
    uint8_t first = (uint8_t)whole.at[0];
    struct rtcp_packet p = {.type = (uint8_t)whole.at[1], .count = first & 0x1f};
    p.body = view_skip(whole, HEADER_SIZE);
    if (first & 0x20 && !strip_padding(r, &p.body) && r->rest.len == 0)
        p.body = VIEW_NONE; /* a wrong count in the last packet: nothing in it can be trusted */
    struct reader in = reader_of(p.body);
    if (p.body.len >= 4)
        p.ssrc = reader_u32(&in);
    else if (p.count > 0)
        (void)note(r, RTCP_TRUNCATED);
    if (p.type == RTCP_SR && reader_left(&in) >= SENDER_INFO_SIZE) {
        p.sender.ntp = reader_u64(&in);
        p.sender.timestamp = reader_u32(&in);
        p.sender.packets = reader_u32(&in);
        p.sender.octets = reader_u32(&in);
        read_blocks(r, &p, &in);
    } else if (p.type == RTCP_SR) {
        (void)note(r, RTCP_TRUNCATED);
    } else if (p.type == RTCP_RR) {
        read_blocks(r, &p, &in);
    } else if (p.type == RTCP_BYE && (size_t)p.count * 4 > p.body.len) {
        (void)note(r, RTCP_TRUNCATED);
    } else if ((p.type == RTCP_BYE || p.type == RTCP_SDES) && p.count == 0) {
        p.ssrc = 0; /* §6.6: a count of zero is valid and useless */
    }
    *packet = p;
    return true;
}

enum rtcp_result rtcp_check(struct view datagram)
{
    struct rtcp_reader r = rtcp_reader_of(datagram);
    struct rtcp_packet p;
    bool first = true;
    while (rtcp_reader_next(&r, &p)) {
        if (first && p.type != RTCP_SR && p.type != RTCP_RR)
            (void)note(&r, RTCP_FIRST);
        first = false;
    }
    return r.result;
}

bool rtcp_report_block_get(const struct rtcp_packet *packet, size_t i,
                           struct rtcp_report_block *out)
{
    if (i >= packet->reports.len / REPORT_BLOCK_SIZE)
        return false;
    struct reader in = reader_of(view_skip(packet->reports, i * REPORT_BLOCK_SIZE));
    out->ssrc = reader_u32(&in);
    out->fraction_lost = reader_u8(&in);
    uint32_t lost = reader_u24(&in);
    out->cumulative_lost = lost & 0x800000 ? (int32_t)lost - 0x1000000 : (int32_t)lost;
    out->highest_seq = reader_u32(&in);
    out->jitter = reader_u32(&in);
    out->last_sr = reader_u32(&in);
    out->delay_since_last_sr = reader_u32(&in);
    return true;
}

/* The items of one chunk up to its null item, then the padding to a word (§6.5). chunk_len: what of
 * the body comes after the chunk's SSRC. */
static bool chunk_cname(struct reader *in, struct view *cname)
{
    size_t start = reader_left(in);
    bool found = false;
    for (;;) {
        uint8_t type = reader_u8(in);
        if (in->failed || type == 0)
            break;
        uint8_t len = reader_u8(in);
        struct view text = reader_view(in, len);
        if (!in->failed && type == SDES_CNAME && !found) {
            *cname = text;
            found = true;
        }
    }
    size_t used = start - reader_left(in);
    if (!in->failed)
        reader_skip(in, (4 - used % 4) % 4);
    return found;
}

bool rtcp_sdes_cname(const struct rtcp_packet *packet, uint32_t ssrc, struct view *cname)
{
    if (packet->type != RTCP_SDES)
        return false;
    struct reader in = reader_of(packet->body);
    for (uint8_t i = 0; i < packet->count && !in.failed; i++) {
        uint32_t chunk = reader_u32(&in);
        struct view text;
        if (!in.failed && chunk_cname(&in, &text) && chunk == ssrc) {
            *cname = text;
            return true;
        }
    }
    return false;
}

bool rtcp_bye_ssrc(const struct rtcp_packet *packet, size_t i, uint32_t *ssrc)
{
    if (packet->type != RTCP_BYE || i >= packet->count || (i + 1) * 4 > packet->body.len)
        return false;
    struct reader in = reader_of(view_skip(packet->body, i * 4));
    *ssrc = reader_u32(&in);
    return true;
}

struct view rtcp_bye_reason(const struct rtcp_packet *packet)
{
    if (packet->type != RTCP_BYE)
        return VIEW_NONE;
    struct reader in = reader_of(packet->body);
    reader_skip(&in, (size_t)packet->count * 4);
    uint8_t len = reader_u8(&in);
    struct view reason = reader_view(&in, len);
    return in.failed ? VIEW_NONE : reason;
}

static void put_header(struct writer *out, size_t count, enum rtcp_type type, size_t body_len)
{
    writer_u8(out, (uint8_t)(2 << 6 | count));
    writer_u8(out, (uint8_t)type);
    writer_u16(out, (uint16_t)(body_len / 4));
}

static void put_blocks(struct writer *out, const struct rtcp_report_block *blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        writer_u32(out, blocks[i].ssrc);
        writer_u32(out, (uint32_t)blocks[i].fraction_lost << 24 |
                            ((uint32_t)blocks[i].cumulative_lost & 0xffffff));
        writer_u32(out, blocks[i].highest_seq);
        writer_u32(out, blocks[i].jitter);
        writer_u32(out, blocks[i].last_sr);
        writer_u32(out, blocks[i].delay_since_last_sr);
    }
}

/* §6.5: one chunk with one item, ended by at least one zero and filled to a word. */
static void put_cname(struct writer *out, uint32_t ssrc, struct view cname)
{
    cname = view_take(cname, 255);
    size_t fill = 4 - (2 + cname.len) % 4;
    put_header(out, 1, RTCP_SDES, 4 + 2 + cname.len + fill);
    writer_u32(out, ssrc);
    writer_u8(out, SDES_CNAME);
    writer_u8(out, (uint8_t)cname.len);
    writer_view(out, cname);
    writer_fill(out, 0, fill);
}

void rtcp_encode_rr(struct writer *out, uint32_t ssrc, const struct rtcp_report_block *blocks,
                    size_t n, struct view cname)
{
    assert(n <= RTCP_REPORTS_MAX);
    put_header(out, n, RTCP_RR, 4 + n * REPORT_BLOCK_SIZE);
    writer_u32(out, ssrc);
    put_blocks(out, blocks, n);
    put_cname(out, ssrc, cname);
}

void rtcp_encode_sr(struct writer *out, const struct rtcp_sender_report *report, struct view cname)
{
    assert(report->n <= RTCP_REPORTS_MAX);
    put_header(out, report->n, RTCP_SR, 4 + SENDER_INFO_SIZE + report->n * REPORT_BLOCK_SIZE);
    writer_u32(out, report->ssrc);
    writer_u64(out, report->info.ntp);
    writer_u32(out, report->info.timestamp);
    writer_u32(out, report->info.packets);
    writer_u32(out, report->info.octets);
    put_blocks(out, report->blocks, report->n);
    put_cname(out, report->ssrc, cname);
}

void rtcp_encode_bye(struct writer *out, uint32_t ssrc, struct view reason)
{
    reason = view_take(reason, 255);
    size_t text = reason.len ? 1 + reason.len : 0;
    size_t fill = (4 - text % 4) % 4;
    put_header(out, 1, RTCP_BYE, 4 + text + fill);
    writer_u32(out, ssrc);
    if (text) {
        writer_u8(out, (uint8_t)reason.len);
        writer_view(out, reason);
    }
    writer_fill(out, 0, fill);
}

uint64_t rtcp_ntp_of(struct wall t)
{
    uint64_t seconds = (uint64_t)(t.ns / NS_PER_S) + NTP_UNIX_OFFSET;
    uint64_t fraction = ((uint64_t)(t.ns % NS_PER_S) << 32) / (uint64_t)NS_PER_S;
    return seconds << 32 | fraction;
}

struct wall rtcp_wall_of(uint64_t ntp)
{
    uint64_t seconds = ntp >> 32;
    /* RFC 4330 §3: a first bit of 0 means the era that begins in 2036. */
    if (!(seconds & 0x80000000))
        seconds += UINT64_C(1) << 32;
    uint64_t fraction = ((ntp & 0xffffffff) * (uint64_t)NS_PER_S) >> 32;
    return (struct wall){(int64_t)((seconds - NTP_UNIX_OFFSET) * (uint64_t)NS_PER_S + fraction)};
}
