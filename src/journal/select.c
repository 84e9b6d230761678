/* select: holds back what was kept apart until the journal says whose it was.
 * Not here: decoding.
 * RFC: none. */
#include "journal/select.h"

#include "rtp/packet.h"

#include <assert.h>
#include <string.h>

void journal_select_init(struct journal_select *s)
{
    memset(s, 0, sizeof *s);
}

static void hold(struct journal_select *s, const struct journal_record *record)
{
    s->held[s->held_next] = *record;
    s->held_next = (s->held_next + 1) % JOURNAL_SELECT_HELD;
}

static void emit(struct journal_select *s, const struct journal_record *record)
{
    assert(s->out_count < JOURNAL_SELECT_HELD + 1);
    s->out[s->out_count++] = *record;
}

struct release {
    uint32_t stream;
    struct addr address;
    uint32_t ssrc;
    uint16_t from_seq;
};

static bool is_released(const struct journal_record *held, const struct release *release)
{
    struct rtp_packet packet;
    return held->kind == JOURNAL_RECORD_RTP && held->stream == release->stream &&
           addr_equal(&held->source, &release->address) &&
           rtp_packet_decode(&packet, held->payload) == RTP_PACKET_OK &&
           packet.ssrc == release->ssrc && (int16_t)(packet.seq - release->from_seq) >= 0;
}

static void let_go(struct journal_select *s, const struct release *release)
{
    for (size_t i = 0; i < JOURNAL_SELECT_HELD; i++) {
        struct journal_record *held = &s->held[(s->held_next + i) % JOURNAL_SELECT_HELD];
        if (held->payload.len && is_released(held, release)) {
            emit(s, held);
            held->payload = VIEW_NONE;
        }
    }
}

static void follow_event(struct journal_select *s, const struct journal_record *record)
{
    struct release release = {.stream = record->stream};
    int64_t ssrc, from_seq;
    if (record->event != JOURNAL_EVENT_SOURCE && record->event != JOURNAL_EVENT_EPOCH)
        return;
    if (!journal_event_addr(record->comment, "address", &release.address) ||
        !journal_event_number(record->comment, "ssrc", &ssrc) ||
        !journal_event_number(record->comment, "from_seq", &from_seq))
        return;
    release.ssrc = (uint32_t)ssrc;
    release.from_seq = (uint16_t)from_seq;
    let_go(s, &release);
}

void journal_select_put(struct journal_select *s, const struct journal_record *record)
{
    assert(s->out_next == s->out_count);
    s->out_count = s->out_next = 0;
    if (record->role == JOURNAL_ROLE_SIP)
        return;
    if (record->comment.len)
        follow_event(s, record);
    if (record->kind != JOURNAL_RECORD_RTP)
        return;
    if (record->role == JOURNAL_ROLE_APART)
        hold(s, record);
    else
        emit(s, record);
}

bool journal_select_take(struct journal_select *s, struct journal_record *record)
{
    if (s->out_next == s->out_count)
        return false;
    *record = s->out[s->out_next++];
    return true;
}
