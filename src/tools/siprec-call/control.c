/* control: a stream's RTCP: sender reports out, reports in. Part of sender.h.
 * Not here: RTP (sender.c).
 * RFC 3550 §6.4.1 (SR), §6.4.2 (RR), §6.5 (SDES), §6.6 (BYE). */
#include <string.h>
#include <sys/socket.h>

#include "base/reader.h"
#include "base/writer.h"
#include "io/sockaddr.h"
#include "tools/siprec-call/sender.h"

#define NTP_UNIX_S  INT64_C(2208988800) /* 1900 to 1970 */
#define TYPE_SR     200
#define TYPE_RR     201
#define TYPE_SDES   202
#define TYPE_BYE    203
#define REPORT_SIZE 24

static void sender_report_write(const struct call_sender *sender, struct writer *w,
                                struct wall wall, struct tick now)
{
    int64_t seconds = wall.ns / NS_PER_S, fraction = wall.ns % NS_PER_S;
    /* The timestamp that belongs to this very moment: the next frame's, less the time until it is
     * due. */
    struct tick due = tick_add_ns(sender->start, (int64_t)sender->frame * sender->interval_ns);
    double frames = (double)tick_diff_ns(due, now) / (double)sender->interval_ns;
    double step = (double)(sender->clip->codec->clock_hz / 1000 * CALL_PTIME_MS);
    writer_u8(w, 0x80);
    writer_u8(w, TYPE_SR);
    writer_u16(w, 6);
    writer_u32(w, sender->ssrc);
    writer_u32(w, (uint32_t)(seconds + NTP_UNIX_S));
    writer_u32(w, (uint32_t)(((uint64_t)fraction << 32) / (uint64_t)NS_PER_S));
    writer_u32(w, sender->timestamp - (uint32_t)(int64_t)(frames * step));
    writer_u32(w, sender->packets_of_ssrc);
    writer_u32(w, sender->octets_of_ssrc);
}

/* One chunk, one CNAME, padded to a word with at least one zero (RFC 3550 §6.5). */
static void description_write(const struct call_sender *sender, struct writer *w)
{
    size_t name = strlen(sender->cname), items = 2 + name + 1, padded = (items + 3) / 4 * 4;
    writer_u8(w, 0x81);
    writer_u8(w, TYPE_SDES);
    writer_u16(w, (uint16_t)(1 + padded / 4));
    writer_u32(w, sender->ssrc);
    writer_u8(w, 1);
    writer_u8(w, (uint8_t)name);
    writer_string(w, sender->cname);
    writer_fill(w, 0, padded - items + 1);
}

void call_sender_report(struct call_sender *sender, struct wall wall, struct tick now, bool bye)
{
    if (!sender->clip || sender->rtcp.port == 0 || sender->rtcp_fd < 0 || sender->interval_ns == 0)
        return;
    char bytes[256];
    struct writer w = writer_of(bytes, sizeof bytes);
    sender_report_write(sender, &w, wall, now);
    description_write(sender, &w);
    if (bye) {
        writer_u8(&w, 0x81);
        writer_u8(&w, TYPE_BYE);
        writer_u16(&w, 1);
        writer_u32(&w, sender->ssrc);
    }
    struct view packet = writer_done(&w);
    struct sockaddr_storage sa;
    socklen_t len = io_sockaddr_from(&sender->rtcp, &sa);
    bool mux = addr_equal(&sender->rtcp, &sender->rtp);
    int fd = mux ? sender->rtp_fd : sender->rtcp_fd;
    if (sendto(fd, packet.at, packet.len, MSG_DONTWAIT, (struct sockaddr *)&sa, len) >= 0)
        sender->counts.rtcp_sent++;
}

/* Report blocks of an SR or RR: what the SRS says about us. */
static void blocks_read(struct call_sender *sender, struct reader *r, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t source = reader_u32(r), loss = reader_u32(r);
        reader_skip(r, REPORT_SIZE - 8);
        if (source == sender->ssrc && !r->failed)
            sender->counts.lost_reported = loss & 0xffffff;
    }
}

static void compound_read(struct call_sender *sender, struct view bytes)
{
    while (bytes.len >= 4 && ((uint8_t)bytes.at[0] >> 6) == 2) {
        struct reader r = reader_of(bytes);
        unsigned count = reader_u8(&r) & 31u, type = reader_u8(&r);
        size_t size = ((size_t)reader_u16(&r) + 1) * 4;
        if (size > bytes.len)
            return;
        (void)reader_u32(&r); /* the SRS's SSRC */
        if (type == TYPE_SR)
            reader_skip(&r, 20);
        if (type == TYPE_SR || type == TYPE_RR)
            blocks_read(sender, &r, count);
        if (type == TYPE_BYE)
            sender->counts.bye_seen++;
        bytes = view_skip(bytes, size);
    }
}

void call_sender_take(struct call_sender *sender, bool rtcp, struct view datagram)
{
    /* RFC 5761 §4: 192-223 in the second byte is RTCP, on a shared port too. */
    bool control = datagram.len >= 8 && ((uint8_t)datagram.at[0] >> 6) == 2 &&
                   (uint8_t)datagram.at[1] >= 192 && (uint8_t)datagram.at[1] <= 223;
    if (control) {
        sender->counts.rtcp_seen++;
        compound_read(sender, datagram);
    } else if (!rtcp) {
        sender->counts.received++;
    }
}

void call_sender_receive(struct call_sender *sender, bool rtcp)
{
    char bytes[CALL_PACKET_MAX];
    for (int i = 0; i < 64; i++) {
        struct sockaddr_storage sa = {0};
        socklen_t size = sizeof sa;
        ssize_t n = recvfrom(rtcp ? sender->rtcp_fd : sender->rtp_fd, bytes, sizeof bytes,
                             MSG_DONTWAIT, (struct sockaddr *)&sa, &size);
        if (n < 0)
            return;
        if (sender->latches && !rtcp && sender->rtp.port != 0)
            sender->rtp = io_sockaddr_to((struct sockaddr *)&sa);
        call_sender_take(sender, rtcp, view_of(bytes, (size_t)n));
    }
}
