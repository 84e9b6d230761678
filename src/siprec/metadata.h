/* metadata: reads one recording metadata document, of any dialect, into lists that borrow an arena.
 * Not here: what documents mean one after another (state.h), who speaks on which m-line (voices.h).
 * RFC 7865; drafts of it that are in the field: the namespaces urn:ietf:params:xml:ns:recording
 * (Oracle, AudioCodes, Metaswitch, Ribbon) and urn:ietf:params:xml:ns:siprec (BroadWorks,
 * Webex). */
#ifndef SIPREC_METADATA_H
#define SIPREC_METADATA_H

#include "base/arena.h"
#include "siprec/warning.h"

enum siprec_mode {
    SIPREC_COMPLETE, /* the default when nothing is said (RFC 7865 §5.1.2) */
    SIPREC_PARTIAL,
};

/* Extension data, one leaf each: "apkt:ucid", "extensiondata.foo.bar", an attribute as
 * "user@userID". */
struct siprec_value {
    struct siprec_value *next;
    struct view key;
    struct view text;
};

/* One nameID: an address of record, as written (with or without a scheme), and the name shown with
 * it. */
struct siprec_name {
    struct siprec_name *next;
    struct view aor;
    struct view name;
    struct view language; /* xml:lang */
};

/* participantsessionassoc, or a participant's session attribute in the old dialects. */
struct siprec_membership {
    struct siprec_membership *next;
    struct view session_id;
    struct view associated, disassociated; /* times as written; base's wall_parse reads them */
};

/* A participant sends into, or receives, a stream. */
struct siprec_flow {
    struct siprec_flow *next;
    struct view stream_id;
    bool sends; /* else it receives */
    struct view associated, disassociated;
};

struct siprec_reason {
    struct siprec_reason *next;
    struct view protocol, cause, text;
};

struct siprec_text {
    struct siprec_text *next;
    struct view text;
};

struct siprec_group {
    struct siprec_group *next;
    bool present; /* in the metadata as it now stands; see state.h */
    struct view id, associated, disassociated;
    struct siprec_value *extensions;
};

struct siprec_session {
    struct siprec_session *next;
    bool present;
    struct view id, group_id, started, stopped;
    struct view associated, disassociated; /* sessionrecordingassoc */
    struct siprec_text *sip_session_ids;   /* blanks and line breaks inside removed */
    struct siprec_reason *reasons;
    struct siprec_value *extensions;
};

struct siprec_participant {
    struct siprec_participant *next;
    bool present;
    bool declared;     /* a participant element, not only references to it */
    bool flows_stated; /* flows were given, perhaps none: they replace what was known (RFC 7865
                          §6.8.1) */
    struct view id;
    struct siprec_name *names;
    struct siprec_membership *memberships;
    struct siprec_flow *flows;
    struct siprec_value *extensions;
};

struct siprec_stream {
    struct siprec_stream *next;
    bool present;
    struct view id, session_id, label;
    struct view
        media_label;  /* an attribute that Google's SRC uses for what others put into label */
    struct view mode; /* old dialects: "separate" or "mixed" */
    struct view associated, disassociated;
    struct siprec_value *extensions;
};

/* One document. Lists are in document order; elements with the same id are one. */
struct siprec_metadata {
    enum siprec_mode mode;
    bool mode_given;
    bool well_formed;
    bool repaired; /* it was not, but is with bare "&" and "<sip:" escaped: complete, still wrong */
    bool is_request; /* requestsnapshot (RFC 7865 §7), not metadata */
    struct view root, root_namespace;
    struct siprec_group *groups;
    struct siprec_session *sessions;
    struct siprec_participant *participants;
    struct siprec_stream *streams;
    struct siprec_value *extensions; /* of the document itself */
    /* Elements as they stand in the document. */
    size_t group_elements, session_elements, participant_elements, stream_elements;
    unsigned long error_line; /* where it stopped being XML; 0 when well_formed */
    char error[64];
};

/* Reads a document. Never fails: at the first error reading stops and what came before is there,
 * with warnings raised. No DTD, no entities of its own, no external entities; depth, elements and
 * text are limited. Everything is copied into the arena; when that is full, reading stops with
 * SIPREC_WARN_METADATA_LIMIT. */
void siprec_metadata_parse(struct siprec_metadata *metadata, struct view xml, struct arena *arena,
                           struct siprec_warnings *warnings);

#endif
