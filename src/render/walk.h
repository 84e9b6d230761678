/* walk: one pass over a journal's records in their order: what the reader gives, and the RTP
 * packets that make the audio. In bounded memory, however long the journal.
 * Not here: what records mean (scene.h, survey.h, track.h), our clock that was set (timeline.h).
 * RFC: none. */
#ifndef RENDER_WALK_H
#define RENDER_WALK_H

#include "journal/reader.h"
#include "journal/select.h"
#include "render/timeline.h"
#include "rtp/packet.h"

struct render_step {
    bool is_media; /* a stream's own RTP packet: packet and stream are set. Otherwise record is as
                      the reader gave it, RTP excepted */
    struct journal_record record;
    uint32_t stream;
    struct rtp_packet packet;
};

struct render_walk {
    struct view file; /* borrowed: mapped memory */
    struct journal_reader *reader;
    struct journal_select *select;
    struct render_timeline timeline;
    uint64_t released;  /* bytes of the file given back to the kernel */
    uint64_t malformed; /* RTP that is none */
    uint64_t damage;    /* bytes the reader had to skip */
    bool mapped;        /* the file's pages may be given back */
};

/* Borrows file until render_walk_end. mapped: it is a read-only mapping of a file. False when
 * memory is out. */
WARN_UNUSED bool render_walk_begin(struct render_walk *walk, struct view file, bool mapped);
void render_walk_end(struct render_walk *walk);
/* Views in *step live as long as the file, those of a SIP message until the next call. */
WARN_UNUSED bool render_walk_next(struct render_walk *walk, struct render_step *step);

#endif
