/* survey: the first pass over a journal: who sent what and when, every sender's clock, what was
 * negotiated, digits, holds. Nothing is decoded.
 * Not here: the second pass (track.h), channels (cast.h).
 * RFC 3550, 4733. */
#ifndef RENDER_SURVEY_H
#define RENDER_SURVEY_H

#include "render/clock.h"
#include "render/types.h"
#include "render/walk.h"
#include "rtp/dtmf.h"
#include "rtp/sequence.h"

#define RENDER_STREAMS_MAX 64
#define RENDER_SOURCES_MAX 64 /* SSRCs of one stream; a sender that changes it more often is none */
#define RENDER_DIGITS_MAX  4096
#define RENDER_REPORTS_MAX 256
#define RENDER_CNAME_SIZE  256

/* A sender report: the same moment on the sender's wall clock and in RTP time. */
struct render_report {
    uint64_t ntp;
    uint32_t timestamp;
    struct wall arrival;
};

/* One SSRC of one stream. */
struct render_source {
    uint32_t ssrc;
    size_t index; /* among all sources, set before the second pass */
    struct render_clock clock;
    uint32_t clock_hz; /* of its voice; 0: none yet */
    struct rtp_sequence sequence;
    bool sequenced;
    uint64_t packets, lost, duplicates, reordered;
    struct rtp_dtmf dtmf;
    bool has_dtmf;
    struct render_report reports[RENDER_REPORTS_MAX]; /* thinned out when there are more */
    size_t report_count;
    uint32_t report_stride, report_skipped;
    char cname[RENDER_CNAME_SIZE];
    bool by_reports; /* placed with the help of sender reports */
};

struct render_stream {
    uint32_t number; /* as in the journal */
    struct view label;
    uint32_t mline;
    struct render_types types;
    struct render_source **sources;
    size_t source_count;
    uint64_t sources_refused;      /* packets of further SSRCs */
    uint64_t unknown;              /* packets of payload types that nobody agreed on */
    bool carried[SDP_CODEC_COUNT]; /* codecs that packets came with */
    bool paused;
    bool had_media;
    bool told, idle; /* every answer told of it left it inactive: nobody owes it a packet */
};

struct render_digit {
    char digit;
    uint8_t code;
    size_t stream; /* index */
    struct wall at;
    uint32_t duration_ms;
};

/* An address that our SDP advertised, and the stream (by index) whose packets came there. */
struct render_address {
    struct addr advertised;
    size_t stream;
};

struct render_survey {
    struct render_walk walk; /* stays open for its interfaces until release */
    struct render_scenes scenes;
    struct render_stream *streams;
    size_t stream_count;
    struct render_address *addresses;
    size_t address_count, address_room;
    struct render_digit *digits;
    size_t digit_count, digit_room;
    uint64_t records, media; /* read in all; RTP packets among them */
    struct wall first, last; /* of all records */
    struct wall ended;       /* zero: the journal does not say */
    bool recovered;
    uint32_t audio_hz; /* the highest rate of any voice that came */
    int64_t late_ns;   /* no packet came later than its place by more */
    uint64_t length;   /* bytes of the journal that were read: whole blocks */
};

/* Reads the whole journal, borrowed until render_survey_release. False when memory is out. */
WARN_UNUSED bool render_survey_read(struct render_survey *survey, struct view file, bool mapped);
void render_survey_release(struct render_survey *survey);

/* NULL: no such stream, no such SSRC. */
struct render_stream *render_survey_find(const struct render_survey *survey, uint32_t number);
struct render_source *render_stream_source(const struct render_stream *stream, uint32_t ssrc);

#endif
