/* recover: one pass over a journal that was left open.
 * Not here: writing to it.
 * draft-ietf-opsawg-pcapng §3.1. */
#include "journal/recover.h"

#include "journal/block.h"
#include "journal/reader.h"

#include <endian.h>
#include <string.h>

static void note_damage(struct journal_recovery *v, const struct journal_record *record)
{
    v->damaged_bytes += record->length;
    if (v->damages < JOURNAL_DAMAGE_MAX)
        v->damage[v->damages++] = (struct journal_damage){record->offset, record->length};
}

static void note_packet(struct journal_recovery *v, const struct journal_record *record,
                        struct journal_span *spans, size_t n_spans)
{
    if (v->first.ns == 0 || record->time.ns < v->first.ns)
        v->first = record->time;
    if (record->time.ns > v->last.ns)
        v->last = record->time;
    if (record->kind == JOURNAL_RECORD_EVENT || record->interface >= n_spans)
        return;
    struct journal_span *span = &spans[record->interface];
    if (span->packets++ == 0)
        span->first = record->time;
    if (record->time.ns > span->last.ns)
        span->last = record->time;
}

static void note_event(struct journal_recovery *v, const struct journal_record *record)
{
    if (record->comment.len && record->event == JOURNAL_EVENT_ENDED) {
        v->ended = true;
        v->ended_at = record->time;
    } else if (record->comment.len && record->event == JOURNAL_EVENT_RECOVERED) {
        v->recovered_before = true;
    }
}

void journal_recover(struct view file, struct journal_recovery *recovery,
                     struct journal_span *spans, size_t n_spans)
{
    struct journal_recovery v = {0};
    struct journal_record record;
    struct journal_reader *r = journal_reader_create();
    if (spans)
        memset(spans, 0, n_spans * sizeof *spans);
    else
        n_spans = 0;
    if (!r) {
        *recovery = (struct journal_recovery){.failed = true};
        return;
    }
    journal_reader_feed(r, file, true);
    while (journal_reader_next(r, &record)) {
        if (record.kind == JOURNAL_RECORD_DAMAGE) {
            note_damage(&v, &record);
            continue;
        }
        v.usable |= record.kind == JOURNAL_RECORD_SECTION;
        v.records++;
        if (record.kind == JOURNAL_RECORD_SECTION || record.kind == JOURNAL_RECORD_INTERFACE ||
            record.time.ns == 0)
            continue;
        note_packet(&v, &record, spans, n_spans);
        note_event(&v, &record);
    }
    v.length = journal_reader_offset(r);
    v.interfaces = journal_reader_interfaces(r);
    journal_reader_destroy(r);
    *recovery = v;
}

struct journal_patch journal_patch(const struct journal_damage *damage)
{
    struct journal_patch p;
    uint32_t type = htole32(JOURNAL_BLOCK_LOST), length = htole32((uint32_t)damage->length);
    memcpy(p.head, &type, 4);
    memcpy(p.head + 4, &length, 4);
    memcpy(p.tail, &length, 4);
    return p;
}

struct view journal_recover_event(const struct journal_recovery *recovery, struct wall now,
                                  void *buffer, size_t size)
{
    struct journal_event e = journal_event_begin(buffer, size, JOURNAL_EVENT_RECOVERED);
    journal_event_put_wall(&e, "gap_from", recovery->last);
    journal_event_put_wall(&e, "gap_to", now);
    journal_event_put_number(&e, "gap_ms",
                             recovery->last.ns ? wall_diff_ms(now, recovery->last) : 0);
    return journal_event_end(&e);
}
