/* record: what is known about one recording; filled by a call going on and by a journal read again.
 * Not here: the call itself (call.h), JSON (document.h).
 * RFC 7865, 7866 §9, 3264 §8. */
#ifndef RECORDER_RECORD_H
#define RECORDER_RECORD_H

#include "base/limits.h"
#include "journal/event.h"
#include "media/media.h"
#include "recorder/story.h"
#include "sdp/agree.h"
#include "sdp/match.h"
#include "siprec/state.h"

#define RECORDER_EVENTS_MAX   1024 /* of each kind kept; further ones only count */
#define RECORDER_CODE_SIZE    40
#define RECORDER_TEXT_SIZE    512
#define RECORDER_CODEC_SIZE   24
#define RECORDER_METADATA_MAX LIMIT_SIP_BODY

enum recorder_state {
    RECORDER_ACTIVE,
    RECORDER_FINISHING, /* the call is over, the audio not rendered yet */
    RECORDER_FAILED,    /* nothing of it could be journaled */
};

struct recorder_warning {
    char code[RECORDER_CODE_SIZE]; /* "metadata-missing" */
    char text[RECORDER_TEXT_SIZE]; /* a sentence for people */
    struct wall at;
};

struct recorder_stream {
    char label[MEDIA_LABEL_SIZE];
    unsigned mline;
    bool gone;   /* the SRC removed it */
    bool paused; /* agreed direction inactive, or c=0.0.0.0 */
    bool mute;   /* the SRC only receives on it: answered sendonly */
    bool rtcp_mux;
    char codec[RECORDER_CODEC_SIZE]; /* the first voice codec agreed */
    unsigned codec_count;
    struct media_codec codecs[MEDIA_CODECS];
    struct addr offered, offered_rtcp, advertised, bound, observed; /* unset: none */
    const char *ice_path; /* by which ICE brings its packets: a name of the API's; NULL: none */
    bool has_first;
    struct wall began, first; /* our answer; the first packet */
    struct recorder_story story;
    struct media_counters counters;
};

/* One line of the document's "events" or "digits". */
struct recorder_happening {
    enum journal_event_kind kind;
    struct wall at;
    int stream; /* -1: the recording as a whole */
    struct addr addr;
    uint32_t ssrc; /* 0: none */
    char digit;
    uint32_t duration_ms;
};

struct recorder_happenings {
    struct recorder_happening *list;
    unsigned count, room;
};

/* A participant and the stream that carried him last; he may have left since. */
struct recorder_speaker {
    const struct siprec_participant *who; /* of the record's metadata */
    unsigned stream;
};

struct recorder_record {
    struct uuid id;
    char *call_id;
    enum recorder_state state;
    bool recovered;
    bool nothing_kept;          /* not a byte of its journal could be written */
    struct wall started, ended; /* ended.ns 0: not yet */
    char ended_why[32];

    bool has_metadata;
    struct siprec_state metadata;
    struct recorder_speaker *speakers; /* who was ever heard on which stream */
    unsigned speaker_count, speaker_room;
    char *latest; /* the last metadata document, as it came */
    size_t latest_len;
    bool latest_is_new; /* the catalogue has not got it yet */

    struct recorder_stream *streams; /* stream number is the index, for life */
    unsigned stream_count, stream_room;

    struct recorder_warning *warnings;
    unsigned warning_count, warning_room;
    unsigned warnings_told; /* of warning_count: already in the journal */
    struct recorder_happenings events, digits;
};

/* False when memory is short; finish is then harmless. call_id is copied. */
WARN_UNUSED bool recorder_record_init(struct recorder_record *record, const struct uuid *id,
                                      struct view call_id, struct wall started);
void recorder_record_finish(struct recorder_record *record);

/* Adds a warning; the same code and text stand once only. */
void recorder_record_warn(struct recorder_record *record, struct wall at, const char *code,
                          const char *format, ...) PRINTF_LIKE(4, 5);
/* Each warning of a body, its SDP or its metadata. */
void recorder_record_warn_siprec(struct recorder_record *record, struct wall at,
                                 const struct siprec_warnings *warnings);

void recorder_record_happened(struct recorder_record *record,
                              const struct recorder_happening *happening);

/* Something that happened on a stream, with what follows from it for stream and warnings. */
void recorder_record_saw(struct recorder_record *record, const struct recorder_happening *what);
/* What a worker saw. True when the document tells more than before (not for counters alone). */
bool recorder_record_media(struct recorder_record *record, const struct media_event *event);

/* Which of its streams each m-line of an offer continues: found[i] is a stream number or
 * SDP_MATCH_NEW. found has room for offer->media_count. */
void recorder_record_match(const struct recorder_record *record, const struct sdp_session *offer,
                           int found[]);

/* Takes in what offer and answer came to; theirs NULL: our offer stands unanswered yet (an INVITE
 * without SDP). found as recorder_record_match() gave it; new streams get their numbers in it,
 * lines that carry none SDP_MATCH_NEW. Streams that no line carries are gone. */
void recorder_record_agree(struct recorder_record *record, const struct sdp_session *ours,
                           const struct sdp_session *theirs, int found[], struct wall at);

/* How many streams more it can have at once. */
unsigned recorder_record_room(const struct recorder_record *record);
/* What we answered, or "removed": "recvonly", "inactive", "sendonly". */
const char *recorder_stream_direction(const struct recorder_stream *stream);

/* Takes in one metadata document, broken ones too; notes its warnings. */
enum siprec_applied recorder_record_metadata(struct recorder_record *record, struct view xml,
                                             struct wall at);
/* Looks at labels again, who speaks where: to be called when SDP or metadata changed. */
void recorder_record_check_labels(struct recorder_record *record, struct wall at);

/* Below recordings.directory: the UTC day of its start, and its id. */
void recorder_record_directory(const struct recorder_record *record,
                               char directory[MEDIA_DIRECTORY_SIZE]);

#endif
