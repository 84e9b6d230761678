/* journal_fixture: a small call's journal for tests: two streams, SIP both ways, decisions, a
 * newcomer. Not here: checks. RFC: none. */
#ifndef TESTS_JOURNAL_FIXTURE_H
#define TESTS_JOURNAL_FIXTURE_H

#include "journal/writer.h"

#include "journal/event.h"
#include "rtp/packet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* 2026-03-01T12:00:00Z */
#define FIXTURE_START INT64_C(1772366400000000000)

struct fixture {
    struct journal_writer w;
    char *file;
    size_t len, room;
    char buffer[JOURNAL_BUFFER_SIP];
};

static inline struct wall fixture_time(int64_t ms)
{
    return (struct wall){FIXTURE_START + ms * NS_PER_MS};
}

/* What is pending goes to the file. */
static inline void fixture_take(struct fixture *f)
{
    struct view bytes = journal_writer_pending(&f->w);
    if (f->len + bytes.len > f->room) {
        f->room = (f->len + bytes.len) * 2;
        f->file = realloc(f->file, f->room);
        assert(f->file);
    }
    memcpy(f->file + f->len, bytes.at, bytes.len);
    f->len += bytes.len;
    journal_writer_clear(&f->w);
}

static inline void fixture_start(struct fixture *f)
{
    char text[256];
    memset(f, 0, sizeof *f);
    journal_writer_init(&f->w, f->buffer, sizeof f->buffer);
    struct journal_event e = journal_object_begin(text, sizeof text);
    journal_event_put_text(&e, "id", VIEW_LIT("019ca3f0-0000-7000-8000-000000000001"));
    journal_event_put_text(&e, "call_id", VIEW_LIT("call/1@example.com"));
    assert(journal_writer_start(&f->w, journal_event_end(&e)));
    fixture_take(f);
}

static inline void fixture_finish(struct fixture *f)
{
    free(f->file);
}

static inline struct view fixture_file(const struct fixture *f)
{
    return view_of(f->file, f->len);
}

static inline void fixture_sip(struct fixture *f, int64_t ms, bool tcp, bool sent,
                               struct view bytes)
{
    struct addr ours = addr_v4(198, 51, 100, 5, 5060),
                theirs = addr_v4(192, 0, 2, 10, tcp ? 40123 : 5060);
    struct journal_message m = {.source = sent ? ours : theirs,
                                .destination = sent ? theirs : ours,
                                .tcp = tcp,
                                .sent = sent,
                                .time = fixture_time(ms),
                                .bytes = bytes};
    size_t done = 0;
    while (!journal_writer_sip(&f->w, &m, &done))
        fixture_take(f);
    fixture_take(f);
}

static inline uint32_t fixture_interface(struct fixture *f, enum journal_role role, uint32_t stream)
{
    char label[2] = {(char)('1' + stream), 0};
    struct journal_interface d = {.role = role,
                                  .stream = stream,
                                  .label = view_of_string(label),
                                  .mline = stream,
                                  .advertised =
                                      addr_v4(198, 51, 100, 5, (uint16_t)(10000 + 2 * stream)),
                                  .bound = addr_v4(10, 0, 0, 5, (uint16_t)(10000 + 2 * stream)),
                                  .more = VIEW("{\"codec\":\"PCMU\"}")};
    uint32_t number = 0;
    assert(journal_writer_interface(&f->w, &d, &number));
    fixture_take(f);
    return number;
}

/* One G.711 packet of 20 ms: sequence number n, timestamp n * 160. */
static inline void fixture_rtp(struct fixture *f, const struct journal_flow *flow, uint32_t ssrc,
                               unsigned n, struct view comment)
{
    char audio[160], bytes[200];
    memset(audio, (int)n, sizeof audio);
    struct rtp_packet p = {
        .seq = (uint16_t)n, .timestamp = n * 160, .ssrc = ssrc, .payload = view_of(audio, 160)};
    struct writer out = writer_of(bytes, sizeof bytes);
    rtp_packet_encode(&p, &out);
    assert(journal_writer_packet(&f->w, flow, fixture_time(1000 + 20 * (int64_t)n),
                                 writer_done(&out), comment));
    fixture_take(f);
}

static inline void fixture_event(struct fixture *f, uint32_t interface, int64_t ms,
                                 enum journal_event_kind kind)
{
    char text[256];
    struct journal_event e = journal_event_begin(text, sizeof text, kind);
    journal_event_put_text(&e, "why", VIEW_LIT("test"));
    assert(journal_writer_event(&f->w, interface, fixture_time(ms), journal_event_end(&e)));
    fixture_take(f);
}

#endif
