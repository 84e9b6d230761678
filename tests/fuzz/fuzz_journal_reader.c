/* fuzz_journal_reader: any bytes as a journal: read whole, read while it grows, recovered, selected
 * from. */
#include "journal/recover.h"
#include "journal/select.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(struct journal_reader *r, const struct journal_record *record, struct view file)
{
    char text[64];
    int64_t number;
    struct addr address;
    struct wall time;
    assert(record->offset + record->length <= file.len && record->length >= 12);
    if (record->comment.len) {
        (void)!journal_event_text(record->comment, "why", text, sizeof text);
        (void)!journal_event_number(record->comment, "ssrc", &number);
        (void)!journal_event_addr(record->comment, "address", &address);
        (void)!journal_event_wall(record->comment, "at", &time);
    }
    const struct journal_interface *i = journal_reader_interface(r, record->interface);
    if (i)
        assert(i->label.len < 256);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view file = view_of(data, size);
    static struct journal_select select;
    struct journal_record record, selected;
    struct journal_span spans[4];
    struct journal_recovery recovery;
    size_t whole = 0, growing = 0, records = 0;

    struct journal_reader *r = journal_reader_create();
    journal_select_init(&select);
    journal_reader_feed(r, file, true);
    while (journal_reader_next(r, &record)) {
        look_at(r, &record, file);
        records += record.kind != JOURNAL_RECORD_DAMAGE;
        whole++;
        journal_select_put(&select, &record);
        while (journal_select_take(&select, &selected))
            assert(selected.kind == JOURNAL_RECORD_RTP);
    }
    uint64_t end = journal_reader_offset(r);
    journal_reader_destroy(r);

    r = journal_reader_create();
    for (size_t len = 0; len <= size; len += len < 512 ? 1 : 997) {
        journal_reader_feed(r, view_of(data, len), false);
        while (journal_reader_next(r, &record))
            growing++;
    }
    assert(growing <= whole + size / 12);
    journal_reader_destroy(r);

    journal_recover(file, &recovery, spans, 4);
    assert(recovery.length == end && recovery.records == records);
    return 0;
}
