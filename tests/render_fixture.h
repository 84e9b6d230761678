/* render_fixture: builds journals in memory for tests of what reads them: an INVITE with SDP and
 * metadata, our answer, and RTP packets put in the order of their arrival.
 * Not here: what is expected of them.
 * RFC 7866, 7865, 3550. */
#ifndef TESTS_RENDER_FIXTURE_H
#define TESTS_RENDER_FIXTURE_H

#include "journal/writer.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE_STREAMS 8
#define FIXTURE_START   (INT64_C(1767225600) * NS_PER_S) /* 2026-01-01T00:00:00Z */

struct fixture_packet {
    int64_t at_ns; /* since FIXTURE_START */
    uint64_t order;
    uint32_t stream;
    bool rtcp, apart;
    bool event;          /* payload is a comment */
    size_t payload, len; /* in the pool */
};

struct fixture {
    char *bytes; /* the journal */
    size_t len, room;
    struct fixture_packet *packets;
    size_t count, packet_room;
    char *pool;
    size_t pool_len, pool_room;
    uint32_t streams;
    uint32_t interfaces[FIXTURE_STREAMS], apart[FIXTURE_STREAMS];
    struct journal_flow flows[FIXTURE_STREAMS], apart_flows[FIXTURE_STREAMS];
    struct journal_writer writer;
    char buffer[1 << 17];
};

static inline void *fixture_grow(void *at, size_t *room, size_t want, size_t size)
{
    if (want <= *room)
        return at;
    *room = want * 2;
    at = realloc(at, *room * size);
    assert(at != NULL);
    return at;
}

static inline void fixture_drain(struct fixture *f)
{
    struct view v = journal_writer_pending(&f->writer);
    f->bytes = fixture_grow(f->bytes, &f->room, f->len + v.len, 1);
    memcpy(f->bytes + f->len, v.at, v.len);
    f->len += v.len;
    journal_writer_clear(&f->writer);
}

/* Puts until it fits. */
#define FIXTURE_PUT(f, call)                                                                       \
    do {                                                                                           \
        if (!(call)) {                                                                             \
            fixture_drain(f);                                                                      \
            bool fixture_put_ = (call);                                                            \
            assert(fixture_put_);                                                                  \
        }                                                                                          \
    } while (0)

static inline struct addr fixture_us(uint32_t stream)
{
    return addr_v4(192, 0, 2, 1, (uint16_t)(10000 + 2 * stream));
}

static inline void fixture_sip(struct fixture *f, bool sent, int64_t at_ns, const char *text)
{
    struct addr us = addr_v4(192, 0, 2, 1, 5060), src = addr_v4(192, 0, 2, 10, 5060);
    struct journal_message message = {
        .source = sent ? us : src,
        .destination = sent ? src : us,
        .sent = sent,
        .time = {FIXTURE_START + at_ns},
        .bytes = view_of_string(text),
    };
    size_t done = 0;
    while (!journal_writer_sip(&f->writer, &message, &done))
        fixture_drain(f);
}

/* What an m-line is about: "96" and "a=rtpmap:96 AMR/8000\r\na=fmtp:96 octet-align=1\r\n". */
struct fixture_line {
    const char *label;
    const char *formats;
    const char *attributes;
    const char *sender;    /* participant id, or NULL: nobody in the metadata sends it */
    const char *direction; /* NULL: sendonly */
};

static inline void fixture_sdp(char *text, size_t room, const struct fixture_line *lines,
                               uint32_t count, bool ours)
{
    size_t n = (size_t)snprintf(text, room,
                                "v=0\r\no=%s 1 1 IN IP4 192.0.2.%d\r\ns=-\r\n"
                                "c=IN IP4 192.0.2.%d\r\nt=0 0\r\n",
                                ours ? "siprecd" : "src", ours ? 1 : 10, ours ? 1 : 10);
    for (uint32_t i = 0; i < count; i++) {
        const char *direction = lines[i].direction ? lines[i].direction : "sendonly";
        if (ours)
            direction = strcmp(direction, "inactive") == 0 ? "inactive" : "recvonly";
        n += (size_t)snprintf(text + n, room - n,
                              "m=audio %u RTP/AVP %s\r\n%sa=label:%s\r\na=%s\r\n",
                              (ours ? 10000 : 20000) + 2 * i, lines[i].formats, lines[i].attributes,
                              lines[i].label, direction);
    }
}

static inline void fixture_metadata(char *text, size_t room, const struct fixture_line *lines,
                                    uint32_t count)
{
    size_t n = (size_t)snprintf(text, room,
                                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
                                "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n"
                                "<datamode>complete</datamode><session session_id=\"s1\"/>\r\n");
    for (uint32_t i = 0; i < count; i++) {
        bool again = lines[i].sender == NULL;
        for (uint32_t k = 0; k < i && !again; k++)
            again = lines[k].sender && strcmp(lines[k].sender, lines[i].sender) == 0;
        if (!again)
            n += (size_t)snprintf(text + n, room - n,
                                  "<participant participant_id=\"%s\"><nameID "
                                  "aor=\"sip:%s@example.com\"><name>%s</name></nameID>"
                                  "</participant>\r\n",
                                  lines[i].sender, lines[i].sender, lines[i].sender);
    }
    for (uint32_t i = 0; i < count; i++)
        n += (size_t)snprintf(text + n, room - n,
                              "<stream stream_id=\"st%u\" session_id=\"s1\"><label>%s</label>"
                              "</stream>\r\n",
                              i, lines[i].label);
    for (uint32_t i = 0; i < count; i++)
        if (lines[i].sender)
            n += (size_t)snprintf(text + n, room - n,
                                  "<participantstreamassoc participant_id=\"%s\">"
                                  "<send>st%u</send></participantstreamassoc>\r\n",
                                  lines[i].sender, i);
    (void)snprintf(text + n, room - n, "</recording>\r\n");
}

/* An INVITE or re-INVITE with its answer. metadata NULL: none. */
static inline void fixture_exchange(struct fixture *f, int64_t at_ns, unsigned cseq,
                                    const struct fixture_line *lines, uint32_t count,
                                    const char *metadata)
{
    static char sdp[8192], body[65536], message[80000];
    fixture_sdp(sdp, sizeof sdp, lines, count, false);
    if (metadata != NULL)
        (void)snprintf(body, sizeof body,
                       "--b\r\nContent-Type: application/sdp\r\n\r\n%s\r\n--b\r\nContent-Type: "
                       "application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n"
                       "\r\n%s\r\n--b--\r\n",
                       sdp, metadata);
    else
        (void)snprintf(body, sizeof body, "%s", sdp);
    (void)snprintf(message, sizeof message,
                   "INVITE sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
                   "192.0.2.10;branch=z9hG4bK%u\r\nFrom: <sip:src@example.com>;tag=a\r\nTo: "
                   "<sip:srs@example.com>\r\nCall-ID: fixture\r\nCSeq: %u INVITE\r\nRequire: "
                   "siprec\r\nContact: <sip:src@192.0.2.10>;+sip.src\r\nContent-Type: "
                   "%s\r\nContent-Length: %zu\r\n\r\n%s",
                   cseq, cseq, metadata ? "multipart/mixed;boundary=b" : "application/sdp",
                   strlen(body), body);
    fixture_sip(f, false, at_ns, message);
    fixture_sdp(sdp, sizeof sdp, lines, count, true);
    (void)snprintf(message, sizeof message,
                   "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%u\r\nFrom: "
                   "<sip:src@example.com>;tag=a\r\nTo: <sip:srs@example.com>;tag=b\r\nCall-ID: "
                   "fixture\r\nCSeq: %u INVITE\r\nContact: <sip:srs@192.0.2.1>;+sip.srs\r\n"
                   "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
                   cseq, cseq, strlen(sdp), sdp);
    fixture_sip(f, true, at_ns + NS_PER_MS, message);
}

/* The journal of a call with these m-lines, up to the answer. */
static inline struct fixture *fixture_begin(const struct fixture_line *lines, uint32_t count)
{
    static char metadata[32768];
    struct fixture *f = calloc(1, sizeof *f);
    assert(f != NULL && count <= FIXTURE_STREAMS);
    f->streams = count;
    journal_writer_init(&f->writer, f->buffer, sizeof f->buffer);
    FIXTURE_PUT(f, journal_writer_start(&f->writer, VIEW_LIT("\"id\":\"fixture\"")));
    for (uint32_t i = 0; i < count; i++) {
        struct addr us = fixture_us(i), src = addr_v4(192, 0, 2, 10, (uint16_t)(20000 + 2 * i));
        struct addr other = addr_v4(198, 51, 100, 7, 4444);
        struct journal_interface description = {
            .role = JOURNAL_ROLE_MEDIA,
            .stream = i,
            .label = view_of_string(lines[i].label),
            .mline = i,
            .advertised = us,
            .bound = us,
        };
        FIXTURE_PUT(f, journal_writer_interface(&f->writer, &description, &f->interfaces[i]));
        description.role = JOURNAL_ROLE_APART;
        FIXTURE_PUT(f, journal_writer_interface(&f->writer, &description, &f->apart[i]));
        journal_flow_init(&f->flows[i], f->interfaces[i], &src, &us);
        journal_flow_init(&f->apart_flows[i], f->apart[i], &other, &us);
    }
    fixture_metadata(metadata, sizeof metadata, lines, count);
    fixture_exchange(f, -NS_PER_S, 1, lines, count, metadata);
    return f;
}

static inline struct fixture_packet *fixture_add(struct fixture *f, uint32_t stream, int64_t at_ns,
                                                 const void *bytes, size_t len)
{
    f->packets = fixture_grow(f->packets, &f->packet_room, f->count + 1, sizeof f->packets[0]);
    f->pool = fixture_grow(f->pool, &f->pool_room, f->pool_len + len, 1);
    memcpy(f->pool + f->pool_len, bytes, len);
    struct fixture_packet *packet = &f->packets[f->count];
    *packet = (struct fixture_packet){
        .at_ns = at_ns, .order = f->count, .stream = stream, .payload = f->pool_len, .len = len};
    f->pool_len += len;
    f->count++;
    return packet;
}

struct fixture_rtp {
    uint32_t stream;
    uint8_t type;
    bool marker, apart;
    uint16_t seq;
    uint32_t timestamp, ssrc;
    const void *payload;
    size_t len;
};

static inline void fixture_rtp(struct fixture *f, int64_t at_ns, const struct fixture_rtp *rtp)
{
    char bytes[4096];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct rtp_packet packet = {.payload_type = rtp->type,
                                .marker = rtp->marker,
                                .seq = rtp->seq,
                                .timestamp = rtp->timestamp,
                                .ssrc = rtp->ssrc,
                                .payload = {rtp->payload, rtp->len}};
    rtp_packet_encode(&packet, &w);
    assert(!w.failed);
    fixture_add(f, rtp->stream, at_ns, bytes, w.len)->apart = rtp->apart;
}

static inline void fixture_mark(struct fixture *f, uint32_t stream, int64_t at_ns,
                                const char *comment)
{
    fixture_add(f, stream, at_ns, comment, strlen(comment))->event = true;
}

static inline void fixture_report(struct fixture *f, uint32_t stream, int64_t at_ns,
                                  const struct rtcp_sender_report *report, const char *cname)
{
    char bytes[512];
    struct writer w = writer_of(bytes, sizeof bytes);
    rtcp_encode_sr(&w, report, view_of_string(cname));
    assert(!w.failed);
    fixture_add(f, stream, at_ns, bytes, w.len)->rtcp = true;
}

static inline int fixture_compare(const void *a, const void *b)
{
    const struct fixture_packet *x = a, *y = b;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* Writes the packets added since the last time, by arrival. */
static inline void fixture_write(struct fixture *f)
{
    if (f->count > 0)
        qsort(f->packets, f->count, sizeof f->packets[0], fixture_compare);
    for (size_t i = 0; i < f->count; i++) {
        const struct fixture_packet *p = &f->packets[i];
        struct view bytes = {f->pool + p->payload, p->len};
        struct wall at = {FIXTURE_START + p->at_ns};
        if (p->event)
            FIXTURE_PUT(f, journal_writer_event(&f->writer,
                                                p->stream == UINT32_MAX ? JOURNAL_INTERFACE_SIP
                                                                        : f->interfaces[p->stream],
                                                at, bytes));
        else
            FIXTURE_PUT(f, journal_writer_packet(&f->writer,
                                                 p->apart ? &f->apart_flows[p->stream]
                                                          : &f->flows[p->stream],
                                                 at, bytes, VIEW_NONE));
    }
    fixture_drain(f);
    f->count = 0;
    f->pool_len = 0;
}

static inline void fixture_free(struct fixture *f)
{
    free(f->bytes);
    free(f->packets);
    free(f->pool);
    free(f);
}

/* G.711 mu-law by its definition (G.711 table 2a: segments of 16 steps above a bias of 33). */
static inline uint8_t fixture_ulaw(int sample)
{
    int sign = sample < 0 ? 0x80 : 0, size = (sample < 0 ? -sample : sample) / 4 + 33;
    int segment = 0;
    if (size > 8191)
        size = 8191;
    while (size >> (segment + 6) != 0)
        segment++;
    return (uint8_t) ~(sign | segment << 4 | (size >> (segment + 1) & 0x0F));
}

#endif
