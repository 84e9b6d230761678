/* sequence: order, loss, duplicates and jitter of the packets of one SSRC, with 64-bit sequence
 * numbers and timestamps.
 * Not here: whose packets these are (source.h). One struct an epoch: a new SSRC starts with
 * rtp_sequence_init.
 * RFC 3550 §6.4.1, Appendix A.1, A.3, A.8. */
#ifndef RTP_SEQUENCE_H
#define RTP_SEQUENCE_H

#include "base/tick.h"
#include "rtp/rtcp.h"

/* Appendix A.1. */
#define RTP_SEQUENCE_MAX_DROPOUT    3000
#define RTP_SEQUENCE_MAX_MISORDER   100
#define RTP_SEQUENCE_MIN_SEQUENTIAL 2

enum rtp_sequence_verdict {
    RTP_SEQUENCE_NEXT,      /* follows the highest so far, or is ahead by less than MAX_DROPOUT */
    RTP_SEQUENCE_LATE,      /* behind the highest, not seen before */
    RTP_SEQUENCE_DUPLICATE, /* seen before */
    RTP_SEQUENCE_JUMP,    /* far away: kept in mind; a stray one unless its successor comes next */
    RTP_SEQUENCE_RESTART, /* the successor of a jump: the sender restarted its numbers (A.1
                             "re-sync") */
};

/* Where a packet stands: seq's lower 16 bits are the packet's, timestamp's lower 32 likewise.
 * Neither jumps by a wrap; a late packet has smaller numbers than the highest. After a restart the
 * sequence number goes on upwards. That of a JUMP is a guess. */
struct rtp_position {
    int64_t seq;
    int64_t timestamp;
};

struct rtp_sequence {
    uint32_t clock_rate;
    bool started;
    uint8_t probation; /* A.1: packets in a row still wanted until the source is valid */
    uint16_t max_seq;  /* A.1, and so the next two */
    uint32_t cycles;
    uint64_t received;
    int64_t max_ext;       /* the highest position's sequence number */
    int64_t max_timestamp; /* its timestamp */
    int64_t run_first;     /* the lowest of this run; a restart begins another */
    uint64_t run_unique;   /* packets of this run without duplicates */
    uint64_t seen[2];      /* bit i: max_ext - i was seen */
    uint64_t packets;      /* all that came, duplicates and strays too */
    uint64_t lost_before;  /* losses of the runs before a restart */
    /* A.8. */
    struct wall first_arrival;
    uint32_t transit;
    uint32_t jitter16; /* 16 times the jitter */
    /* What an ordinary packet does not touch: the rest of A.1's state, and our counters. */
    uint16_t base_seq;
    uint32_t bad_seq;
    uint64_t received_prior, expected_prior;
    uint64_t duplicates, late, jumps, restarts;
};

/* clock_rate in Hz, > 0: the RTP clock of the payload (8000 for G.722 too, RFC 3551 §4.5.2). */
void rtp_sequence_init(struct rtp_sequence *s, uint32_t clock_rate);
/* One packet. Constant time, no allocation. *position is always set. */
enum rtp_sequence_verdict rtp_sequence_update(struct rtp_sequence *s, uint16_t seq,
                                              uint32_t timestamp, struct wall arrival,
                                              struct rtp_position *position);
/* A.1: MIN_SEQUENTIAL packets came in a row. */
bool rtp_sequence_is_valid(const struct rtp_sequence *s);
/* Packets missing between the first and the highest, summed over all runs. Other than A.3's figure
 * (which the report has) a duplicate hides no loss, and the packets of the probation count. */
uint64_t rtp_sequence_lost(const struct rtp_sequence *s);
/* A.8, timestamp units. */
uint32_t rtp_sequence_jitter(const struct rtp_sequence *s);
/* A.3: the block of the next RR but ssrc, last_sr and delay; starts a new report interval. */
void rtp_sequence_report(struct rtp_sequence *s, struct rtcp_report_block *block);

#endif
