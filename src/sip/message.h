/* message: one parsed SIP message: views on its start line, its headers and its body.
 * Not here: what it means (dialog.h, transaction.h), how one is built (print.h), framing
 * (stream.h).
 * RFC 3261 §7, 20, 25. */
#ifndef SIP_MESSAGE_H
#define SIP_MESSAGE_H

#include "sip/sofia.h"

enum sip_method {
    SIP_METHOD_UNKNOWN, /* not a method of any RFC we know */
    SIP_METHOD_INVITE,
    SIP_METHOD_ACK,
    SIP_METHOD_CANCEL,
    SIP_METHOD_BYE,
    SIP_METHOD_OPTIONS,
    SIP_METHOD_UPDATE,
    SIP_METHOD_INFO,
    SIP_METHOD_PRACK,
    SIP_METHOD_REGISTER, /* of ours; not served */
    SIP_METHOD_FOREIGN,  /* MESSAGE, REFER, ...: known, not served */
};

/* The topmost Via value. */
struct sip_via {
    bool valid;         /* it could be parsed */
    struct view host;   /* sent-by, IPv6 in brackets */
    uint16_t port;      /* 0: none given */
    struct view branch; /* empty: none */
    struct view maddr;
    bool rport_asked; /* ";rport" without a value, RFC 3581 §4 */
    bool keep_asked;  /* ";keep" without a value, RFC 6223 §4.1 */
};

/* A name-addr header's URI, as far as requests are routed by it. */
struct sip_uri {
    struct view text;     /* the whole URI without brackets; empty: missing or broken */
    struct view host;     /* IPv6 in brackets */
    uint16_t port;        /* 0: none given */
    bool secure;          /* sips: */
    bool loose;           /* ;lr */
    struct view protocol; /* the transport parameter, or empty */
};

/* All views live as long as the message. Values are trimmed,
 * folded lines are joined with blanks. */
struct sip_message {
    struct view
        bytes;        /* as received, nothing changed; longer datagrams are cut at Content-Length */
    struct view head; /* the header lines after the start line, unfolded; same length as in bytes */
    struct view head_raw;
    struct view body;
    bool is_request;
    enum sip_method method;  /* of a response: the one in its CSeq */
    struct view method_name; /* as written */
    struct view uri;         /* Request-URI */
    struct view uri_scheme;
    unsigned status; /* of a response */
    struct view reason;
    struct view call_id;
    struct view from, to; /* whole values, tags and display names included */
    struct view from_uri, to_uri;
    struct view from_display, to_display; /* without quotes; may be empty */
    struct view from_tag, to_tag;
    uint32_t cseq;
    struct sip_via via;
    bool has_contact;
    struct view contact; /* whole value of the first Contact line */
    struct sip_uri contact_uri;
    struct view content_type;   /* whole value, parameters included */
    uint32_t session_expires_s; /* 0: none */
    struct view refresher;      /* "uac", "uas" or empty */
    uint32_t min_se_s;          /* 0: none */
    uint32_t rseq;              /* 0: none */
    uint32_t rack_rseq, rack_cseq;
    enum sip_method rack_method;

    /* What is wrong with it. fault_status 0: nothing. answerable: enough of it could be read for a
     * response. */
    unsigned fault_status;
    const char *fault_reason;
    bool answerable;
    bool truncated; /* shorter than its Content-Length says, or cut by the receiver */

    /* private */
    unsigned references;
    struct sip_sofia parsed;
    char *memory;
};

enum sip_message_source {
    SIP_MESSAGE_DATAGRAM, /* Content-Length may be missing, and more or fewer bytes may follow */
    SIP_MESSAGE_DATAGRAM_CUT, /* the receive buffer was too small */
    SIP_MESSAGE_STREAM,       /* already framed */
    SIP_MESSAGE_HEAD_ONLY,    /* framed, its body too large and left out */
};

/* Copies bytes. Never fails on what a peer sends: see fault_status.
 * NULL only when memory is out. */
WARN_UNUSED struct sip_message *sip_message_parse(struct view bytes,
                                                  enum sip_message_source source);
struct sip_message *sip_message_hold(struct sip_message *m);
/* Gives one reference back; NULL is harmless. */
void sip_message_release(struct sip_message *m);

struct sip_header {
    struct view name;  /* as written: "Via", "v", "VIA" */
    struct view value; /* trimmed, unfolded */
    struct view raw;   /* name, colon, value as they came, without the last line end */
    size_t next;       /* private */
};

/* Walks the headers in their order: start with a zeroed struct, until false. */
bool sip_message_header_next(const struct sip_message *m, struct sip_header *at);
/* The same for headers of one name; compact forms (RFC 3261 §7.3.3) are known. */
bool sip_message_header_named(const struct sip_message *m, struct view name, struct sip_header *at);
/* The first header of that name, or an empty view with at == NULL. */
struct view sip_message_header(const struct sip_message *m, struct view name);
/* True when a comma-separated list header (Supported, Require, Allow) has the token, ASCII case
 * ignored. */
bool sip_message_lists(const struct sip_message *m, struct view name, struct view token);
/* True when the body has a session description: application/sdp, alone or as a part. */
bool sip_message_has_sdp(const struct sip_message *m);

/* Reads one URI (no brackets, no display name). False, *out zeroed, when it is not sip: or sips:
 * with a host. */
bool sip_uri_parse(struct view text, struct sip_uri *out);
/* The URI between < and >, or the value up to ';' when there are no brackets; with the display name
 * before it. */
struct view sip_address_uri(struct view value);
/* The value up to the next comma outside quotes and brackets; *rest moves behind it. False at the
 * end. */
bool sip_list_next(struct view *rest, struct view *element);

struct view sip_method_text(enum sip_method method);

#endif
