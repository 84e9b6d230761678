/* rtcp: compound RTCP packets, read one by one and written: RR, SR, SDES, BYE.
 * Not here: when to send (interval.h), the numbers of a report block (sequence.h).
 * RFC 3550 §6, Appendix A.2; RFC 5506 (reduced size) is tolerated. */
#ifndef RTP_RTCP_H
#define RTP_RTCP_H

#include "base/reader.h"
#include "base/tick.h"
#include "base/writer.h"

enum rtcp_type {
    RTCP_SR = 200,
    RTCP_RR = 201,
    RTCP_SDES = 202,
    RTCP_BYE = 203,
    RTCP_APP = 204,
    RTCP_RTPFB = 205, /* RFC 4585 */
    RTCP_PSFB = 206,  /* RFC 4585 */
    RTCP_XR = 207,    /* RFC 3611 */
};

/* RFC 3550 §6.4.1. */
struct rtcp_report_block {
    uint32_t ssrc;
    uint8_t fraction_lost;        /* of 256, since the last report */
    int32_t cumulative_lost;      /* 24 bits, signed: duplicates make it negative */
    uint32_t highest_seq;         /* extended by the cycles */
    uint32_t jitter;              /* timestamp units */
    uint32_t last_sr;             /* middle 32 bits of the NTP time of the last SR, 0: none */
    uint32_t delay_since_last_sr; /* 1/65536 s */
};

#define RTCP_REPORTS_MAX 31

struct rtcp_sender_info {
    uint64_t ntp; /* 32.32 seconds since 1900; 0: the sender has no clock */
    uint32_t timestamp;
    uint32_t packets;
    uint32_t octets;
};

/* One packet of a compound. */
struct rtcp_packet {
    uint8_t type;  /* enum rtcp_type, or another */
    uint8_t count; /* the 5 bits beside the version: blocks, chunks, SSRCs */
    uint32_t ssrc; /* of the sender (SR, RR, APP, feedback, XR), of the first chunk or SSRC (SDES,
                      BYE); 0: none */
    struct rtcp_sender_info sender; /* SR only, else zero */
    struct view reports; /* SR, RR: the report blocks that are really there, 24 bytes each */
    struct view body;    /* all after the 4-byte header, without padding */
};

enum rtcp_result {
    RTCP_OK,
    RTCP_SHORT,     /* fewer than 8 bytes */
    RTCP_VERSION,   /* some packet is not version 2 */
    RTCP_LENGTH,    /* lengths do not add up to the datagram (A.2) */
    RTCP_FIRST,     /* does not begin with SR or RR: reduced size (RFC 5506) or broken; readable */
    RTCP_PADDING,   /* padding elsewhere than in the last packet, or a wrong count */
    RTCP_TRUNCATED, /* blocks announced that are not there */
};

/* Appendix A.2's checks over the whole datagram: what is wrong first, or RTCP_OK. A compound that
 * is not OK may still be read; the reader stops where it cannot go on. */
enum rtcp_result rtcp_check(struct view datagram);

struct rtcp_reader {
    struct view rest;
    enum rtcp_result
        result; /* why it stopped, RTCP_OK at a clean end; stays at the first trouble */
};

struct rtcp_reader rtcp_reader_of(struct view datagram);
/* The next packet; false at the end or where the lengths make no sense. */
bool rtcp_reader_next(struct rtcp_reader *r, struct rtcp_packet *packet);

/* Block i of an SR or RR; false when there is no such one. */
bool rtcp_report_block_get(const struct rtcp_packet *packet, size_t i,
                           struct rtcp_report_block *out);
/* The CNAME of ssrc in an SDES packet (§6.5.1), borrowed; false when there is none. */
bool rtcp_sdes_cname(const struct rtcp_packet *packet, uint32_t ssrc, struct view *cname);
/* SSRC i of a BYE (§6.6); false when there is no such one. */
bool rtcp_bye_ssrc(const struct rtcp_packet *packet, size_t i, uint32_t *ssrc);
/* The reason of a BYE, empty when none. */
struct view rtcp_bye_reason(const struct rtcp_packet *packet);

/* RR (§6.4.2) with n <= 31 blocks, then SDES with the CNAME (§6.5: every compound has one, at most
 * 255 bytes). An RR without blocks is legal and is what a receiver of nothing sends. */
void rtcp_encode_rr(struct writer *out, uint32_t ssrc, const struct rtcp_report_block *blocks,
                    size_t n, struct view cname);
/* SR (§6.4.1) the same way: what a test source sends. */
struct rtcp_sender_report {
    uint32_t ssrc;
    struct rtcp_sender_info info;
    const struct rtcp_report_block *blocks;
    size_t n;
};
void rtcp_encode_sr(struct writer *out, const struct rtcp_sender_report *report, struct view cname);
/* BYE (§6.6), to stand behind an RR or SR; reason at most 255 bytes, may be empty. */
void rtcp_encode_bye(struct writer *out, uint32_t ssrc, struct view reason);

/* NTP's 32.32 seconds since 1900 (§4) and Unix time, both ways; right until 2036 and, by era,
 * after. */
uint64_t rtcp_ntp_of(struct wall t);
struct wall rtcp_wall_of(uint64_t ntp);

#endif
