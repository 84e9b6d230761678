/* source: whose packet a datagram on a stream's port is: the SRC's, a newcomer's, a stranger's.
 * Not here: order and loss (sequence.h), what is done with each class (media).
 * RFC 3550 §8.2, RFC 7362 §5 (restricted latching), RFC 7866 §8.1.3. */
#ifndef RTP_SOURCE_H
#define RTP_SOURCE_H

#include "base/addr.h"
#include "base/tick.h"
#include "rtp/packet.h"

/* The rules, in the order they are applied:
 *  1. The address that SDP names is accepted at once, always, and keeps or takes the stream; so is
 *     one that ICE proved.
 *  2. Another address is accepted after RTP_SOURCE_RUN packets of one SSRC with consecutive
 *     sequence numbers and an agreed payload type, if nobody is being recorded, or the one that is
 *     fell silent:
 *       - nobody yet: an address we trust (the IP of SDP, of SIP, of earlier calls) at once, but
 *         after 1 s uncontested where the address of SDP is known to be exact; any other after 2 s
 *         uncontested;
 *       - the same SSRC going on where it stopped (a NAT moved its port): after 0.5 s of silence;
 *       - a new SSRC: after 2 s from an IP we trust, after 0.5 s from any behind a re-INVITE.
 *     Never while the first still sends.
 *  3. From the accepted address another SSRC takes over after the same run, unbroken by the old
 *     one: a stray packet does not. After a re-INVITE at once.
 *  4. Late packets of the call that had this port before (RTP_SOURCE_STALE) are dropped: they are
 *     somebody else's words.
 * What was held back while a run was counted is journaled apart and can be taken in later: the
 * verdict that accepts names the first sequence number of the run. */
#define RTP_SOURCE_RUN            4
#define RTP_SOURCE_SILENCE_MS     500
#define RTP_SOURCE_TAKEOVER_MS    2000
#define RTP_SOURCE_UNCONTESTED_MS 2000
#define RTP_SOURCE_EXACT_MS       1000
#define RTP_SOURCE_RIVALS         4
#define RTP_SOURCE_STALE          4
#define RTP_SOURCE_TRUSTED        12
#define RTP_SOURCE_PROVEN         8

enum rtp_source_class {
    RTP_SOURCE_ACCEPT,     /* the stream's */
    RTP_SOURCE_EPOCH,      /* the stream's, and the first of a new SSRC (at the start: of any) */
    RTP_SOURCE_QUARANTINE, /* may become the stream's: journal apart */
    RTP_SOURCE_FOREIGN,    /* a second sender while the first still sends: count, journal apart */
    RTP_SOURCE_DROP,       /* not to be kept */
};

enum rtp_source_reason {
    RTP_SOURCE_KNOWN,        /* accepted before */
    RTP_SOURCE_FIRST,        /* the first of the stream */
    RTP_SOURCE_SIGNALLED,    /* from the address in SDP, and that is new */
    RTP_SOURCE_CORROBORATED, /* another address, after a run */
    RTP_SOURCE_MOVED,        /* the same SSRC goes on from another address */
    RTP_SOURCE_SSRC_CHANGED, /* the same address, another SSRC */
    RTP_SOURCE_UNPROVEN,     /* run too short or not uncontested long enough yet */
    RTP_SOURCE_CONTENDED,    /* the first still sends */
    RTP_SOURCE_PAYLOAD_TYPE, /* not accepted yet, and a payload type nobody agreed to */
    RTP_SOURCE_PREVIOUS,     /* SSRC of the port's previous call */
    RTP_SOURCE_BAD_ADDRESS,  /* port 0, multicast or unspecified source */
};

struct rtp_source_verdict {
    enum rtp_source_class class;
    enum rtp_source_reason reason;
    bool moved;     /* the accepted address changed with this packet: write the path change */
    bool new_rival; /* first packet of this address and SSRC that is not the stream's: log once */
    uint16_t from_seq; /* where the run began that led to moved or EPOCH (the packet's own seq
                          otherwise) */
    int64_t held_ns;   /* how long ago it arrived */
};

struct rtp_source_rival {
    struct addr from;
    uint32_t ssrc;
    uint32_t first_timestamp;
    uint16_t first_seq; /* since it shows without a break */
    uint16_t last_seq;
    uint8_t run; /* consecutive ones up to last_seq */
    bool used, proven;
    struct tick first, last; /* arrivals */
};

struct rtp_source {
    /* What each packet looks at stands together; the rest is for those who are not known yet. */
    struct addr accepted; /* who is recorded now; unset: nobody yet */
    uint32_t ssrc;        /* of the accepted, when has_ssrc */
    uint32_t last_timestamp;
    uint16_t last_seq;
    bool has_ssrc;
    bool exact;       /* signalled is where it sends from, to the port (RFC 7866 §8.1.8) */
    bool has_rivals;  /* some of rivals are, or were, used */
    uint8_t fresh;    /* after a re-INVITE: accepted packets until the old rules hold again */
    struct tick last; /* arrival of the newest accepted packet */
    uint64_t accepted_packets;
    struct addr signalled;                   /* SDP's; unset or unspecified: none */
    struct addr trusted[RTP_SOURCE_TRUSTED]; /* IPs only */
    struct addr proven[RTP_SOURCE_PROVEN];   /* by checks; a ring */
    uint8_t proven_at;                       /* where the next goes */
    uint64_t payload_types[2];               /* bit set: agreed */
    uint32_t stale[RTP_SOURCE_STALE];
    uint8_t stale_count;
    struct rtp_source_rival rivals[RTP_SOURCE_RIVALS];
    /* What happened, for metrics and the verdict. */
    uint64_t quarantined, foreign, dropped;
    uint32_t epochs, moves;
};

/* signalled: the RTP address in the SRC's SDP; unspecified (0.0.0.0) or
 * unset when it names none. */
void rtp_source_init(struct rtp_source *s, const struct addr *signalled);
/* The agreed payload types (telephone-event and CN included).
 * None at all means that any will do. */
void rtp_source_allow(struct rtp_source *s, uint8_t payload_type);
void rtp_source_allow_none(struct rtp_source *s);
/* Whether SDP's address is where it sends from, to the very port: then nothing is to be learned, and
 * another port of the same IP has to wait for whether that one shows. */
void rtp_source_expect(struct rtp_source *s, bool exact);
/* An IP from which the SRC's packets may well come: its SIP's source. The port does not matter. */
void rtp_source_trust(struct rtp_source *s, const struct addr *ip);
/* An address that proved by ICE that it is the SRC's (RFC 8445 §12: a valid pair's). */
void rtp_source_prove(struct rtp_source *s, const struct addr *from);
/* The port's previous call had this SSRC. At most RTP_SOURCE_STALE; the oldest is forgotten. */
void rtp_source_stale(struct rtp_source *s, uint32_t ssrc);
/* An offer and its answer were exchanged: signalled is where the SRC sends from now. The old source
 * goes on being accepted until a new one shows, which is believed sooner. Payload types stay until
 * rtp_source_allow_none(). */
void rtp_source_renegotiate(struct rtp_source *s, const struct addr *signalled);

/* One RTP packet. Constant time, no allocation. */
struct rtp_source_verdict rtp_source_input(struct rtp_source *s, const struct addr *from,
                                           const struct rtp_packet *packet, struct tick now);
/* One RTCP packet whose sender is ssrc: ACCEPT when it comes from the SRC (the accepted or the
 * signalled IP; another port is usual), FOREIGN otherwise, DROP for bad addresses and SSRCs of the
 * previous call. Changes nothing. */
enum rtp_source_class rtp_source_rtcp(const struct rtp_source *s, const struct addr *from,
                                      uint32_t ssrc);

/* "ssrc-changed", for events and logs. */
const char *rtp_source_reason_name(enum rtp_source_reason reason);

#endif
