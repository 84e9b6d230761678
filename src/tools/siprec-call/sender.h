/* sender: one stream's packets: RTP from a clip at its own clock, with loss, reordering, duplicates
 * and drift on request, digits (RFC 4733), silence suppression, and RTCP both ways.
 * Not here: SDP (request.c, answer.c) and when a stream is held (steps.c).
 * RFC 3550 §5.1, §6.4.1, §6.5, §6.6; RFC 3551 §4.1 (marker); RFC 3389 (comfort noise); RFC 4733
 * §2.5. */
#ifndef TOOLS_SIPREC_CALL_SENDER_H
#define TOOLS_SIPREC_CALL_SENDER_H

#include "base/addr.h"
#include "base/rng.h"
#include "base/tick.h"
#include "tools/siprec-call/clip.h"

#define CALL_PACKET_MAX 1536
#define CALL_NO_TYPE    255

/* What happens to packets on purpose. Chances 0..1. */
struct call_impairment {
    double loss, reorder, duplicate;
    int drift_ppm; /* of the odd streams: their clock is that much fast */
    bool dtx;      /* talk 1.2 s, pause 0.8 s, the streams in turns */
};

enum call_talk { CALL_TALKING, CALL_SILENT, CALL_SUPPRESSED, CALL_MUTED };

struct call_sender_counts {
    uint64_t sent, octets, lost, reordered, duplicated; /* lost: dropped here on purpose */
    uint64_t unsent;                                    /* refused by the kernel */
    uint64_t received;                                  /* anything that came to the RTP port */
    unsigned rtcp_sent, rtcp_seen;
    uint32_t lost_reported; /* cumulative, as the SRS's last report says */
    unsigned bye_seen;
};

struct call_sender {
    int rtp_fd, rtcp_fd;          /* -1: closed */
    int other_fd;                 /* RTP leaves from there; -1: from rtp_fd */
    bool latches;                 /* rtp follows the source of what comes */
    struct addr local;            /* of RTP; RTCP has the next port */
    struct addr rtp, rtcp;        /* where to; port 0: nowhere */
    bool loose;                   /* ICE: the socket takes and sends whatever path is chosen */
    bool agreed;                  /* offer and answer let us send */
    bool leak;                    /* send although they do not */
    const struct call_clip *clip; /* borrowed; NULL: no codec agreed */
    uint8_t payload_type, noise_type, events_type; /* CALL_NO_TYPE: not agreed */
    unsigned index;

    uint32_t ssrc, timestamp;
    uint16_t sequence;
    struct tick start;   /* of frame 0 */
    uint64_t frame;      /* the next one since start */
    size_t position;     /* in the clip */
    int64_t interval_ns; /* between frames, drift included */
    enum call_talk talk;
    bool marker;    /* the next packet begins a talk spurt */
    uint64_t quiet; /* frames since the last packet of comfort noise */
    uint32_t packets_of_ssrc, octets_of_ssrc;

    char digits[64]; /* still to send */
    unsigned digit_frame;
    uint32_t digit_timestamp;

    char held[CALL_PACKET_MAX]; /* a packet kept back to come late */
    size_t held_len;
    unsigned held_for;

    char cname[48];
    struct call_sender_counts counts;
};

/* Makes ready: sockets taken over, random SSRC, sequence and timestamp. */
void call_sender_init(struct call_sender *sender, unsigned index, const int fds[2],
                      const struct addr *local, struct rng *rng);
void call_sender_close(struct call_sender *sender);
/* Sound begins now (or goes on after a change of direction or address: the clock keeps running). */
void call_sender_start(struct call_sender *sender, const struct call_impairment *how,
                       struct tick now);
/* Sends what is due. Returns when the next frame is; TICK_NEVER without anything to send ever. */
struct tick call_sender_run(struct call_sender *sender, const struct call_impairment *how,
                            struct rng *rng, struct tick now);
/* Where packets go from now on; false when the kernel knows no way. */
WARN_UNUSED bool call_sender_aim(struct call_sender *sender, const struct addr *rtp,
                                 const struct addr *rtcp);
/* A new source: SSRC, sequence number, timestamp (RFC 3550 §8.2). */
void call_sender_renew(struct call_sender *sender, struct rng *rng);
void call_sender_talk(struct call_sender *sender, enum call_talk talk);
/* Appends digits; false when events were not agreed or there are too many. */
WARN_UNUSED bool call_sender_digits(struct call_sender *sender, struct view digits);

/* A sender report with SDES, and BYE at the end. */
void call_sender_report(struct call_sender *sender, struct wall wall, struct tick now, bool bye);
/* Reads all that came to a socket of the stream's. */
void call_sender_receive(struct call_sender *sender, bool rtcp);
/* One datagram that was read already. */
void call_sender_take(struct call_sender *sender, bool rtcp, struct view datagram);

#endif
