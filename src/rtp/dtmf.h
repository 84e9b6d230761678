/* dtmf: RFC 4733 event packets into digits, each digit once.
 * Not here: tones in the audio, when the digit is recorded (media).
 * RFC 4733 §2.3, §2.5.1.3 to §2.5.2.4. */
#ifndef RTP_DTMF_H
#define RTP_DTMF_H

#include "base/tick.h"
#include "rtp/packet.h"

struct rtp_digit {
    char digit;          /* 0-9 * # A-D; '!' for flash (event 16); 0 for other events */
    uint8_t code;        /* event code as sent */
    uint8_t volume_dbm0; /* 0..63, without its minus sign */
    bool missing_start;  /* no packet with the marker was seen */
    bool missing_end;    /* no packet with E was seen; duration is what was last reported */
    uint32_t timestamp;  /* RTP time of its start */
    uint64_t duration;   /* timestamp units, all segments of a long event (§2.5.2.3) */
    uint32_t duration_ms;
    struct wall at; /* arrival of the first packet that told of it */
};

/* One packet can end the running digit and carry this many whole ones (§2.5.1.5); more are counted
 * as bad. */
#define RTP_DTMF_PACKED_MAX 15
#define RTP_DTMF_DIGITS_MAX (RTP_DTMF_PACKED_MAX + 1)
#define RTP_DTMF_HISTORY    4
/* Without any packet for so long the digit has ended (§2.5.2.2: the end may be lost). */
#define RTP_DTMF_SILENCE_MS 1000

struct rtp_dtmf_past {
    uint32_t start;
    uint32_t end;
    uint8_t code;
    bool used;
};

struct rtp_dtmf {
    uint32_t clock_rate;
    bool active;
    bool missing_start;
    uint8_t code, volume;
    uint32_t start;    /* timestamp of the event */
    uint32_t segment;  /* timestamp of the running segment */
    uint32_t duration; /* of that segment */
    struct wall first_arrival, last_arrival;
    struct rtp_dtmf_past past[RTP_DTMF_HISTORY];
    uint8_t next_past;
    uint64_t malformed; /* payloads shorter than an event, or packed too full */
};

/* clock_rate in Hz, > 0, of the telephone-event payload type (8000, 16000, 48000). */
void rtp_dtmf_init(struct rtp_dtmf *d, uint32_t clock_rate);
/* One packet of the telephone-event payload type. Digits that are over with it go to digits, in
 * order; returns how many. A digit is over with its first packet with E, with the next event, or by
 * rtp_dtmf_expire. */
size_t rtp_dtmf_input(struct rtp_dtmf *d, const struct rtp_packet *packet, struct wall arrival,
                      struct rtp_digit digits[RTP_DTMF_DIGITS_MAX]);
/* True, *digit set, when the running digit was silent for RTP_DTMF_SILENCE_MS at now. Call about
 * once a second. */
bool rtp_dtmf_expire(struct rtp_dtmf *d, struct wall now, struct rtp_digit *digit);
/* The running digit at the end of a stream or epoch; false when there is none. */
bool rtp_dtmf_flush(struct rtp_dtmf *d, struct rtp_digit *digit);

/* '0'..'9', '*', '#', 'A'..'D', '!' (flash), 0 for other codes (RFC 4733 §3.2, RFC 4734). */
char rtp_dtmf_digit(uint8_t code);

#endif
