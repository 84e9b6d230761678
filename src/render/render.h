/* render: a journal into audio: first pass, channels, second pass, files, and what came of it.
 * Not here: options, opening files, the sandbox (main.c, sandbox.c).
 * RFC 7866 §7 (what is recorded). */
#ifndef RENDER_RENDER_H
#define RENDER_RENDER_H

#include "render/cast.h"
#include "render/output.h"
#include "render/track.h"

enum render_layout {
    RENDER_LAYOUT_STEREO, /* one channel a participant: mono for one, stereo for two, n for n */
    RENDER_LAYOUT_MONO,   /* everybody in one */
    RENDER_LAYOUT_EACH,   /* one file a participant */
};

/* All borrowed. files[i] is open for writing at its start; only RENDER_LAYOUT_EACH uses more than
 * the first. */
struct render_job {
    struct view journal;
    bool mapped; /* journal is a mapping of a file */
    enum render_format format;
    enum render_layout layout;
    const int *files;
    const char *const *names; /* of the files, for the result */
    size_t file_count;
    bool force_large; /* write RF64 whatever the length */
};

struct render_run {
    struct render_job job;
    struct render_survey survey;
    struct render_cast cast;
    struct render_grid grid;
    struct render_mix mix;
    struct render_track **tracks; /* by render_source.index */
    size_t track_count;
    struct render_output *outputs[RENDER_CHANNELS_MAX];
    size_t output_count; /* open */
    size_t files_used;
    int16_t *frames;  /* taken out of the mix */
    int16_t *one;     /* a single channel of them */
    struct wall next; /* when tracks and mix are looked at again */
    int64_t hold_ns;  /* how far the mix stays behind the journal */
    int64_t length;   /* frames written */
    int64_t tail;     /* frames at least: a hold lasts until the end of the call */
    bool mono_forced; /* the format has too few channels for the layout */
    bool has_audio;
    unsigned reports_refused;
};

enum render_end {
    RENDER_DONE,
    RENDER_BAD,    /* the journal is none */
    RENDER_FAILED, /* errno: memory or writing */
};

/* Renders. For RENDER_DONE *result is one line of JSON, malloc'ed, and *used how many of the files
 * were written; otherwise *error is a sentence, static. */
WARN_UNUSED enum render_end render_journal(const struct render_job *job, char **result,
                                           uint8_t *used, const char **error);

/* result.c: the line of JSON. NULL when memory is out. */
char *render_result_print(const struct render_run *run);

#endif
