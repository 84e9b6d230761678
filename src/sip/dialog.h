/* dialog: what two sides agreed on: ids, sequence numbers, route set, targets, open offers.
 * Not here: its life in the engine (lifetime.c), messages (server.c, client.c).
 * RFC 3261 §12, 13, 14; RFC 3262; RFC 3311. Private to src/sip. */
#ifndef SIP_DIALOG_H
#define SIP_DIALOG_H

#include "base/map.h"
#include "base/pool.h"
#include "base/timers.h"
#include "sip/flow.h"
#include "sip/message.h"
#include "sip/packet.h"
#include "sip/session_timer.h"
#include "sip/sip.h"

#define SIP_TAG_LEN        16
#define SIP_SESSION_ID_LEN 32

enum sip_timed_kind {
    SIP_TIMED_TRANSACTION,
    SIP_TIMED_DIALOG,
    SIP_TIMED_CONNECTION,
};

/* The head of whatever has a timer in the engine's heap. */
struct sip_timed {
    struct timer timer;
    enum sip_timed_kind kind;
};

enum sip_dialog_state {
    SIP_DIALOG_EARLY,
    SIP_DIALOG_CONFIRMED,
    SIP_DIALOG_ENDING, /* our BYE is out */
};

enum sip_allowed {
    SIP_ALLOWED_UNKNOWN, /* it never said */
    SIP_ALLOWED_YES,
    SIP_ALLOWED_NO,
};

/* A response of ours that is repeated until it is acknowledged: a 2xx (RFC 3261 §13.3.1.4) or a
 * reliable 1xx (RFC 3262 §3). packet NULL: none. */
struct sip_repeated {
    struct sip_packet *packet;
    struct sip_flow flow;
    struct addr reconnect;
    uint32_t cseq;
    struct tick next, end;
    int64_t interval_ms;
};

struct sip_dialog {
    struct sip_timed timed;
    struct pool_id id;
    struct map_node node;
    struct view key;           /* Call-ID, NUL, local tag; owns its text */
    struct view call_id;       /* in key */
    struct view local_tag;     /* in key */
    struct view remote_tag;    /* this and the next five own their text */
    struct view local, remote; /* From and To of our requests, tags included */
    struct view target;        /* URI of the peer's Contact; empty: broken or missing */
    struct view route;         /* Route header lines, each with its CRLF; may be empty */
    struct view sdp;           /* the last that stands, for a refresh by re-INVITE */
    struct view sdp_out;       /* in a request of ours that is not answered yet; may be empty */
    struct view bye_headers;
    bool we_called;
    bool secure; /* sips: our Contact must be so too, RFC 3261 §12.1.1 */
    enum sip_dialog_state state;
    enum sip_end end;     /* why our BYE is out */
    struct sip_flow flow; /* of the last message from the peer */
    bool translated;      /* a NAT stands between: only the flow leads back */
    bool behind_nat;      /* the peer's UDP flow is to be kept open (keepalive.h) ... */
    bool peer_keeps;      /* ...which it does itself: RFC 6223 */
    bool peer_is_mute;    /* it answers no OPTIONS */
    struct tick keep_at;
    uint32_t local_cseq, remote_cseq;
    bool has_remote_cseq;

    /* Requests without a final answer; a stale id: none. */
    struct pool_id invite_in, invite_out, update_in, update_out, prack_in;
    bool offered; /* our offer is in a 2xx or reliable 1xx and not answered yet */
    struct sip_repeated ok, early;
    uint32_t rseq;
    bool early_has_body;
    struct sip_packet *held; /* 2xx composed, waiting for the PRACK */
    bool bye_wanted;         /* once the ACK is here */

    struct sip_packet *ack; /* of the last 2xx to our INVITE, for when it comes again */
    uint32_t ack_cseq;
    bool ack_owed; /* sip_ack() is */

    struct sip_session_timer session;
    uint32_t session_wanted_s; /* what our first INVITE asks for */
    enum sip_allowed update_allowed;
    char session_id[SIP_SESSION_ID_LEN + 1];      /* RFC 7989 */
    char peer_session_id[SIP_SESSION_ID_LEN + 1]; /* empty: the peer has none */
};

/* From the INVITE that starts it, as the server; our tag and key must stand. False when memory is
 * out. */
WARN_UNUSED bool sip_dialog_accept(struct sip_dialog *d, const struct sip_message *invite);
/* From a response to our INVITE: remote tag, route set and target (§12.1.2). */
WARN_UNUSED bool sip_dialog_adopt(struct sip_dialog *d, const struct sip_message *response);
/* What any message of the peer may change: its flow, what it allows, its Session-ID. */
void sip_dialog_hear(struct sip_dialog *d, const struct sip_message *m,
                     const struct sip_flow *flow);
/* A new target from the Contact of a re-INVITE, an UPDATE or a 2xx to one (§12.2). An unreadable
 * one changes nothing. */
void sip_dialog_retarget(struct sip_dialog *d, const struct sip_message *m);
/* False: the number is too low, answer 500 (§12.2.2). */
bool sip_dialog_accept_cseq(struct sip_dialog *d, const struct sip_message *m);
/* Where our next request goes, its Request-URI and its Route lines (§12.2.1.1, loose and strict
 * routers). Views live in the dialog or in buffer. */
struct sip_dialog_path {
    struct sip_flow flow;
    struct addr reconnect; /* where to if flow's connection is gone */
    struct view uri;
    struct view route;    /* lines */
    struct view last_uri; /* strict router: goes into a last Route line; else empty */
};
struct sip_dialog_path sip_dialog_path(const struct sip_dialog *d, char *buffer, size_t size);

/* Starts, repeats by deadline, stops. */
void sip_repeated_start(struct sip_repeated *r, struct sip_packet *packet, struct tick now);
struct tick sip_repeated_deadline(const struct sip_repeated *r);
void sip_repeated_stop(struct sip_repeated *r);

void sip_dialog_finish(struct sip_dialog *d);

#endif
