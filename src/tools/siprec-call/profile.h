/* profile: how one vendor's SRC writes its messages, read from a text file: a few settings, then
 * one template a section.
 * Not here: filling the templates (request.c).
 * RFC: none; the dialects are those seen in the field. */
#ifndef TOOLS_SIPREC_CALL_PROFILE_H
#define TOOLS_SIPREC_CALL_PROFILE_H

#include "base/view.h"

enum call_section {
    CALL_SECTION_INVITE,  /* the first INVITE */
    CALL_SECTION_REQUEST, /* re-INVITE, UPDATE, INFO, OPTIONS, BYE */
    CALL_SECTION_BARE,    /* ACK, CANCEL, PRACK: no body but an ACK's SDP */
    CALL_SECTION_BODY,    /* SDP and metadata together */
    CALL_SECTION_SDP,
    CALL_SECTION_METADATA, /* a complete snapshot */
    CALL_SECTION_PARTIAL,  /* a partial update */
    CALL_SECTION_COUNT
};

#define CALL_PROFILE_LABELS 16

struct call_profile {
    char name[64];
    struct view about;
    struct view codecs; /* "PCMA PCMU"; empty: the caller's default */
    struct view labels[CALL_PROFILE_LABELS];
    size_t label_count;
    struct view eol;
    unsigned streams, parties; /* 0: the caller's choice */
    uint8_t events;            /* payload type of telephone-event; 255: not offered */
    struct view content_type;  /* of the body with both parts */
    struct view metadata_type; /* of a body with the metadata alone */
    bool offerless;            /* the INVITE carries no SDP, the ACK answers */
    bool silent;               /* nor metadata */
    struct view section[CALL_SECTION_COUNT];
    char *owned; /* the file's text, when it was not built in */
};

/* Reads profile name (built in) or, when it holds a '/' or is none of them, the file of that name.
 * Sections that are missing come from "generic". False with a reason in error. */
WARN_UNUSED bool call_profile_load(struct call_profile *profile, const char *name, char *error,
                                   size_t size);
void call_profile_finish(struct call_profile *profile);

/* A whole file, NUL-terminated; NULL with a reason. Free it. */
char *call_file_read(const char *path, char *error, size_t size);

#endif
