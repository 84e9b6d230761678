/* walk: one pass over a journal's records in their order: what the reader gives, and the RTP
 * packets that make the audio. In bounded memory, however long the journal.
 * Not here: what records mean (scene.h, survey.h, track.h), our clock that was set (timeline.h).
 * RFC: none. */
#include "render/walk.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Pages behind us are given back in steps; views into them stay good, they are only read again. */
#define RELEASE_STEP (16U << 20)
#define RELEASE_KEEP (4U << 20)

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
        render_timeline_correct(&walk->timeline, &step->record);
        if (step->record.kind == JOURNAL_RECORD_RTP || step->record.kind == JOURNAL_RECORD_EVENT)
            journal_select_put(walk->select, &step->record);
        if (step->record.kind == JOURNAL_RECORD_RTP)
            continue;
        step->is_media = false;
        return true;
    }
}
