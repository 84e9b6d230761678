/* diagnosis: the rules from evidence to causes.
 * Not here: their words (words.c).
 * RFC 4787 §4, §5; 8656 §9, §10. */
#include "doctor/diagnosis.h"

/* Of datagrams to no port: more than late answers and other people's mistakes, less than a second of
 * media. */
enum { MISSED = 20 };

enum judgement {
    NO,
    POSSIBLE,
    LIKELY,
    CERTAIN,
};

/* ---- What follows from the evidence ---------------------------------------------------------- */

/* Media is due on the stream, and none came. */
static bool is_dead(const struct doctor_stream *s)
{
    return s->expects_media && s->packets == 0;
}

static bool is_relayed(const struct doctor_stream *s)
{
    return s->path == PATH_RELAY || s->path == PATH_RELAY_STREAM;
}

static size_t count_dead(const struct doctor_evidence *e)
{
    size_t dead = 0;
    for (size_t i = 0; i < e->stream_count; i++)
        dead += is_dead(&e->streams[i]);
    return dead;
}

static size_t count_alive(const struct doctor_evidence *e)
{
    size_t alive = 0;
    for (size_t i = 0; i < e->stream_count; i++)
        alive += e->streams[i].expects_media && e->streams[i].packets > 0;
    return alive;
}

static bool is_public(const struct addr *a)
{
    return addr_is_set(a) && !addr_is_private(a) && !addr_is_link_local(a) && !addr_is_loopback(a);
}

/* What the SRC sends to the stream's answered address finds its way to our host: its RTCP did, or a
 * probe from outside. */
static bool is_reached(const struct doctor_stream *s)
{
    return s->rtcp > 0 || s->probe == PATH_YES;
}

/* Nothing but our own address stands between the SRC and the port. */
static bool is_untranslated(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    return e->behind_nat == PATH_NO || addr_equal_ip(&s->advertised, &e->local) ||
           addr_equal_ip(&s->advertised, &s->bound);
}

static bool is_same_place(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    return addr_is_set(&e->external) && addr_equal_ip(&e->signalled, &e->external) &&
           addr_equal_ip(&s->advertised, &e->external) && !addr_equal_ip(&e->external, &e->local);
}

/* STUN's word holds for the advertised address when that is of its family. */
static bool is_stale(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    return is_public(&s->advertised) && !is_relayed(s) && is_public(&e->external) &&
           s->advertised.family == e->external.family &&
           !addr_equal_ip(&s->advertised, &e->external) && !is_untranslated(e, s);
}

/* Only whom we sent to gets in: a stranger's probe that fails says nothing, nor does RTCP that comes
 * say that RTP from elsewhere would. */
static bool is_filtered(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    bool is_stun = s->path == PATH_STUN || (s->path == PATH_BEST_EFFORT && !e->external_is_set);
    return is_stun && !is_untranslated(e, s) && e->behaviour.filtering != NAT_FILTERING_INDEPENDENT;
}

/* Nothing is sent out and answered by UDP, and this host's own rules would drop what comes. */
static bool is_shut_here(const struct doctor_evidence *e)
{
    return e->stun_is_asked && e->stun_is_silent && e->firewall == PATH_YES;
}

/* The gateway that would map ports for us is itself behind a NAT. */
static bool has_inner_gateway(const struct doctor_evidence *e)
{
    return e->levels >= 2 ||
           (addr_is_set(&e->gateway) &&
            (!is_public(&e->gateway) ||
             (is_public(&e->external) && !addr_equal_ip(&e->gateway, &e->external))));
}

static bool needs_relay(const struct doctor_evidence *e)
{
    return nat_mapping_is_dependent(e->behaviour.mapping) &&
           e->behaviour.filtering != NAT_FILTERING_INDEPENDENT &&
           e->behaviour.scope != NAT_SCOPE_ENDPOINT;
}

/* ---- Causes of the call or the host as a whole ----------------------------------------------- */

static enum judgement judge_disk(const struct doctor_evidence *e)
{
    return e->disk_is_full ? CERTAIN : NO;
}

static enum judgement judge_truncated(const struct doctor_evidence *e)
{
    return !e->has_call && e->invites_truncated > 0 ? CERTAIN : NO;
}

static enum judgement judge_fragments(const struct doctor_evidence *e)
{
    if (e->has_call || e->refused_status != 0 || e->reassembly_failures == 0)
        return NO;
    return e->invites == 0 ? CERTAIN : LIKELY;
}

static enum judgement judge_no_sip(const struct doctor_evidence *e)
{
    if (e->has_call || e->invites > 0 || e->reassembly_failures > 0 || e->invites_truncated > 0)
        return NO;
    return CERTAIN;
}

static enum judgement judge_codec(const struct doctor_evidence *e)
{
    return e->refused_status == 488 ? CERTAIN : NO;
}

static enum judgement judge_alg(const struct doctor_evidence *e)
{
    return e->alg_is_suspected ? CERTAIN : NO;
}

static enum judgement judge_credentials(const struct doctor_evidence *e)
{
    return e->relay == DOCTOR_RELAY_REFUSED ? CERTAIN : NO;
}

static enum judgement judge_turn_down(const struct doctor_evidence *e)
{
    if (e->relay == DOCTOR_RELAY_FAILED)
        return CERTAIN;
    if (e->relay != DOCTOR_RELAY_SILENT || is_shut_here(e))
        return NO;
    /* Where STUN is answered UDP goes out: then it is the server that is silent. */
    return e->stun_is_asked && e->stun_is_silent ? LIKELY : CERTAIN;
}

static enum judgement judge_udp_blocked(const struct doctor_evidence *e)
{
    if (!e->stun_is_asked || !e->stun_is_silent || e->behind_nat == PATH_NO || is_shut_here(e))
        return NO;
    /* A relay over TCP works: there is a way out, but not for UDP. */
    return e->relay == DOCTOR_RELAY_READY ? CERTAIN : LIKELY;
}

static enum judgement judge_symmetric(const struct doctor_evidence *e)
{
    return needs_relay(e) && e->relay == DOCTOR_RELAY_NONE ? CERTAIN : NO;
}

/* ---- Causes of one dead stream --------------------------------------------------------------- */

static enum judgement judge_our_private(const struct doctor_evidence *e,
                                        const struct doctor_stream *s)
{
    if (!addr_is_private(&s->advertised) || !is_public(&e->signalled))
        return NO;
    /* Who gets no answer from outside has nothing better to name. */
    return e->stun_is_asked && e->stun_is_silent && !addr_is_set(&e->external) &&
                   e->behind_nat != PATH_NO
               ? LIKELY
               : CERTAIN;
}

static enum judgement judge_external(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    return is_stale(e, s) ? CERTAIN : NO;
}

static enum judgement judge_double_nat(const struct doctor_evidence *e,
                                       const struct doctor_stream *s)
{
    if (!has_inner_gateway(e) || s->src_sends == PATH_NO)
        return NO;
    return s->path == PATH_MAPPED || s->path == PATH_BEST_EFFORT || is_filtered(e, s) ? CERTAIN
                                                                                      : NO;
}

static enum judgement judge_hairpin(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    if (!is_same_place(e, s))
        return NO;
    return e->behaviour.hairpin == NAT_HAIRPIN_NONE || s->probe == PATH_YES ? CERTAIN : LIKELY;
}

static enum judgement judge_permission(const struct doctor_evidence *e,
                                       const struct doctor_stream *s)
{
    (void)e;
    if (addr_is_set(&s->denied))
        return CERTAIN;
    if (!is_relayed(s) || s->src_sends == PATH_NO)
        return NO;
    /* The relay is reached, for those it lets in; and the SRC says that it sends. */
    if (s->src_sends == PATH_YES)
        return CERTAIN;
    return s->probe == PATH_YES ? LIKELY : POSSIBLE;
}

static enum judgement judge_host_firewall(const struct doctor_evidence *e,
                                          const struct doctor_stream *s)
{
    if (is_relayed(s) || e->firewall == PATH_NO)
        return NO;
    /* Its rules may drop the SRC's datagrams and let a probe in. */
    if (e->firewall == PATH_YES)
        return CERTAIN;
    if (s->probe == PATH_YES)
        return NO;
    if (s->probe == PATH_NO)
        return LIKELY;
    return POSSIBLE;
}

/* In the open: somebody on the way drops it. */
static enum judgement judge_router_firewall(const struct doctor_evidence *e,
                                            const struct doctor_stream *s)
{
    if (is_relayed(s) || s->probe == PATH_YES || !is_untranslated(e, s))
        return NO;
    if (s->probe == PATH_NO)
        return e->firewall == PATH_NO ? CERTAIN : LIKELY;
    return POSSIBLE;
}

/* Behind a NAT with the address that the settings name, or that was taken for open. */
static enum judgement judge_not_forwarded(const struct doctor_evidence *e,
                                          const struct doctor_stream *s)
{
    if (is_relayed(s) || s->probe == PATH_YES || is_untranslated(e, s) || is_same_place(e, s))
        return NO;
    if (is_filtered(e, s))
        return s->src_sends == PATH_YES ? LIKELY : POSSIBLE;
    if (s->path != PATH_MAPPED && s->path != PATH_BEST_EFFORT)
        return NO;
    if (s->probe == PATH_NO)
        return e->firewall == PATH_NO ? CERTAIN : LIKELY;
    return POSSIBLE;
}

/* It matters only where we must know its address to let it in. */
static enum judgement judge_src_private(const struct doctor_evidence *e,
                                        const struct doctor_stream *s)
{
    bool must_know = s->path == PATH_STUN || is_relayed(s) || s->path == PATH_BEST_EFFORT;
    if (!addr_is_private(&s->offered) || !is_public(&e->signalled))
        return NO;
    /* Its RTCP got in: its NAT keeps ports, and its address was found by SIP. */
    if (!must_know || s->is_ice || s->rtcp > 0)
        return NO;
    if (e->behaviour.filtering == NAT_FILTERING_ADDRESS_PORT && is_filtered(e, s) &&
        !has_inner_gateway(e))
        return CERTAIN;
    return s->src_sends == PATH_YES ? LIKELY : POSSIBLE;
}

static enum judgement judge_elsewhere(const struct doctor_evidence *e,
                                      const struct doctor_stream *s)
{
    if (s->src_sends == PATH_NO)
        return NO;
    if (e->strays > 0)
        return CERTAIN;
    if (is_relayed(s) || e->firewall == PATH_YES || e->disk_is_full)
        return NO;
    if (s->probe == PATH_NO)
        return POSSIBLE;
    /* It says that it sends, what is sent here arrives, and this does not. */
    if (s->src_sends == PATH_YES && is_reached(s))
        return is_filtered(e, s) ? LIKELY : CERTAIN;
    if (e->no_ports >= MISSED && s->probe == PATH_YES)
        return CERTAIN;
    return e->no_ports >= MISSED ? LIKELY : POSSIBLE;
}

static enum judgement judge_silent(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    /* Of one stream beside others that come it is one leg that is missing. */
    if (s->src_sends == PATH_YES || e->strays > 0 || e->firewall == PATH_YES || count_alive(e) > 0)
        return NO;
    if (s->src_sends == PATH_NO)
        return CERTAIN;
    /* What came may not have been written down. */
    if (e->disk_is_full)
        return NO;
    /* The way from outside is not the way of a neighbour. */
    if (s->probe == PATH_YES && !is_same_place(e, s))
        return e->no_ports >= MISSED ? NO : CERTAIN;
    return POSSIBLE;
}

static enum judgement judge_one_leg(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    if (count_alive(e) == 0 || s->src_sends == PATH_YES)
        return NO;
    if (s->src_sends == PATH_NO)
        return CERTAIN;
    /* What came of it may not have been written down. */
    if (e->disk_is_full)
        return NO;
    /* The others come by the same way: the way is good, unless only this port's is not. */
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct doctor_stream *other = &e->streams[i];
        if (other->packets > 0 && other->path == s->path &&
            addr_equal_ip(&other->advertised, &s->advertised))
            return s->probe == PATH_NO ? NO : CERTAIN;
    }
    return LIKELY;
}

/* ---- What is wrong although media comes ------------------------------------------------------ */

static enum judgement judge_foreign(const struct doctor_stream *s)
{
    return addr_is_set(&s->foreign) ? CERTAIN : NO;
}

static enum judgement judge_clocks(const struct doctor_stream *s)
{
    bool is_apart =
        s->clock_is_known && (s->clock_ms > DOCTOR_CLOCK_MS || s->clock_ms < -DOCTOR_CLOCK_MS);
    bool drifts =
        s->drift_is_known && (s->drift_ppm > DOCTOR_DRIFT_PPM || s->drift_ppm < -DOCTOR_DRIFT_PPM);
    return is_apart || drifts ? CERTAIN : NO;
}

/* ---- Putting them together ------------------------------------------------------------------- */

static const struct {
    enum doctor_cause cause;
    enum judgement (*judge)(const struct doctor_evidence *e);
    bool needs_dead; /* says why media does not come: no cause where it does */
} of_call[] = {
    {DOCTOR_DISK_FULL, judge_disk, false},
    {DOCTOR_INVITE_TRUNCATED, judge_truncated, false},
    {DOCTOR_INVITE_FRAGMENTS, judge_fragments, false},
    {DOCTOR_NO_SIP, judge_no_sip, false},
    {DOCTOR_CODEC, judge_codec, false},
    {DOCTOR_SIP_ALG, judge_alg, true},
    {DOCTOR_TURN_CREDENTIALS, judge_credentials, true},
    {DOCTOR_TURN_DOWN, judge_turn_down, true},
    {DOCTOR_UDP_BLOCKED, judge_udp_blocked, true},
    {DOCTOR_SYMMETRIC_NAT, judge_symmetric, true},
};

/* In the order in which they are named where nothing decides between them. */
static const struct {
    enum doctor_cause cause;
    enum judgement (*judge)(const struct doctor_evidence *e, const struct doctor_stream *s);
} of_stream[] = {
    {DOCTOR_OUR_PRIVATE, judge_our_private},
    {DOCTOR_EXTERNAL_WRONG, judge_external},
    {DOCTOR_DOUBLE_NAT, judge_double_nat},
    {DOCTOR_HAIRPIN, judge_hairpin},
    {DOCTOR_RELAY_PERMISSION, judge_permission},
    {DOCTOR_NOT_FORWARDED, judge_not_forwarded},
    {DOCTOR_HOST_FIREWALL, judge_host_firewall},
    {DOCTOR_ROUTER_FIREWALL, judge_router_firewall},
    {DOCTOR_SRC_PRIVATE, judge_src_private},
    {DOCTOR_SRC_ELSEWHERE, judge_elsewhere},
    {DOCTOR_ONE_LEG, judge_one_leg},
    {DOCTOR_SRC_SILENT, judge_silent},
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static bool has_cause(const struct doctor_diagnosis *d, enum doctor_cause cause,
                      enum doctor_certainty certainty)
{
    for (size_t i = 0; i < d->count; i++) {
        if (d->findings[i].cause == cause && d->findings[i].certainty >= certainty)
            return true;
    }
    return false;
}

static void add(struct doctor_diagnosis *d, enum doctor_cause cause, enum judgement judgement,
                size_t stream)
{
    enum doctor_certainty certainty = (enum doctor_certainty)(judgement - POSSIBLE);
    if (judgement == NO || d->count == DOCTOR_FINDINGS || has_cause(d, cause, certainty))
        return;
    d->findings[d->count++] = (struct doctor_finding){cause, certainty, stream};
}

static bool has_certain(const struct doctor_diagnosis *d)
{
    for (size_t i = 0; i < d->count; i++) {
        if (d->findings[i].certainty == DOCTOR_CERTAIN)
            return true;
    }
    return false;
}

/* The likelier first, in the tables' order among equals; the weaker of one cause told twice goes;
 * beside a certain one what is merely possible is noise. */
static void settle(struct doctor_diagnosis *d)
{
    struct doctor_diagnosis sorted = {.is_healthy = d->is_healthy};
    enum doctor_certainty least = has_certain(d) ? DOCTOR_CERTAIN : DOCTOR_POSSIBLE;
    for (int certainty = DOCTOR_CERTAIN; certainty >= (int)least; certainty--) {
        for (size_t i = 0; i < d->count; i++) {
            const struct doctor_finding *f = &d->findings[i];
            if ((int)f->certainty == certainty && !has_cause(&sorted, f->cause, DOCTOR_POSSIBLE))
                sorted.findings[sorted.count++] = *f;
        }
    }
    *d = sorted;
}

/* Why no media comes. Roots explain what grows from them: where the whole call's cause is certain,
 * that of each stream is not looked for. */
static void diagnose_dead(const struct doctor_evidence *e, struct doctor_diagnosis *d)
{
    for (size_t i = 0; i < COUNT(of_call); i++) {
        if (of_call[i].needs_dead)
            add(d, of_call[i].cause, of_call[i].judge(e), DOCTOR_STREAMS);
    }
    bool is_explained = has_certain(d) && count_alive(e) == 0;
    for (size_t i = 0; i < e->stream_count && !is_explained; i++) {
        const struct doctor_stream *s = &e->streams[i];
        for (size_t j = 0; j < COUNT(of_stream) && is_dead(s); j++)
            add(d, of_stream[j].cause, of_stream[j].judge(e, s), i);
    }
    settle(d);
}

void doctor_diagnose(const struct doctor_evidence *e, struct doctor_diagnosis *out)
{
    struct doctor_diagnosis dead = {0};
    *out = (struct doctor_diagnosis){0};
    for (size_t i = 0; i < COUNT(of_call); i++) {
        if (!of_call[i].needs_dead)
            add(out, of_call[i].cause, of_call[i].judge(e), DOCTOR_STREAMS);
    }
    for (size_t i = 0; i < e->stream_count; i++) {
        add(out, DOCTOR_FOREIGN_SENDER, judge_foreign(&e->streams[i]), i);
        add(out, DOCTOR_CLOCKS, judge_clocks(&e->streams[i]), i);
    }
    settle(out);
    if (count_dead(e) > 0)
        diagnose_dead(e, &dead);
    for (size_t i = 0; i < dead.count; i++) {
        const struct doctor_finding *f = &dead.findings[i];
        if (e->disk_is_full && f->certainty != DOCTOR_CERTAIN)
            continue;
        add(out, f->cause, (enum judgement)((int)f->certainty + POSSIBLE), f->stream);
    }
    out->is_healthy = out->count == 0 && count_dead(e) == 0;
}
