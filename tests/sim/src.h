/* src: a session recording client in the simulated world, made of raw text and nothing of siprecd's
 * sip, sdp or siprec code: what it says and what it understands is written down here a second time.
 * Not here: the network (world.h). RFC 3261, 3264, 7866. */
#ifndef SIM_SRC_H
#define SIM_SRC_H

#include "world.h"

enum { SRC_STREAMS = 8, SRC_TEXT = 65536 };

/* One m-line it offers, and the RTP it sends on it. */
struct src_stream {
    char label[32];      /* "" : no a=label */
    char direction[16];  /* "sendonly" */
    char connection[32]; /* c= of its own, "" : the session's */
    char extra[768];     /* more attribute lines */
    struct addr from;    /* its RTP address */
    uint16_t shift;      /* its RTP leaves from the port so much above that */
    bool removed;        /* offered with port 0 */
    bool mux;            /* offers a=rtcp-mux */
    struct addr to;      /* where the answer wants RTP; port 0: refused */
    struct addr to_rtcp;
    char answered[16]; /* the answer's direction */
    char answered_label[32];
    bool talking;
    struct tick next;
    uint8_t payload_type;
    uint32_t ssrc;
    uint16_t seq;
    uint32_t timestamp;
    unsigned sent; /* RTP packets */
};

struct src {
    struct world *world;
    unsigned number;
    struct addr sip;
    bool tcp; /* SIP over a connection */
    char call_id[10100], tag[32], to_tag[64];
    unsigned cseq, branch;
    struct src_stream streams[SRC_STREAMS];
    unsigned stream_count;
    unsigned version;    /* of o= */
    const char *contact; /* the host of its Contact */
    const char *origin;  /* the address in its o= */
    const char *uri;     /* what it calls us by */
    const char *headers; /* more header lines of its next requests, or "" */

    /* The request under way; repeated over UDP until answered (RFC 3261 §17.1). */
    char request[SRC_TEXT];
    size_t request_len;
    char method[16];
    unsigned request_cseq;
    struct tick again_at, give_up_at;
    int64_t again_ms;
    bool waiting;
    unsigned invite_branch, invite_cseq;

    /* What came back. */
    unsigned status;         /* final one of the last request; 0: none yet, 408: none came */
    unsigned provisional;    /* 1xx seen */
    char response[SRC_TEXT]; /* the last final response */
    char answer[SRC_TEXT];   /* the last SDP from the SRS */
    unsigned finals;         /* final responses, repeated ones too */

    bool no_ack;                     /* keeps its ACKs to itself */
    const char *ack_type, *ack_body; /* what its next ACK carries */
    char ack[SRC_TEXT];
    size_t ack_len;
    unsigned acked_cseq;

    /* Requests of the SRS. */
    unsigned reply;          /* status it answers them with; 0: 200 */
    const char *reply_lines; /* header lines of it, NULL: none */
    bool deaf;               /* it answers none */
    unsigned byes, updates, reinvites, acks;
    char asked[SRC_TEXT]; /* the last request of the SRS */
    bool over;            /* BYE sent and answered, or received */

    unsigned rtcp, probes; /* packets of the SRS on RTCP and RTP addresses */
    char last_rtcp[512];
    size_t last_rtcp_len;
    char text[SRC_TEXT]; /* scratch of src_sdp() and src_multipart() */
    char body[SRC_TEXT];
};

/* Sits at 192.0.2.(10 + number): SIP on 5060, RTP from 40000 on. Owned by the world. */
struct src *src_create(struct world *world);
void src_destroy(struct src *src);
/* Moves it to IPv6, before it has streams. */
void src_use_ipv6(struct src *src);

struct src_stream *src_add_stream(struct src *src, const char *label);

/* The offer of its streams as they stand now: PCMU, PCMA and telephone-event, in src->text. */
const char *src_sdp(struct src *src);
/* A multipart/mixed body of SDP and metadata (either may be NULL), in src->body. */
const char *src_multipart(struct src *src, const char *sdp, const char *metadata);
#define SRC_MULTIPART "multipart/mixed;boundary=\"foo-bar\""

/* Starts a request; body NULL: none. */
void src_request(struct src *src, const char *method, const char *type, const char *body);
/* INVITE or re-INVITE with the streams and metadata (NULL: plain SDP). */
void src_invite(struct src *src, const char *metadata);
void src_bye(struct src *src);
void src_cancel(struct src *src);
/* Waits for the final response, at most 40 s. What it was. */
unsigned src_wait(struct src *src);
/* INVITE, wait, and say whether it was a 200. */
bool src_connect(struct src *src, const char *metadata);
/* BYE, wait, and let the world come to rest. */
void src_hang_up(struct src *src);

/* Sends RTP every 20 ms from now on, or stops. */
void src_talk(struct src *src, bool on);
/* One RTP packet of a stream; payload NULL: 160 bytes that name stream and sequence number. */
void src_rtp(struct src *src, struct src_stream *stream, uint8_t payload_type, bool marker,
             struct view payload);
/* RFC 4733: the digit's packets, `ms` long, three with the end bit. */
void src_digit(struct src *src, struct src_stream *stream, uint8_t code, unsigned ms);
/* A compound of SR and SDES; with a BYE behind it. */
void src_sender_report(struct src *src, struct src_stream *stream, bool bye);

/* As the world sees it. */
bool src_owns(const struct src *src, const struct addr *to);
void src_receive(struct src *src, struct addr from, struct addr to, struct view bytes);
struct tick src_deadline(const struct src *src);
void src_expire(struct src *src);

/* The value of the first header of that name in a message, into value;
 * false when it is not there. */
bool src_header(const char *message, const char *name, char *value, size_t size);
/* Two participants, who send the streams labelled `a` and `b` (RFC 7865 §8). */
const char *src_metadata(const char *a, const char *b);

#endif
