/* walk: one pass over a journal's records in their order: what the reader gives, and the RTP
 * packets that make the audio. In bounded memory, however long the journal.
 * Not here: what records mean (scene.h, survey.h, track.h).
 * RFC: none. */
#include "render/walk.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Pages behind us are given back in steps; views into them stay good, they are only read again. */
#define RELEASE_STEP (16U << 20)
#define RELEASE_KEEP (4U << 20)
/* Records of different streams may be out of order by a sweep or two; more than this is our wall
 * clock that was set back. */
#define SET_BACK_NS (2 * NS_PER_S)
/* No call is silent on the wire and in its signalling for a day: the clock was set forward, as at
 * the start of a machine without one of its own. */
#define SET_FORWARD_NS (24 * 3600 * NS_PER_S)

bool render_walk_begin(struct render_walk *walk, struct view file, bool mapped)
{
    *walk = (struct render_walk){.file = file, .mapped = mapped};
    walk->reader = journal_reader_create();
    walk->select = malloc(sizeof *walk->select);
    if (!walk->reader || !walk->select) {
        render_walk_end(walk);
        return false;
    }
    journal_select_init(walk->select);
    journal_reader_feed(walk->reader, file, false);
    return true;
}

void render_walk_end(struct render_walk *walk)
{
    journal_reader_destroy(walk->reader);
    free(walk->select);
    walk->reader = NULL;
    walk->select = NULL;
}

static void pages_release(struct render_walk *walk, uint64_t offset)
{
    if (!walk->mapped || offset < walk->released + RELEASE_STEP + RELEASE_KEEP)
        return;
    /* The mapping begins on a page, and both constants are whole pages. */
    uint64_t upto = (offset - RELEASE_KEEP) / RELEASE_STEP * RELEASE_STEP;
    char *from = (char *)(uintptr_t)(walk->file.at + walk->released);
    (void)madvise(from, (size_t)(upto - walk->released), MADV_DONTNEED);
    walk->released = upto;
}

/* Makes time go on where our clock was set, so that the recording neither folds over itself nor
 * becomes years long. */
static void time_correct(struct render_walk *walk, struct journal_record *record)
{
    if (record->time.ns <= 0)
        return;
    int64_t time;
    if (__builtin_add_overflow(record->time.ns, walk->shift_ns, &time))
        time = walk->latest.ns;
    int64_t step = time - walk->latest.ns;
    if (walk->latest.ns != 0 && (step < -SET_BACK_NS || step > SET_FORWARD_NS)) {
        walk->shift_ns -= step;
        if (step < 0)
            walk->set_back_ns += (uint64_t)-step;
        else
            walk->set_forward_ns += (uint64_t)step;
        time = walk->latest.ns;
    }
    record->time.ns = time;
    if (time > walk->latest.ns)
        walk->latest.ns = time;
}

static bool media_take(struct render_walk *walk, struct render_step *step)
{
    while (journal_select_take(walk->select, &step->record)) {
        if (rtp_packet_decode(&step->packet, step->record.payload) != RTP_PACKET_OK) {
            walk->malformed++;
            continue;
        }
        step->is_media = true;
        step->stream = step->record.stream;
        return true;
    }
    return false;
}

bool render_walk_next(struct render_walk *walk, struct render_step *step)
{
    for (;;) {
        if (media_take(walk, step))
            return true;
        if (!journal_reader_next(walk->reader, &step->record))
            return false;
        pages_release(walk, step->record.offset);
        if (step->record.kind == JOURNAL_RECORD_DAMAGE) {
            walk->damage += step->record.length;
            continue;
        }
        time_correct(walk, &step->record);
        if (step->record.kind == JOURNAL_RECORD_RTP || step->record.kind == JOURNAL_RECORD_EVENT)
            journal_select_put(walk->select, &step->record);
        if (step->record.kind == JOURNAL_RECORD_RTP)
            continue;
        step->is_media = false;
        return true;
    }
}
