/* sip: the SIP engine: transactions, dialogs, session timers, server and client, without any I/O.
 * Not here: sockets, names, connections (io), what a call means (recorder), bodies (sdp, siprec).
 * RFC 3261, 6026 (2xx and its ACK), 3262 (PRACK), 3311 (UPDATE), 3581, 4028, 6086 (INFO), 7989.
 *
 * Bytes go in with the flow they came on, packets and events are pulled. After each input, expire
 * or call, drain sip_event() until false, then sip_output() until false, and wait until
 * sip_deadline(). One owner thread.
 *
 * A dialog's life in events: INVITE first; TRACE for each message in between; ENDED last, after
 * which its id means nothing. Ids are plain numbers, never 0, never used twice. */
#ifndef SIP_SIP_H
#define SIP_SIP_H

#include "base/tick.h"
#include "sip/flow.h"
#include "sip/message.h"

/* The one INFO package that is taken, and the lines that say so (RFC 6086 §5.2.3, 8840 §5). */
#define SIP_TRICKLE   "trickle-ice"
#define SIP_RECV_INFO "Recv-Info: " SIP_TRICKLE "\r\n"
#define SIP_TRICKLES  "Supported: " SIP_TRICKLE "\r\n" SIP_RECV_INFO

struct sip;

struct sip_config {
    uint8_t seed[32];          /* tags, branches and jitter come from it */
    uint32_t dialogs_max;      /* 0: 4096; further INVITEs get 503 */
    uint32_t transactions_max; /* 0: 4 for each dialog; further requests get 503 */
    uint32_t connections_max;  /* 0: 1024; further connections are closed */
    size_t body_max;           /* 0: LIMIT_SIP_BODY; longer ones get 413 */
    enum sip_force_rport force_rport;
    struct view
        product; /* Server and User-Agent; borrowed for the engine's life, as are the next two */
    struct view contact_user;   /* user part of our Contact; may be empty */
    struct view contact_params; /* ";+sip.srs" or ";+sip.src" (RFC 7866 §6) */
    uint32_t min_se_s;          /* 0: 90, the least RFC 4028 allows */
    uint32_t session_expires_s; /* what we ask for where the peer can do timers and named none; 0:
                                   we never ask */
};

/* NULL when memory is out. */
WARN_UNUSED struct sip *sip_create(const struct sip_config *config);
/* NULL is harmless. Sends nothing. */
void sip_destroy(struct sip *sip);

/* One datagram; truncated: the receive buffer was too small for it. Bytes are borrowed for the
 * call. */
void sip_input_datagram(struct sip *sip, struct tick now, const struct sip_flow *flow,
                        struct view bytes, bool truncated);
/* Something that is no SIP came on a UDP flow, such as STUN: its NAT has it in mind still. */
void sip_hear(struct sip *sip, struct tick now, const struct sip_flow *flow);
/* The next bytes of a connection, in pieces of any size. */
void sip_input_stream(struct sip *sip, struct tick now, const struct sip_flow *flow,
                      struct view bytes);
/* The connection is gone, or one asked for by an output without id could not be made: then id is 0
 * and listener, protocol and peer tell which. Requests waiting on it fail, dialogs go on (RFC 3261
 * §18.2.2, 18.4). */
void sip_flow_closed(struct sip *sip, struct tick now, const struct sip_flow *flow);
void sip_expire(struct sip *sip, struct tick now);
/* When sip_expire wants to be called; TICK_NEVER if there is no reason. */
struct tick sip_deadline(const struct sip *sip);

enum sip_output_kind {
    SIP_OUTPUT_SEND,
    SIP_OUTPUT_CLOSE, /* close connection flow.id after what was sent before */
};

struct sip_output {
    enum sip_output_kind kind;
    struct sip_flow flow; /* UDP: from listener (and flow.local) to peer. Else: on id; see struct
                             sip_flow for id 0 */
    struct view bytes;    /* until the next call of sip_output() */
};
/* False when there is nothing more to send. */
bool sip_output(struct sip *sip, struct sip_output *out);

enum sip_event_kind {
    /* Requests of the peer. Where request is set, sip_answer() is owed. */
    SIP_EVENT_INVITE,   /* a new dialog */
    SIP_EVENT_REINVITE, /* answer it */
    SIP_EVENT_UPDATE,   /* answer it */
    SIP_EVENT_PRACK,    /* answer it if request is set (it carries a body), else it was answered */
    SIP_EVENT_INFO,     /* was answered 200; its body is in message */
    SIP_EVENT_ACK,      /* first ACK of our 2xx; its body, if any, is the answer to our offer */
    SIP_EVENT_BYE,      /* was answered; it may carry a body */
    SIP_EVENT_CANCEL,   /* was answered, the INVITE too (487): for a new dialog ENDED follows */
    SIP_EVENT_OPTIONS,  /* was answered by sip_set_available(); dialog may be 0 */
    SIP_EVENT_REFUSED,  /* an INVITE that was refused with status before it became a dialog */
    /* Responses to our requests. */
    SIP_EVENT_PROVISIONAL, /* 101-199 to our INVITE */
    SIP_EVENT_RESPONSE,    /* final; message NULL: 408 no answer came, 503 it could not be sent */
    /* The dialog. */
    SIP_EVENT_ENDING, /* we sent a BYE; why in end; the answer may take up to 32 s */
    SIP_EVENT_ENDED,  /* over, why in end; the id is void */
    SIP_EVENT_PONG,   /* the answer to sip_ping() came on flow */
    SIP_EVENT_TRACE,  /* bytes of one message sent or received in this dialog, not for
                         retransmissions */
};

enum sip_end {
    SIP_END_NONE,
    SIP_END_PEER_BYE,
    SIP_END_OUR_BYE,
    SIP_END_CANCELLED, /* by the peer, or by sip_cancel() */
    SIP_END_REFUSED,   /* the first INVITE, ours or theirs, got no 2xx; see status */
    SIP_END_NO_ACK,    /* 64*T1 without ACK: BYE sent, RFC 3261 §13.3.1.4 */
    SIP_END_NO_PRACK,  /* 64*T1 without PRACK: 504 sent, RFC 3262 §3 */
    SIP_END_EXPIRED,   /* session timer, RFC 4028 §10 */
    SIP_END_GONE,      /* the peer does not know the dialog (481), RFC 3261 §12.2.1.2 */
    SIP_END_NO_ANSWER, /* our INVITE or session refresh was never answered */
    SIP_END_DROPPED,   /* sip_drop() */
};
const char *sip_end_name(enum sip_end end);

struct sip_event {
    enum sip_event_kind kind;
    enum sip_end end;       /* ENDING, ENDED */
    uint64_t dialog;        /* 0: none */
    uint64_t request;       /* theirs: what sip_answer() wants; ours: what sip_request() gave */
    enum sip_method method; /* RESPONSE, PROVISIONAL: of our request */
    const struct sip_message *message; /* until the next call of sip_event(); may be NULL */
    struct sip_flow flow;              /* TRACE sent: where to; else where from */
    unsigned status;   /* RESPONSE, PROVISIONAL, REFUSED, ENDED with SIP_END_REFUSED */
    bool sent;         /* TRACE: by us */
    struct view bytes; /* TRACE; until the next call of sip_event() */
};
/* False when there is none left. */
bool sip_event(struct sip *sip, struct sip_event *out);

/* What OPTIONS is told: 200, or 503 with Retry-After (draining, full, settling). New INVITEs are
 * the caller's business. */
void sip_set_available(struct sip *sip, bool available, uint32_t retry_after_s);
/* The same for those alone who ask over IPv4, or IPv6: both must be available for a 200. */
void sip_set_family_available(struct sip *sip, bool v6, bool available);

struct sip_answer {
    unsigned status;          /* 100..699 */
    struct view reason;       /* empty: RFC 3261's phrase */
    struct view headers;      /* more header lines, each with its CRLF; may be empty */
    struct view content_type; /* needed with a body */
    struct view body;
    uint32_t retry_after_s; /* 0: no Retry-After */
    bool reliable; /* 101-199 of an INVITE: by RFC 3262; also when the peer required 100rel */
};
/* Answers a request of an event; everything is copied. False when it is no longer there to be
 * answered (cancelled, ended by BYE, already answered): nothing was sent then, and that is no
 * error. A 2xx to an INVITE is repeated until its ACK. A 2xx after a reliable 1xx with a body waits
 * for the PRACK. */
bool sip_answer(struct sip *sip, struct tick now, uint64_t request,
                const struct sip_answer *answer);

/* How long that answer would be on the wire; 0: the request is no longer there. */
size_t sip_answer_size(struct sip *sip, uint64_t request, const struct sip_answer *answer);

struct sip_request {
    enum sip_method method;   /* INVITE, UPDATE, INFO, OPTIONS */
    struct view headers;      /* more header lines, each with its CRLF; may be empty */
    struct view content_type; /* needed with a body */
    struct view body;
};
/* Sends a request in a confirmed dialog; RESPONSE comes with the returned id. 0: not now (the
 * dialog is ending or not yet confirmed, or an offer or INVITE of either side is pending: RFC 3261
 * §14.1, 3311 §5.1) or memory is out. */
WARN_UNUSED uint64_t sip_request(struct sip *sip, struct tick now, uint64_t dialog,
                                 const struct sip_request *request);
/* Ends the dialog: BYE, after the ACK where that is still out (RFC 3261 §15); an INVITE of theirs
 * not answered yet gets 480, one of ours CANCEL. headers: such as a Reason line. ENDED follows in
 * the end. */
void sip_bye(struct sip *sip, struct tick now, uint64_t dialog, struct view headers);
/* Forgets the dialog without a word on the wire; ENDED follows. */
void sip_drop(struct sip *sip, uint64_t dialog);

struct sip_call {
    struct sip_flow flow;     /* where to: peer, and id of a connection or 0 */
    struct view target;       /* Request-URI */
    struct view from, to;     /* values without tags: "<sip:alice@example.com>" */
    struct view call_id;      /* empty: made up */
    struct view headers;      /* more header lines */
    struct view content_type; /* needed with a body */
    struct view body; /* without SDP: the peer offers, and sip_ack() is owed after the 2xx */
    uint32_t session_expires_s; /* 0: no session timer asked for */
};
/* Starts a dialog by INVITE and returns its id: PROVISIONAL, then RESPONSE come; a 2xx to an
 * INVITE that carried SDP is acknowledged at once. 0: full or memory is out. */
WARN_UNUSED uint64_t sip_invite(struct sip *sip, struct tick now, const struct sip_call *call);
/* The ACK with the answer to the offer in a 2xx, when our INVITE (or re-INVITE) had none. False:
 * none is owed. */
bool sip_ack(struct sip *sip, struct tick now, uint64_t dialog, struct view content_type,
             struct view body);
/* Cancels our INVITE that has no final answer yet (RFC 3261 §9.1). */
void sip_cancel(struct sip *sip, struct tick now, uint64_t dialog);

/* A request outside any dialog, such as OPTIONS; method as in sip_request(). RESPONSE with dialog
 * 0. 0: full. */
WARN_UNUSED uint64_t sip_ask(struct sip *sip, struct tick now, const struct sip_call *call,
                             enum sip_method method);

struct sip_post {
    struct sip_flow flow;
    enum sip_method method;
    struct view target;
    struct view from; /* tag included */
    struct view to;
    struct view call_id;
    uint32_t cseq;
    struct view headers; /* all others, Contact among them */
};
/* A request outside any dialog whose identity is the caller's, such as REGISTER, which keeps its
 * Call-ID over many. RESPONSE with dialog 0. 0: full. */
WARN_UNUSED uint64_t sip_post(struct sip *sip, struct tick now, const struct sip_post *post);
/* Nobody waits for the answer to such a request any more: it is not sent again. */
void sip_forget(struct sip *sip, uint64_t request);

/* Sends a double CRLF on a connection; PONG comes when it is answered (RFC 5626 §4.4.1). */
void sip_ping(struct sip *sip, struct tick now, const struct sip_flow *flow);

struct sip_dialog_facts {
    struct view call_id, local_tag, remote_tag; /* until the dialog ends */
    struct sip_flow flow;                       /* of the last message from the peer */
    bool confirmed;
    bool acknowledged;          /* no 2xx of ours waits for its ACK */
    bool peer_allows_update;    /* its Allow names UPDATE; RFC 3311 §4 */
    uint32_t session_expires_s; /* 0: no session timer runs */
    bool we_refresh;
};
/* False when the id is void. */
WARN_UNUSED bool sip_dialog_facts(const struct sip *sip, uint64_t dialog,
                                  struct sip_dialog_facts *out);
/* Our own address is another one now: requests of the dialog go out from `local` of `listener`, and its
 * Contact names `advertised` (no more is read of the flow), from the next request on, which should be a
 * re-INVITE or an UPDATE (RFC 3261 §12.2). The ports are taken as well. A request that is out is repeated
 * from there at once; one that went over a connection has failed with it (503). */
void sip_relocate(struct sip *sip, struct tick now, uint64_t dialog, const struct sip_flow *there);
uint32_t sip_dialog_count(const struct sip *sip);

#endif
