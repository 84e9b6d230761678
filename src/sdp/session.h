/* session: reads any SDP there is into views and plain values, and never fails.
 * Not here: answering (answer.h), what the two sides agreed (agree.h).
 * RFC 8866 (lenient: requirements of the field come first), 3264, 3605, 4574, 5761, 5888, 8839,
 * 9143. */
#ifndef SDP_SESSION_H
#define SDP_SESSION_H

#include "base/candidate.h"
#include "base/limits.h"
#include "sdp/codec.h"

enum sdp_kind {
    SDP_KIND_AUDIO,
    SDP_KIND_VIDEO,
    SDP_KIND_TEXT,
    SDP_KIND_MESSAGE,
    SDP_KIND_APPLICATION,
    SDP_KIND_IMAGE,
    SDP_KIND_OTHER,
};

enum sdp_profile {
    SDP_PROFILE_OTHER, /* anything that is not RTP over UDP */
    SDP_PROFILE_AVP,
    SDP_PROFILE_AVPF,
    SDP_PROFILE_SAVP, /* SDES keys, RFC 4568 */
    SDP_PROFILE_SAVPF,
    SDP_PROFILE_DTLS_SAVP, /* UDP/TLS/RTP/SAVP, RFC 5764 */
    SDP_PROFILE_DTLS_SAVPF,
};

/* As its writer sees it; "a=sendonly" in an offer means that the offerer sends. */
enum sdp_direction {
    SDP_SENDRECV,
    SDP_SENDONLY,
    SDP_RECVONLY,
    SDP_INACTIVE,
};

/* Pools of one description; what does not fit is counted in lost_*, never an error. */
#define SDP_FORMATS_POOL    512
#define SDP_CANDIDATES_POOL 64
#define SDP_ANAT_GROUPS     8

struct sdp_media {
    struct view text; /* the whole section, from its m= line on; for sdp_attribute_next */
    enum sdp_kind kind;
    enum sdp_profile profile;
    struct view media;    /* "audio" as written */
    struct view protocol; /* "RTP/AVP" as written */
    struct view formats_text;
    uint16_t port;    /* 0: removed, rejected, bundle-only, or unreadable */
    struct addr rtp;  /* unset without a usable c=, with a name in it, or with port 0 */
    struct addr rtcp; /* a=rtcp, or the RTP port with rtcp-mux, or one higher; unset as rtp is */
    bool held; /* c= is 0.0.0.0 or :: (RFC 3264 §8.4), and it is no trickle ICE (RFC 8840 §4.1.1) */
    bool direction_given; /* here or at session level; otherwise sendrecv is the default */
    bool rtcp_mux;
    bool bundled; /* its mid stands in an a=group:BUNDLE */
    uint8_t anat; /* 0: in no a=group:ANAT; else the group's number, from 1 on. All of one group are
                     the same media at other addresses: one of them is to be accepted */
    uint8_t anat_rank; /* in it, 0 being the preferred */
    bool bundle_only;  /* RFC 9143 §6, and only where it means something: bundled and port 0 */
    enum sdp_direction direction;
    struct view label; /* empty: none. RFC 4574 */
    struct view mid;
    uint32_t ptime_ms, maxptime_ms; /* 0: not given */
    uint16_t format_first, format_count;
    uint16_t candidate_first, candidate_count;
    uint16_t candidates_unread; /* names in place of addresses, mostly; and what is malformed */
    bool ice_trickles;          /* more may come later (RFC 8838) unless ice_ends stands */
    bool ice_ends;              /* a=end-of-candidates */
    bool ice_mismatch;          /* in an answer: without ICE after all (RFC 8839 §5.3) */
    uint16_t crypto_count;      /* a=crypto lines; read them with sdp_attribute_next */
    struct view ice_ufrag, ice_pwd, fingerprint, setup; /* session level is inherited */
};

struct sdp_session {
    struct view text;
    bool has_version; /* a v= line: it looks like SDP at all */
    struct view origin_user, origin_id, origin_version, origin_address;
    struct view timing; /* first t=, without "t=" */
    struct view group_bundle;
    struct view group_anat[SDP_ANAT_GROUPS]; /* RFC 4091; mids, the one preferred first */
    bool ice_lite;
    struct view ice_ufrag, ice_pwd; /* before the first m-line */
    bool ice_ends;      /* a=end-of-candidates before the first m-line: for all (RFC 8840 §4.4) */
    size_t media_count; /* those kept; media_count + lost_media is the number of m= lines */
    struct sdp_media media[LIMIT_SDP_MEDIA];
    struct sdp_format formats[SDP_FORMATS_POOL];
    struct candidate candidates[SDP_CANDIDATES_POOL];
    size_t format_used, candidate_used;
    size_t lost_media, lost_formats, lost_candidates;
    struct view lost_text; /* from the first m= line that did not fit to the end */
};

/* Reads text, which must stay until the session is no longer used. Whatever cannot be read is
 * skipped: unknown lines, blank lines, missing v=, s=, t= and c=, LF or CR alone. Every line that
 * begins with "m=" is counted. About 60 KB: not for a deep stack. */
void sdp_session_parse(struct sdp_session *session, struct view text);

/* The i-th format of an m-line, i < media->format_count. Borrows. */
const struct sdp_format *sdp_media_format(const struct sdp_session *session,
                                          const struct sdp_media *media, size_t i);
/* The format with this payload type, or NULL. */
const struct sdp_format *sdp_media_find_format(const struct sdp_session *session,
                                               const struct sdp_media *media, uint8_t payload_type);
/* Another m-line of the session has the same, non-empty label. */
bool sdp_media_label_repeats(const struct sdp_session *session, size_t line);

/* Takes the next "a=" line off *rest: "a=crypto:1 x" gives "crypto" and "1 x", "a=sendonly" an
 * empty value. False at the end. */
bool sdp_attribute_next(struct view *rest, struct view *name, struct view *value);

const char *sdp_direction_name(enum sdp_direction direction); /* "sendonly" */
bool sdp_direction_sends(enum sdp_direction direction);
bool sdp_direction_receives(enum sdp_direction direction);

#endif
