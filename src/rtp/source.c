/* source: the rules of source.h, as one decision a packet over a few remembered rivals.
 * Not here: what happens to the packet.
 * RFC 7362 §5, RFC 3550 §8.2. */
#include "rtp/source.h"

#include <string.h>

/* As in RFC 3550 A.1: further apart is not the same run of numbers. */
#define MAX_DROPOUT  3000
#define MAX_MISORDER 100

void rtp_source_init(struct rtp_source *s, const struct addr *signalled)
{
    memset(s, 0, sizeof *s);
    s->signalled = *signalled;
}

void rtp_source_allow(struct rtp_source *s, uint8_t payload_type)
{
    s->payload_types[(payload_type >> 6) & 1] |= UINT64_C(1) << (payload_type & 63);
}

void rtp_source_allow_none(struct rtp_source *s)
{
    s->payload_types[0] = s->payload_types[1] = 0;
}

void rtp_source_trust(struct rtp_source *s, const struct addr *ip)
{
    size_t at = 0;
    while (at < RTP_SOURCE_TRUSTED - 1 && addr_is_set(&s->trusted[at]) &&
           !addr_equal_ip(&s->trusted[at], ip))
        at++;
    s->trusted[at] = *ip;
}

void rtp_source_expect(struct rtp_source *s, bool exact)
{
    s->exact = exact;
}

static bool is_proven(const struct rtp_source *s, const struct addr *from)
{
    for (size_t i = 0; i < RTP_SOURCE_PROVEN; i++)
        if (addr_is_set(&s->proven[i]) && addr_equal(&s->proven[i], from))
            return true;
    return false;
}

void rtp_source_prove(struct rtp_source *s, const struct addr *from)
{
    if (is_proven(s, from))
        return;
    s->proven[s->proven_at] = *from;
    s->proven_at = (uint8_t)((s->proven_at + 1) % RTP_SOURCE_PROVEN);
}

void rtp_source_stale(struct rtp_source *s, uint32_t ssrc)
{
    if (s->stale_count == RTP_SOURCE_STALE) {
        memmove(&s->stale[0], &s->stale[1], sizeof s->stale - sizeof s->stale[0]);
        s->stale_count--;
    }
    s->stale[s->stale_count++] = ssrc;
}

void rtp_source_renegotiate(struct rtp_source *s, const struct addr *signalled)
{
    s->signalled = *signalled;
    s->fresh = RTP_SOURCE_RUN;
}

static bool is_sane(const struct rtp_source *s, uint8_t payload_type)
{
    if (s->payload_types[0] == 0 && s->payload_types[1] == 0)
        return true;
    return s->payload_types[payload_type >> 6] >> (payload_type & 63) & 1;
}

static bool is_stale(const struct rtp_source *s, uint32_t ssrc)
{
    if (s->has_ssrc && ssrc == s->ssrc)
        return false; /* it has proved to be this call's too */
    for (uint8_t i = 0; i < s->stale_count; i++)
        if (s->stale[i] == ssrc)
            return true;
    return false;
}

static bool is_bad(const struct addr *from)
{
    return from->port == 0 || addr_is_unspecified(from) || addr_is_multicast(from);
}

static bool is_trusted(const struct rtp_source *s, const struct addr *from)
{
    if (addr_equal_ip(&s->signalled, from) || addr_equal_ip(&s->accepted, from))
        return true;
    for (size_t i = 0; i < RTP_SOURCE_TRUSTED; i++)
        if (addr_is_set(&s->trusted[i]) && addr_equal_ip(&s->trusted[i], from))
            return true;
    return is_proven(s, from);
}

static struct rtp_source_rival *find_rival(struct rtp_source *s, const struct addr *from,
                                           uint32_t ssrc, bool *is_new)
{
    struct rtp_source_rival *oldest = &s->rivals[0];
    for (size_t i = 0; i < RTP_SOURCE_RIVALS; i++) {
        struct rtp_source_rival *r = &s->rivals[i];
        if (r->used && r->ssrc == ssrc && addr_equal(&r->from, from))
            return r;
        if (oldest->used && (!r->used || tick_before(r->last, oldest->last)))
            oldest = r;
    }
    *is_new = s->has_rivals = true;
    *oldest = (struct rtp_source_rival){.from = *from, .ssrc = ssrc, .used = true};
    return oldest;
}

static void begin_run(struct rtp_source_rival *r, const struct rtp_packet *packet, struct tick now)
{
    r->first = now;
    r->first_seq = r->last_seq = packet->seq;
    r->first_timestamp = packet->timestamp;
    r->run = 1;
    r->proven = false;
}

/* One more packet of a rival, whose payload type is sane. Duplicates and late ones prove nothing
 * and spoil nothing; a loss begins the count anew; a leap or a silence begins all anew. */
static void watch(struct rtp_source_rival *r, const struct rtp_packet *packet, struct tick now)
{
    int16_t step = (int16_t)(packet->seq - r->last_seq);
    bool broke = r->run == 0 || tick_diff_ms(now, r->last) >= RTP_SOURCE_TAKEOVER_MS ||
                 step >= MAX_DROPOUT || step <= -MAX_MISORDER;
    r->last = now;
    if (broke) {
        begin_run(r, packet, now);
    } else if (step == 1) {
        r->last_seq = packet->seq;
        r->run = r->run < RTP_SOURCE_RUN ? r->run + 1 : r->run;
    } else if (step > 1) {
        r->last_seq = packet->seq;
        r->run = 1;
    }
    r->proven |= r->run >= RTP_SOURCE_RUN;
}

static bool is_contested(const struct rtp_source *s, const struct rtp_source_rival *by,
                         struct tick now)
{
    for (size_t i = 0; i < RTP_SOURCE_RIVALS; i++) {
        const struct rtp_source_rival *r = &s->rivals[i];
        if (r->used && r != by && !addr_equal(&r->from, &by->from) &&
            tick_diff_ms(now, r->last) < RTP_SOURCE_SILENCE_MS)
            return true;
    }
    return false;
}

/* The old SSRC goes on, so what else comes from its address is not replacing it. */
static void break_alternates(struct rtp_source *s)
{
    for (size_t i = 0; i < RTP_SOURCE_RIVALS; i++)
        if (s->rivals[i].used && addr_equal(&s->rivals[i].from, &s->accepted))
            s->rivals[i].run = 0;
}

static struct rtp_source_verdict accept_known(struct rtp_source *s, const struct rtp_packet *packet,
                                              struct tick now)
{
    int16_t step = (int16_t)(packet->seq - s->last_seq);
    if (step > 0 || step <= -MAX_MISORDER) {
        s->last_seq = packet->seq;
        s->last_timestamp = packet->timestamp;
        if (s->fresh)
            s->fresh--;
        if (s->has_rivals)
            break_alternates(s);
    }
    s->last = now;
    s->accepted_packets++;
    return (struct rtp_source_verdict){
        .class = RTP_SOURCE_ACCEPT, .reason = RTP_SOURCE_KNOWN, .from_seq = packet->seq};
}

/* From now on the stream is this address's and this SSRC's. */
static struct rtp_source_verdict accept_new(struct rtp_source *s, const struct addr *from,
                                            const struct rtp_packet *packet, struct tick now,
                                            enum rtp_source_reason reason)
{
    struct rtp_source_verdict v = {.reason = reason, .from_seq = packet->seq};
    bool same_ssrc = s->has_ssrc && s->ssrc == packet->ssrc;
    v.class = same_ssrc ? RTP_SOURCE_ACCEPT : RTP_SOURCE_EPOCH;
    v.moved = !addr_equal(&s->accepted, from);
    for (size_t i = 0; i < RTP_SOURCE_RIVALS; i++) {
        struct rtp_source_rival *r = &s->rivals[i];
        if (r->used && r->ssrc == packet->ssrc && addr_equal(&r->from, from)) {
            if (r->run > 0) {
                v.from_seq = r->first_seq;
                v.held_ns = tick_diff_ns(now, r->first);
            }
            r->used = false;
        }
    }
    s->moves += v.moved;
    s->epochs += !same_ssrc;
    s->accepted = *from;
    s->ssrc = packet->ssrc;
    s->has_ssrc = true;
    s->last_seq = packet->seq;
    s->last_timestamp = packet->timestamp;
    s->last = now;
    s->fresh = 0;
    s->accepted_packets++;
    return v;
}

static struct rtp_source_verdict refuse(struct rtp_source *s, enum rtp_source_class class,
                                        enum rtp_source_reason reason, uint16_t seq)
{
    if (class == RTP_SOURCE_QUARANTINE)
        s->quarantined++;
    else if (class == RTP_SOURCE_FOREIGN)
        s->foreign++;
    else
        s->dropped++;
    return (struct rtp_source_verdict){.class = class, .reason = reason, .from_seq = seq};
}

/* Another SSRC from the accepted address, or from the signalled one an SSRC
 * that may be a leftover. */
static struct rtp_source_verdict alternate(struct rtp_source *s, const struct addr *from,
                                           const struct rtp_packet *packet, struct tick now)
{
    bool is_new = false, stale = is_stale(s, packet->ssrc);
    if (s->fresh && !stale && is_sane(s, packet->payload_type))
        return accept_new(s, from, packet, now, RTP_SOURCE_SSRC_CHANGED);
    struct rtp_source_rival *r = find_rival(s, from, packet->ssrc, &is_new);
    enum rtp_source_reason why = stale ? RTP_SOURCE_PREVIOUS : RTP_SOURCE_UNPROVEN;
    if (is_sane(s, packet->payload_type))
        watch(r, packet, now);
    else
        why = RTP_SOURCE_PAYLOAD_TYPE;
    if (r->proven && r->run > 0 && why != RTP_SOURCE_PAYLOAD_TYPE)
        return accept_new(s, from, packet, now, RTP_SOURCE_SSRC_CHANGED);
    struct rtp_source_verdict v = refuse(s, RTP_SOURCE_QUARANTINE, why, packet->seq);
    v.new_rival = is_new;
    return v;
}

/* The same SSRC goes on, from elsewhere, where the accepted one stopped. */
static bool goes_on(const struct rtp_source *s, const struct rtp_source_rival *r)
{
    return s->has_ssrc && r->ssrc == s->ssrc &&
           (uint16_t)(r->first_seq - s->last_seq) < MAX_DROPOUT &&
           (int32_t)(r->first_timestamp - s->last_timestamp) >= 0;
}

/* What an address that is neither accepted nor signalled gets, once its packet was watched. */
static enum rtp_source_class judge_stranger(const struct rtp_source *s,
                                            const struct rtp_source_rival *r, struct tick now,
                                            enum rtp_source_reason *reason)
{
    bool trusted = is_trusted(s, &r->from);
    bool contested = is_contested(s, r, now);
    *reason = RTP_SOURCE_UNPROVEN;
    if (!s->has_ssrc) {
        int64_t wait_ms = trusted ? RTP_SOURCE_EXACT_MS : RTP_SOURCE_UNCONTESTED_MS;
        bool waited = tick_diff_ms(now, r->first) >= wait_ms && !contested;
        if (!r->proven || !((trusted && !s->exact) || waited))
            return RTP_SOURCE_QUARANTINE;
        *reason = RTP_SOURCE_CORROBORATED;
        return RTP_SOURCE_ACCEPT;
    }
    int64_t silent_ms = tick_diff_ms(now, s->last);
    bool same = goes_on(s, r);
    if (!same && !trusted && !s->fresh) {
        *reason = silent_ms < RTP_SOURCE_SILENCE_MS ? RTP_SOURCE_CONTENDED : RTP_SOURCE_UNPROVEN;
        return RTP_SOURCE_FOREIGN;
    }
    int64_t wanted_ms = same || s->fresh ? RTP_SOURCE_SILENCE_MS : RTP_SOURCE_TAKEOVER_MS;
    if (silent_ms < wanted_ms) {
        *reason = RTP_SOURCE_CONTENDED;
        return same ? RTP_SOURCE_QUARANTINE : RTP_SOURCE_FOREIGN;
    }
    if (!r->proven || contested)
        return RTP_SOURCE_QUARANTINE;
    *reason = same ? RTP_SOURCE_MOVED : RTP_SOURCE_CORROBORATED;
    return RTP_SOURCE_ACCEPT;
}

static struct rtp_source_verdict stranger(struct rtp_source *s, const struct addr *from,
                                          const struct rtp_packet *packet, struct tick now)
{
    bool is_new = false;
    struct rtp_source_rival *r = find_rival(s, from, packet->ssrc, &is_new);
    enum rtp_source_reason reason = RTP_SOURCE_PAYLOAD_TYPE;
    enum rtp_source_class class = s->has_ssrc ? RTP_SOURCE_FOREIGN : RTP_SOURCE_QUARANTINE;
    if (is_sane(s, packet->payload_type)) {
        watch(r, packet, now);
        class = judge_stranger(s, r, now, &reason);
    } else {
        r->last = now;
    }
    if (class == RTP_SOURCE_ACCEPT)
        return accept_new(s, from, packet, now, reason);
    struct rtp_source_verdict v = refuse(s, class, reason, packet->seq);
    v.new_rival = is_new;
    return v;
}

struct rtp_source_verdict rtp_source_input(struct rtp_source *s, const struct addr *from,
                                           const struct rtp_packet *packet, struct tick now)
{
    bool known_ssrc = s->has_ssrc && packet->ssrc == s->ssrc;
    if (addr_equal(&s->accepted, from) && s->has_ssrc)
        return known_ssrc ? accept_known(s, packet, now) : alternate(s, from, packet, now);
    if (is_bad(from))
        return refuse(s, RTP_SOURCE_DROP, RTP_SOURCE_BAD_ADDRESS, packet->seq);
    bool stale = is_stale(s, packet->ssrc);
    if (addr_equal(&s->signalled, from) || is_proven(s, from)) {
        if (stale)
            return alternate(s, from, packet, now);
        int16_t step = (int16_t)(packet->seq - s->last_seq);
        if (known_ssrc && step <= 0 && step > -MAX_MISORDER)
            return accept_known(s, packet, now); /* overtaken on its way: it moves nothing */
        return accept_new(s, from, packet, now,
                          s->has_ssrc ? RTP_SOURCE_SIGNALLED : RTP_SOURCE_FIRST);
    }
    if (stale)
        return refuse(s, RTP_SOURCE_DROP, RTP_SOURCE_PREVIOUS, packet->seq);
    return stranger(s, from, packet, now);
}

enum rtp_source_class rtp_source_rtcp(const struct rtp_source *s, const struct addr *from,
                                      uint32_t ssrc)
{
    if (is_bad(from) || is_stale(s, ssrc))
        return RTP_SOURCE_DROP;
    return is_trusted(s, from) ? RTP_SOURCE_ACCEPT : RTP_SOURCE_FOREIGN;
}

const char *rtp_source_reason_name(enum rtp_source_reason reason)
{
    static const char *const names[] = {
        [RTP_SOURCE_KNOWN] = "known",
        [RTP_SOURCE_FIRST] = "first",
        [RTP_SOURCE_SIGNALLED] = "signalled",
        [RTP_SOURCE_CORROBORATED] = "corroborated",
        [RTP_SOURCE_MOVED] = "moved",
        [RTP_SOURCE_SSRC_CHANGED] = "ssrc-changed",
        [RTP_SOURCE_UNPROVEN] = "unproven",
        [RTP_SOURCE_CONTENDED] = "contended",
        [RTP_SOURCE_PAYLOAD_TYPE] = "payload-type",
        [RTP_SOURCE_PREVIOUS] = "previous-call",
        [RTP_SOURCE_BAD_ADDRESS] = "bad-address",
    };
    return names[reason];
}
