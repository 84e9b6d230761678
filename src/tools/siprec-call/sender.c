/* sender: one stream's RTP; see sender.h. RTCP is in control.c.
 * Not here: SDP and when a stream is held.
 * RFC 3550 §5.1, 3389, 4733 §2.5. */
#include "tools/siprec-call/sender.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/writer.h"
#include "io/sockaddr.h"

#define FRAME_NS         (CALL_PTIME_MS * NS_PER_MS)
#define TALK_FRAMES      60 /* of --dtx: 1.2 s of 2 s */
#define CYCLE_FRAMES     100
#define NOISE_FRAMES     25  /* comfort noise again every half second */
#define NOISE_LEVEL      63  /* -63 dBov, RFC 3389 §3 */
#define CATCH_UP_FRAMES  250 /* after a stall longer than 5 s the rest is given up */
#define DIGIT_FRAMES     5   /* 100 ms of tone */
#define DIGIT_ENDS       3   /* RFC 4733 §2.5.1.4: the last packet three times */
#define DIGIT_GAP_FRAMES 4

void call_sender_init(struct call_sender *sender, unsigned index, const int fds[2],
                      const struct addr *local, struct rng *rng)
{
    *sender = (struct call_sender){
        .rtp_fd = fds[0], .rtcp_fd = fds[1], .other_fd = -1, .local = *local, .index = index};
    sender->payload_type = sender->noise_type = sender->events_type = CALL_NO_TYPE;
    char text[17];
    rng_text(rng, text, 16);
    memcpy(sender->cname, text, 16);
    memcpy(sender->cname + 16, "@example.com", 13);
    call_sender_renew(sender, rng);
}

void call_sender_close(struct call_sender *sender)
{
    if (sender->rtp_fd >= 0)
        close(sender->rtp_fd);
    if (sender->rtcp_fd >= 0)
        close(sender->rtcp_fd);
    if (sender->other_fd >= 0)
        close(sender->other_fd);
    sender->rtp_fd = sender->rtcp_fd = sender->other_fd = -1;
}

void call_sender_renew(struct call_sender *sender, struct rng *rng)
{
    sender->ssrc = rng_u32(rng);
    sender->sequence = (uint16_t)rng_u32(rng);
    sender->timestamp = rng_u32(rng);
    sender->packets_of_ssrc = sender->octets_of_ssrc = 0;
    sender->marker = true;
    sender->held_len = 0;
}

bool call_sender_aim(struct call_sender *sender, const struct addr *rtp, const struct addr *rtcp)
{
    struct sockaddr_storage sa;
    sender->rtp = *rtp;
    sender->rtcp = *rtcp;
    /* Connected: the kernel then looks the route up once, not 50 times a second. But a connected
     * socket hears only the one it is connected to. */
    socklen_t len = io_sockaddr_from(rtp, &sa);
    int fd = sender->other_fd >= 0 ? sender->other_fd : sender->rtp_fd;
    return rtp->port == 0 || sender->latches || sender->loose ||
           connect(fd, (struct sockaddr *)&sa, len) == 0;
}

void call_sender_start(struct call_sender *sender, const struct call_impairment *how,
                       struct tick now)
{
    if (sender->interval_ns != 0)
        return;
    int64_t ppm = sender->index % 2 == 1 ? how->drift_ppm : 0;
    sender->interval_ns = FRAME_NS - FRAME_NS * ppm / 1000000;
    /* Streams of one call start together, as the audio of one call does, and calls are spread by
     * their answers. */
    sender->start = now;
    sender->marker = true;
}

void call_sender_talk(struct call_sender *sender, enum call_talk talk)
{
    if (sender->talk == CALL_SUPPRESSED || sender->talk == CALL_MUTED)
        sender->marker = true;
    sender->talk = talk;
    sender->quiet = 0;
}

bool call_sender_digits(struct call_sender *sender, struct view digits)
{
    size_t have = strlen(sender->digits);
    if (sender->events_type == CALL_NO_TYPE || have + digits.len >= sizeof sender->digits)
        return false;
    memcpy(sender->digits + have, digits.at, digits.len);
    sender->digits[have + digits.len] = '\0';
    return true;
}

static bool packet_hand_over(const struct call_sender *sender, const char *packet, size_t len)
{
    struct sockaddr_storage sa;
    int fd = sender->other_fd >= 0 ? sender->other_fd : sender->rtp_fd;
    if (!sender->latches && !sender->loose)
        return send(fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    socklen_t size = io_sockaddr_from(&sender->rtp, &sa);
    return sendto(fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&sa, size) >= 0;
}

static void packet_emit(struct call_sender *sender, const char *packet, size_t len)
{
    /* The error may be an earlier packet's refusal: once more. */
    if (!packet_hand_over(sender, packet, len) && !packet_hand_over(sender, packet, len)) {
        sender->counts.unsent++;
        return;
    }
    sender->counts.sent++;
    sender->counts.octets += len;
}

/* Through the impairments, in the order a bad network applies them. */
static void packet_send(struct call_sender *sender, const struct call_impairment *how,
                        struct rng *rng, struct view packet)
{
    if (how->loss > 0 && rng_chance(rng, how->loss)) {
        sender->counts.lost++;
        return;
    }
    if (how->reorder > 0 && sender->held_len == 0 && rng_chance(rng, how->reorder)) {
        memcpy(sender->held, packet.at, packet.len);
        sender->held_len = packet.len;
        sender->held_for = 1 + rng_below(rng, 3);
        return;
    }
    packet_emit(sender, packet.at, packet.len);
    if (how->duplicate > 0 && rng_chance(rng, how->duplicate)) {
        packet_emit(sender, packet.at, packet.len);
        sender->counts.duplicated++;
    }
    if (sender->held_len > 0 && --sender->held_for == 0) {
        packet_emit(sender, sender->held, sender->held_len);
        sender->counts.reordered++;
        sender->held_len = 0;
    }
}

/* Builds and sends one packet of the running source. */
static void payload_send(struct call_sender *sender, const struct call_impairment *how,
                         struct rng *rng, uint8_t type, struct view payload, uint32_t timestamp)
{
    char bytes[CALL_PACKET_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    writer_u8(&w, 0x80);
    writer_u8(&w, (uint8_t)((sender->marker ? 0x80 : 0) | type));
    writer_u16(&w, sender->sequence++);
    writer_u32(&w, timestamp);
    writer_u32(&w, sender->ssrc);
    writer_view(&w, payload);
    sender->marker = false;
    sender->packets_of_ssrc++;
    sender->octets_of_ssrc += (uint32_t)payload.len;
    packet_send(sender, how, rng, writer_done(&w));
}

static uint8_t event_code(char digit)
{
    static const char order[] = "0123456789*#ABCD";
    const char *at = strchr(order, digit >= 'a' && digit <= 'd' ? digit - 0x20 : digit);
    return at ? (uint8_t)(at - order) : 0;
}

/* One frame of the running digit; the gap behind it is coded silence. */
static void digit_send(struct call_sender *sender, const struct call_impairment *how,
                       struct rng *rng, uint32_t step)
{
    unsigned k = sender->digit_frame++;
    if (k >= DIGIT_FRAMES + DIGIT_ENDS - 1) {
        payload_send(sender, how, rng, sender->payload_type, sender->clip->silence,
                     sender->timestamp);
        if (k + 1 == DIGIT_FRAMES + DIGIT_ENDS - 1 + DIGIT_GAP_FRAMES) {
            memmove(sender->digits, sender->digits + 1, strlen(sender->digits));
            sender->digit_frame = 0;
        }
        return;
    }
    if (k == 0) {
        sender->digit_timestamp = sender->timestamp;
        sender->marker = true; /* RFC 4733 §2.5.1.1: on an event's first packet */
    }
    bool end = k + 1 >= DIGIT_FRAMES;
    uint32_t duration = step * (end ? DIGIT_FRAMES : k + 1);
    char event[4] = {(char)event_code(sender->digits[0]), (char)((end ? 0x80 : 0) | 10),
                     (char)(uint8_t)(duration >> 8), (char)(uint8_t)duration};
    payload_send(sender, how, rng, sender->events_type, view_of(event, sizeof event),
                 sender->digit_timestamp);
}

/* What this frame sends: --dtx alternates by itself, a script's word is stronger. */
static enum call_talk talk_now(const struct call_sender *sender, const struct call_impairment *how)
{
    if (sender->talk != CALL_TALKING || !how->dtx)
        return sender->talk;
    return (sender->frame + sender->index * (CYCLE_FRAMES / 2)) % CYCLE_FRAMES < TALK_FRAMES
               ? CALL_TALKING
               : CALL_SUPPRESSED;
}

static void noise_send(struct call_sender *sender, const struct call_impairment *how,
                       struct rng *rng)
{
    char level = NOISE_LEVEL;
    if (sender->noise_type != CALL_NO_TYPE && sender->quiet % NOISE_FRAMES == 0)
        payload_send(sender, how, rng, sender->noise_type, view_of(&level, 1), sender->timestamp);
    sender->quiet++;
    sender->marker = true;
}

static void frame_send(struct call_sender *sender, const struct call_impairment *how,
                       struct rng *rng, uint32_t step)
{
    struct view payload = sender->clip->frames[sender->position];
    switch (sender->digits[0] ? CALL_TALKING : talk_now(sender, how)) {
    case CALL_TALKING:
        sender->quiet = 0;
        if (sender->digits[0])
            digit_send(sender, how, rng, step);
        else
            payload_send(sender, how, rng, sender->payload_type, payload, sender->timestamp);
        break;
    case CALL_SILENT:
        payload_send(sender, how, rng, sender->payload_type, sender->clip->silence,
                     sender->timestamp);
        break;
    case CALL_SUPPRESSED:
        noise_send(sender, how, rng);
        break;
    case CALL_MUTED:
        sender->marker = true;
        break;
    }
}

struct tick call_sender_run(struct call_sender *sender, const struct call_impairment *how,
                            struct rng *rng, struct tick now)
{
    if (!sender->clip || sender->interval_ns == 0 || sender->rtp_fd < 0)
        return TICK_NEVER;
    uint32_t step = sender->clip->codec->clock_hz / 1000 * CALL_PTIME_MS;
    for (unsigned n = 0;; n++) {
        struct tick due = tick_add_ns(sender->start, (int64_t)sender->frame * sender->interval_ns);
        /* The wheel's buckets are a millisecond wide: what falls into this one goes now. */
        if (tick_diff_ns(due, now) >= NS_PER_MS)
            return due;
        if (sender->rtp.port > 0 && (sender->agreed || sender->leak) && n < CATCH_UP_FRAMES)
            frame_send(sender, how, rng, step);
        else
            sender->marker = true;
        sender->frame++;
        sender->position = (sender->position + 1) % sender->clip->count;
        sender->timestamp += step;
    }
}
