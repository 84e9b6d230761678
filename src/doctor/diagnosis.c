/* diagnosis: the rules from evidence to causes.
 * Not here: why no call came (arrival.h), their words (words.c).
 * RFC 4787 §4, §5; 8445 §7.3.1.3; 8656 §9, §10. */
#include "doctor/diagnosis.h"

#include "doctor/arrival.h"
#include "doctor/breaks.h"

/* Of datagrams to no port: more than late answers and other people's mistakes, less than a second of
 * media; and in a longer call so many a second. */
enum { MISSED = 20, MISSED_A_SECOND = 5 };

enum judgement {
    NO,
    POSSIBLE,
    LIKELY,
    CERTAIN,
};

/* ---- What follows from the evidence ---------------------------------------------------------- */

bool doctor_stream_is_dead(const struct doctor_stream *s)
{
    /* Who gets in from outside may have been late. */
    return s->expects_media && (s->packets == 0 || (s->is_detour && s->probe != PATH_YES));
}

bool doctor_stream_has_stopped(const struct doctor_stream *s)
{
    return s->expects_media && s->packets > 0 && s->silent_ms >= DOCTOR_STOPPED_MS;
}

bool doctor_stream_is_silent(const struct doctor_stream *s)
{
    return doctor_stream_is_dead(s) || doctor_stream_has_stopped(s);
}

static bool is_relayed(const struct doctor_stream *s)
{
    return path_is_relayed(s->path);
}

static size_t count_silent(const struct doctor_evidence *e)
{
    size_t silent = 0;
    for (size_t i = 0; i < e->stream_count; i++)
        silent += doctor_stream_is_silent(&e->streams[i]);
    return silent;
}

static size_t count_alive(const struct doctor_evidence *e)
{
    size_t alive = 0;
    for (size_t i = 0; i < e->stream_count; i++)
        alive += e->streams[i].expects_media && !doctor_stream_is_silent(&e->streams[i]);
    return alive;
}

bool doctor_is_media(const struct doctor_evidence *e, uint64_t datagrams)
{
    int64_t seconds = e->lasted_ms / 1000;
    return datagrams >= MISSED &&
           (seconds <= 0 || datagrams / (uint64_t)seconds >= MISSED_A_SECOND);
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

/* What we sent let it in, whatever the settings say of its port, and then it stopped. */
static bool was_opened(const struct doctor_stream *s)
{
    return s->is_opened && doctor_stream_has_stopped(s);
}

/* What we sent lets it in, and nothing came to where nothing had been sent from. */
static bool comes_as_answer(const struct doctor_stream *s)
{
    return s->is_opened && !doctor_stream_has_stopped(s);
}

/* Only whom we sent to gets in: a stranger's probe that fails says nothing, nor does RTCP that comes
 * say that RTP from elsewhere would. */
static bool is_filtered(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    bool is_by_filter = s->path == PATH_STUN || was_opened(s) ||
                        (s->path == PATH_BEST_EFFORT && !e->external_is_set);
    return is_by_filter && !is_untranslated(e, s) &&
           e->behaviour.filtering != NAT_FILTERING_INDEPENDENT;
}

/* The same, as far as is known, of a port that the settings call forwarded: we have sent from it, and a
 * NAT that keeps ports, or a firewall, lets in what answers that. RTCP's coming says nothing of RTP's,
 * whose first packets may have been there before ours (doc/nat.md 5, 9). */
static bool may_be_filtered(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    return s->path == PATH_MAPPED && e->external_is_set && !is_untranslated(e, s) &&
           s->probe != PATH_YES && e->behaviour.filtering != NAT_FILTERING_INDEPENDENT;
}

/* Nobody can tell before where its packets come from: its SIP comes through a NAT, and its SDP names
 * an address behind that. */
static bool is_unforeseeable(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    return addr_is_private(&s->offered) && is_public(&e->signalled);
}

static bool needs_relay(const struct doctor_evidence *e)
{
    return nat_mapping_is_dependent(e->behaviour.mapping) &&
           e->behaviour.filtering != NAT_FILTERING_INDEPENDENT &&
           e->behaviour.scope != NAT_SCOPE_ENDPOINT;
}

/* Nobody outside answers by UDP. */
static bool is_without_udp(const struct doctor_evidence *e)
{
    return e->stun_is_asked && e->stun_is_silent && e->behind_nat != PATH_NO;
}

/* UDP of the call's got out: a stream of it comes by UDP, or STUN answered another port's questions. */
static bool has_udp_out(const struct doctor_evidence *e)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct doctor_stream *s = &e->streams[i];
        bool comes = s->expects_media && !doctor_stream_is_silent(s) && !s->is_ice;
        if (s->lacks_port || (comes && !is_relayed(s)))
            return true;
    }
    return false;
}

/* No way in stands for the stream, as far as our own network knows: what would have given it one
 * failed. */
static enum judgement lacks_way(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    if (is_relayed(s)) /* it was answered with one that is gone */
        return e->relay != DOCTOR_RELAY_READY ? CERTAIN : NO;
    /* What has let media in is a way. */
    if (doctor_stream_has_stopped(s))
        return NO;
    /* Checks open our NAT for the SRC (RFC 8445 §7.3.1.3): without a NAT of its own it needs no more
     * than to send some, and a chosen pair is a way. */
    if (s->is_ice && (s->path != PATH_BEST_EFFORT || e->external_is_set))
        return NO;
    /* Without UDP there is none but a relay by TCP. What else keeps checks out depends on the SRC's own
     * NAT, of which its SDP does not say the kind (doc/nat.md 3). */
    if (s->is_ice && is_without_udp(e) && !has_udp_out(e) && e->stun_by_tcp == PATH_YES)
        return CERTAIN;
    if (s->is_ice)
        return is_unforeseeable(e, s) ? LIKELY : POSSIBLE;
    return (s->path == PATH_STUN && is_filtered(e, s)) ||
                   (s->path == PATH_BEST_EFFORT && !e->external_is_set)
               ? CERTAIN
               : NO;
}

/* Of the silent streams the one that lacks it most surely. */
static enum judgement any_lacks_way(const struct doctor_evidence *e)
{
    enum judgement most = NO;
    for (size_t i = 0; i < e->stream_count; i++) {
        if (doctor_stream_is_silent(&e->streams[i]) && lacks_way(e, &e->streams[i]) > most)
            most = lacks_way(e, &e->streams[i]);
    }
    return most;
}

/* The gateway that would map ports for us is itself behind a NAT. */
static bool has_inner_gateway(const struct doctor_evidence *e)
{
    return e->levels >= 2 ||
           (addr_is_set(&e->gateway) &&
            (!is_public(&e->gateway) ||
             (is_public(&e->external) && !addr_equal_ip(&e->gateway, &e->external))));
}

/* This host's own rules drop the SRC's media, wherever it comes from. We have sent to where its SDP
 * says, so that rules which let answers in drop it only when it comes from elsewhere. */
static bool is_dropped_here(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    bool comes_from_elsewhere =
        !doctor_stream_has_stopped(s) && (s->src_sends == PATH_YES || is_unforeseeable(e, s));
    return s->firewall == PATH_YES && (!s->lets_answers_in || comes_from_elsewhere);
}

/* Nothing is sent out and answered by UDP, and this host's own rules would drop what comes. */
static bool is_shut_here(const struct doctor_evidence *e)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        if (e->streams[i].firewall == PATH_YES && !e->streams[i].lets_answers_in)
            return e->stun_is_asked && e->stun_is_silent;
    }
    return false;
}

/* Nobody is any more where its media came from. */
static bool has_left(const struct doctor_stream *s)
{
    return doctor_stream_has_stopped(s) && addr_is_set(&s->refused);
}

/* A port that media came by through our NAT's filter: this host's rules let it in. */
static bool has_own_way(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    return doctor_stream_has_stopped(s) && is_filtered(e, s) &&
           (s->is_readdressed || s->is_renamed || has_left(s));
}

/* We have sent to where the SRC is to send from: with ICE to all its candidates (RFC 8445 §6.1.4), without to the address
 * that its SDP and its SIP have in common, and to others that may be sent to. Whatever lets answers in lets in what
 * comes from there; then that a stranger is kept out is not why nothing comes, but where that is by itself
 * against the settings' order (a port that is to be forwarded). */
static bool is_opened(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    bool is_shut = s->answers == PATH_NO && is_untranslated(e, s);
    bool is_sent_to = s->is_punched || addr_equal_ip(&s->offered, &e->signalled);
    return (s->is_ice || (is_sent_to && is_untranslated(e, s))) && !is_unforeseeable(e, s) &&
           !is_shut;
}

/* How sure it is that what keeps a stranger out keeps the SRC out. */
static enum judgement judge_closed(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    if (is_opened(e, s)) /* which says that it sends, does so from elsewhere, or to there */
        return s->answers == PATH_YES && s->src_sends != PATH_YES ? POSSIBLE : LIKELY;
    return s->firewall == PATH_NO ? CERTAIN : LIKELY;
}

/* ---- Causes of the call or the host as a whole ----------------------------------------------- */

static enum judgement judge_alg(const struct doctor_evidence *e)
{
    return e->alg_is_suspected ? CERTAIN : NO;
}

/* A relay is no matter where another way in stands. */
static enum judgement judge_credentials(const struct doctor_evidence *e)
{
    return e->relay == DOCTOR_RELAY_REFUSED ? any_lacks_way(e) : NO;
}

static enum judgement judge_turn_down(const struct doctor_evidence *e)
{
    enum judgement lacks = any_lacks_way(e);
    if (e->relay == DOCTOR_RELAY_FAILED)
        return lacks;
    if (lacks == NO || e->relay != DOCTOR_RELAY_SILENT || is_shut_here(e))
        return NO;
    /* Where STUN is answered UDP goes out: then it is the server that is silent. */
    if (!e->stun_is_asked || !e->stun_is_silent)
        return lacks;
    if (e->turn_by_tcp == PATH_YES)
        return NO;
    return e->stun_by_tcp == PATH_YES || lacks == POSSIBLE ? POSSIBLE : LIKELY;
}

static enum judgement judge_udp_blocked(const struct doctor_evidence *e)
{
    if (!is_without_udp(e) || is_shut_here(e) || has_udp_out(e))
        return NO;
    if (any_lacks_way(e) == NO)
        return e->relay == DOCTOR_RELAY_READY ? NO : POSSIBLE;
    /* The servers are there, and can be reached, but not by UDP. */
    return e->relay == DOCTOR_RELAY_READY || e->stun_by_tcp == PATH_YES ||
                   e->turn_by_tcp == PATH_YES
               ? CERTAIN
               : LIKELY;
}

/* Nobody answered, or refreshed the call, so that it was given up. */
static enum judgement judge_gone(const struct doctor_evidence *e)
{
    return e->src_is_gone && count_alive(e) == 0 ? CERTAIN : NO;
}

static enum judgement judge_symmetric(const struct doctor_evidence *e)
{
    return needs_relay(e) && e->relay == DOCTOR_RELAY_NONE ? any_lacks_way(e) : NO;
}

/* ---- Causes of one dead stream --------------------------------------------------------------- */

static enum judgement judge_our_private(const struct doctor_evidence *e,
                                        const struct doctor_stream *s)
{
    if (!addr_is_private(&s->advertised) || !is_public(&e->signalled) || s->lacks_port ||
        doctor_stream_has_stopped(s))
        return NO;
    /* Who gets no answer from outside has nothing better to name. */
    return e->stun_is_asked && e->stun_is_silent && !addr_is_set(&e->external) &&
                   e->behind_nat != PATH_NO
               ? LIKELY
               : CERTAIN;
}

static enum judgement judge_external(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    if (s->was_misled)
        return CERTAIN;
    /* What the gateway calls its address is another matter: a NAT behind it. */
    if (!is_stale(e, s) || (!e->external_is_set && has_inner_gateway(e)))
        return NO;
    /* STUN's word was fresh when it was told, and a NAT may have several addresses. */
    return s->path == PATH_STUN ? LIKELY : CERTAIN;
}

static enum judgement judge_double_nat(const struct doctor_evidence *e,
                                       const struct doctor_stream *s)
{
    if (!has_inner_gateway(e) || s->src_sends == PATH_NO || s->probe == PATH_YES ||
        doctor_stream_has_stopped(s))
        return NO;
    if (is_filtered(e, s)) {
        /* Only what a mapping at the outer NAT would let in can come; the SRC's cannot, wherever it
         * sends from. */
        bool shuts_out = e->behaviour.filtering == NAT_FILTERING_ADDRESS_PORT &&
                         (is_unforeseeable(e, s) || (s->src_sends == PATH_YES && s->rtcp > 0));
        return shuts_out ? CERTAIN : LIKELY;
    }
    if (s->path != PATH_MAPPED && s->path != PATH_BEST_EFFORT)
        return NO;
    return s->probe == PATH_NO ? judge_closed(e, s) : LIKELY;
}

/* A port that merely was not looked at in time has its address told soon after, and another try; and
 * a relay needs none. */
static enum judgement judge_nat_full(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    (void)e;
    if (!s->lacks_port || is_relayed(s) || doctor_stream_has_stopped(s))
        return NO;
    return s->is_given_up && s->path == PATH_BEST_EFFORT && !s->is_ice ? CERTAIN : LIKELY;
}

static enum judgement judge_hairpin(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    if (!is_same_place(e, s) || doctor_stream_has_stopped(s) ||
        e->behaviour.hairpin == NAT_HAIRPIN_EXTERNAL ||
        e->behaviour.hairpin == NAT_HAIRPIN_INTERNAL)
        return NO;
    if (e->behaviour.hairpin == NAT_HAIRPIN_NONE)
        return CERTAIN;
    return s->probe == PATH_YES && s->src_sends == PATH_YES ? CERTAIN : LIKELY;
}

static enum judgement judge_permission(const struct doctor_evidence *e,
                                       const struct doctor_stream *s)
{
    (void)e;
    if (addr_is_set(&s->denied))
        return CERTAIN;
    if (!is_relayed(s) || s->src_sends == PATH_NO || doctor_stream_has_stopped(s))
        return NO;
    /* The relay is reached by those it lets in, as the SRC's RTCP shows; and it says that it sends. */
    return s->src_sends == PATH_YES && s->rtcp > 0 ? CERTAIN : POSSIBLE;
}

static enum judgement judge_host_firewall(const struct doctor_evidence *e,
                                          const struct doctor_stream *s)
{
    if (is_relayed(s) || s->firewall == PATH_NO)
        return NO;
    /* Its rules may drop the SRC's datagrams and let a probe in. Where it sends from elsewhere than what they
     * let in answers from, it is the SRC that has moved. */
    if (s->firewall == PATH_YES && s->lets_answers_in && has_left(s))
        return NO;
    if (s->firewall == PATH_YES)
        return is_dropped_here(e, s) ? CERTAIN : LIKELY;
    if (s->probe == PATH_YES || has_own_way(e, s))
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
    if (comes_as_answer(s))
        return s->firewall == PATH_NO ? CERTAIN : LIKELY;
    /* This host's own rules are why a stranger's does not arrive; no more speaks for others. */
    if (s->probe == PATH_NO && s->firewall == PATH_YES)
        return POSSIBLE;
    /* Rules may let in the SRC alone: then what let it in before closed when its reports stopped, too. */
    if (s->probe == PATH_NO && doctor_stream_has_stopped(s) && (!s->rtcp_ceased || has_left(s)))
        return LIKELY;
    return s->probe == PATH_NO ? judge_closed(e, s) : POSSIBLE;
}

/* Behind a NAT with the address that the settings name, or that was taken for open. */
static enum judgement judge_not_forwarded(const struct doctor_evidence *e,
                                          const struct doctor_stream *s)
{
    if (is_relayed(s) || s->probe == PATH_YES || is_untranslated(e, s) || is_same_place(e, s))
        return NO;
    if (is_filtered(e, s) && doctor_stream_has_stopped(s))
        return NO; /* nothing was ever forwarded there */
    if (is_filtered(e, s))
        return s->src_sends == PATH_YES ? LIKELY : POSSIBLE;
    if (s->path != PATH_MAPPED && s->path != PATH_BEST_EFFORT)
        return NO;
    /* Who answers what we send gets in, others do not; by which of two NATs' doing is not known. */
    if (comes_as_answer(s))
        return s->firewall == PATH_NO && !has_inner_gateway(e) ? CERTAIN : LIKELY;
    if (s->probe == PATH_NO && has_inner_gateway(e))
        return POSSIBLE; /* not by the outer one, which is another cause */
    if (s->probe == PATH_NO)
        return judge_closed(e, s);
    return s->src_sends == PATH_YES && s->rtcp > 0 && may_be_filtered(e, s) ? LIKELY : POSSIBLE;
}

/* What ended for several streams at one moment has one cause. */
enum { TOGETHER_MS = 1000 };

static bool goes_on_sending(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct doctor_stream *other = &e->streams[i];
        int64_t apart_ms = other->silent_ms - s->silent_ms;
        if (doctor_stream_has_stopped(other) && other->is_readdressed &&
            other->src_sends == PATH_YES && apart_ms < TOGETHER_MS && apart_ms > -TOGETHER_MS)
            return true;
    }
    return false;
}

/* Our NAT had forgotten the port that media came by; the SRC was told what it gives us instead. */
static enum judgement judge_forgot(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    if (!doctor_stream_has_stopped(s) || (s->path != PATH_STUN && !was_opened(s)) ||
        is_untranslated(e, s) || s->src_sends == PATH_NO)
        return NO;
    if (s->is_readdressed)
        return goes_on_sending(e, s) ? CERTAIN : LIKELY;
    /* STUN is asked whether the port stands; without an answer nobody knows. */
    return e->stun_is_silent ? POSSIBLE : NO;
}

/* What came from one port of the SRC's comes from another now, and is let in from the first only. */
static enum judgement judge_moved(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    bool is_guarded =
        is_filtered(e, s) || is_relayed(s) || (s->firewall == PATH_YES && s->lets_answers_in);
    if (!doctor_stream_has_stopped(s) || !is_guarded || s->src_sends == PATH_NO ||
        (s->is_readdressed && !s->is_renamed))
        return NO;
    if (s->is_renamed || has_left(s))
        return s->src_sends == PATH_YES ? CERTAIN : LIKELY;
    return s->src_sends == PATH_YES ? LIKELY : POSSIBLE;
}

/* It matters only where we must know its address to let it in. */
static enum judgement judge_src_private(const struct doctor_evidence *e,
                                        const struct doctor_stream *s)
{
    bool must_know = s->path == PATH_STUN || is_relayed(s) || s->path == PATH_BEST_EFFORT;
    if (!is_unforeseeable(e, s))
        return NO;
    /* Its RTCP got in: its NAT keeps ports, and its address was found by SIP. */
    if (!must_know || s->is_ice || s->rtcp > 0)
        return NO;
    /* A neighbour's private address is as good as ours. */
    if (is_same_place(e, s) || doctor_stream_has_stopped(s))
        return NO;
    if (e->behaviour.filtering == NAT_FILTERING_ADDRESS_PORT && is_filtered(e, s) &&
        !has_inner_gateway(e))
        return CERTAIN;
    return s->src_sends == PATH_YES ? LIKELY : POSSIBLE;
}

/* The SRC's packets come, and are of a type that nobody agreed to. */
static enum judgement judge_stream_codec(const struct doctor_evidence *e,
                                         const struct doctor_stream *s)
{
    (void)e;
    return s->apart_is_unagreed && s->apart >= MISSED ? CERTAIN : NO;
}

static enum judgement judge_elsewhere(const struct doctor_evidence *e,
                                      const struct doctor_stream *s)
{
    if (s->src_sends == PATH_NO || comes_as_answer(s))
        return NO;
    if (addr_is_set(&s->led_to) || doctor_is_media(e, e->strays))
        return CERTAIN;
    if (is_relayed(s) || is_dropped_here(e, s) || e->disk_is_full || s->apart >= MISSED)
        return NO;
    if (s->probe == PATH_NO || has_left(s))
        return POSSIBLE;
    /* It says that it sends, what is sent here arrives, and this does not. */
    if (s->src_sends == PATH_YES && is_reached(s))
        return is_filtered(e, s) || may_be_filtered(e, s) ? LIKELY : CERTAIN;
    if (doctor_is_media(e, e->no_ports))
        return s->probe == PATH_YES ? CERTAIN : LIKELY;
    return POSSIBLE;
}

static enum judgement judge_silent(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    /* Of one stream beside others that come it is one leg that is missing. */
    if (s->src_sends == PATH_YES || count_alive(e) > 0)
        return NO;
    if (s->src_sends == PATH_NO)
        return CERTAIN;
    /* What came may not have been written down, or comes and is not taken. */
    if (e->disk_is_full || is_dropped_here(e, s) || s->apart >= MISSED ||
        doctor_is_media(e, e->strays) || addr_is_set(&s->led_to))
        return NO;
    /* The way from outside is not the way of a neighbour. Where media came from nobody is any more, and
     * it would be let in from elsewhere, too. */
    if (s->probe == PATH_YES && !is_same_place(e, s)) {
        if (has_left(s))
            return CERTAIN;
        return doctor_is_media(e, e->no_ports) ? NO : LIKELY;
    }
    bool is_let_in = is_opened(e, s) && s->answers == PATH_YES;
    return addr_is_set(&s->refused) || is_let_in ? LIKELY : POSSIBLE;
}

/* Another stream comes by the same way. */
static bool has_good_neighbour(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct doctor_stream *other = &e->streams[i];
        if (other->packets > 0 && !doctor_stream_has_stopped(other) && other->path == s->path &&
            addr_equal_ip(&other->advertised, &s->advertised))
            return true;
    }
    return false;
}

static enum judgement judge_one_leg(const struct doctor_evidence *e, const struct doctor_stream *s)
{
    if (count_alive(e) == 0 || s->src_sends == PATH_YES || addr_is_set(&s->led_to))
        return NO;
    if (s->src_sends == PATH_NO)
        return CERTAIN;
    /* What came of it may not have been written down, or came and was not taken. */
    if (e->disk_is_full || is_dropped_here(e, s) || s->apart >= MISSED || s->probe == PATH_NO ||
        doctor_is_media(e, e->strays) || doctor_is_media(e, e->no_ports))
        return NO;
    /* The way is good, unless only this port's is not. */
    return s->probe == PATH_YES && has_good_neighbour(e, s) ? CERTAIN : LIKELY;
}

/* ---- What is wrong although media comes ------------------------------------------------------ */

static enum judgement judge_interrupted(const struct doctor_stream *s)
{
    return s->gap != DOCTOR_GAP_NONE && !doctor_stream_is_silent(s) ? CERTAIN : NO;
}

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

/* Why media does not come: no cause where it does. */
static const struct {
    enum doctor_cause cause;
    enum judgement (*judge)(const struct doctor_evidence *e);
} of_call[] = {
    {DOCTOR_SIP_ALG, judge_alg},
    {DOCTOR_TURN_CREDENTIALS, judge_credentials},
    {DOCTOR_TURN_DOWN, judge_turn_down},
    {DOCTOR_UDP_BLOCKED, judge_udp_blocked},
    {DOCTOR_SYMMETRIC_NAT, judge_symmetric},
    {DOCTOR_SRC_GONE, judge_gone},
};

/* In the order in which they are named where nothing decides between them. */
static const struct {
    enum doctor_cause cause;
    enum judgement (*judge)(const struct doctor_evidence *e, const struct doctor_stream *s);
    bool stands_alone; /* its evidence is its own, whatever else is wrong with the call */
} of_stream[] = {
    {DOCTOR_OUR_PRIVATE, judge_our_private, false},
    {DOCTOR_EXTERNAL_WRONG, judge_external, true},
    {DOCTOR_DOUBLE_NAT, judge_double_nat, false},
    {DOCTOR_NAT_FULL, judge_nat_full, true},
    {DOCTOR_HAIRPIN, judge_hairpin, false},
    {DOCTOR_RELAY_PERMISSION, judge_permission, false},
    {DOCTOR_CODEC, judge_stream_codec, true},
    {DOCTOR_NOT_FORWARDED, judge_not_forwarded, false},
    {DOCTOR_NAT_FORGOT, judge_forgot, false},
    {DOCTOR_HOST_FIREWALL, judge_host_firewall, true},
    {DOCTOR_ROUTER_FIREWALL, judge_router_firewall, false},
    {DOCTOR_SRC_PRIVATE, judge_src_private, false},
    {DOCTOR_SRC_MOVED, judge_moved, false},
    {DOCTOR_ONE_LEG, judge_one_leg, true},
    {DOCTOR_SRC_SILENT, judge_silent, true},
    {DOCTOR_SRC_ELSEWHERE, judge_elsewhere, false},
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

size_t doctor_finding_stream(const struct doctor_finding *f)
{
    for (size_t i = 0; i < DOCTOR_STREAMS; i++) {
        if (f->streams & 1u << i)
            return i;
    }
    return DOCTOR_STREAMS;
}

bool doctor_is_ours(const struct doctor_evidence *e, const struct addr *a)
{
    return addr_is_among(e->ours, e->ours_count, a);
}

/* streams: 0 for a cause of the call. What is the same for several streams is one finding. */
static void add(struct doctor_diagnosis *d, enum doctor_cause cause, enum judgement judgement,
                uint32_t streams)
{
    enum doctor_certainty certainty = (enum doctor_certainty)(judgement - POSSIBLE);
    if (judgement == NO)
        return;
    for (size_t i = 0; i < d->count; i++) {
        struct doctor_finding *f = &d->findings[i];
        if (f->cause == cause && f->certainty == certainty && (f->streams == 0) == (streams == 0)) {
            f->streams |= streams;
            return;
        }
    }
    if (d->count < DOCTOR_FINDINGS)
        d->findings[d->count++] = (struct doctor_finding){cause, certainty, streams};
}

static enum judgement judgement_of(const struct doctor_finding *f)
{
    return (enum judgement)((int)f->certainty + POSSIBLE);
}

static bool has_certain(const struct doctor_diagnosis *d)
{
    for (size_t i = 0; i < d->count; i++) {
        if (d->findings[i].certainty == DOCTOR_CERTAIN)
            return true;
    }
    return false;
}

/* The likelier first, in the tables' order among equals. */
static void sort(struct doctor_diagnosis *d)
{
    struct doctor_diagnosis sorted = {.is_healthy = d->is_healthy};
    for (int certainty = DOCTOR_CERTAIN; certainty >= DOCTOR_POSSIBLE; certainty--) {
        for (size_t i = 0; i < d->count; i++) {
            if ((int)d->findings[i].certainty == certainty)
                sorted.findings[sorted.count++] = d->findings[i];
        }
    }
    *d = sorted;
}

/* One stream's causes; beside a certain one what is merely possible is noise. is_explained: the
 * call's own cause is certain, and what grows from it is not looked for. False: nothing certain. */
static bool diagnose_stream(const struct doctor_evidence *e, size_t stream, bool is_explained,
                            struct doctor_diagnosis *d)
{
    const struct doctor_stream *s = &e->streams[stream];
    enum judgement judged[COUNT(of_stream)], least = POSSIBLE;
    for (size_t i = 0; i < COUNT(of_stream); i++) {
        judged[i] = of_stream[i].judge(e, s);
        if (is_explained && !of_stream[i].stands_alone)
            judged[i] = NO;
        if (judged[i] == CERTAIN)
            least = CERTAIN;
    }
    bool is_certain = least == CERTAIN;
    /* Where nothing was written down only what is certain can be told. */
    if (is_explained || e->disk_is_full)
        least = CERTAIN;
    for (size_t i = 0; i < COUNT(of_stream); i++) {
        if (judged[i] >= least)
            add(d, of_stream[i].cause, judged[i], 1u << stream);
    }
    return is_certain;
}

static void merge(struct doctor_diagnosis *into, const struct doctor_diagnosis *from,
                  enum doctor_certainty least)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct doctor_finding *f = &from->findings[i];
        if (f->certainty >= least)
            add(into, f->cause, judgement_of(f), f->streams);
    }
}

/* Why no media comes. Roots explain what grows from them. */
static void diagnose_silent(const struct doctor_evidence *e, struct doctor_diagnosis *out)
{
    struct doctor_diagnosis whole = {0}, single = {0};
    for (size_t i = 0; i < COUNT(of_call); i++) {
        add(&whole, of_call[i].cause, of_call[i].judge(e), 0);
    }
    bool is_explained = has_certain(&whole) && count_alive(e) == 0, all_certain = true;
    for (size_t i = 0; i < e->stream_count; i++) {
        if (doctor_stream_is_silent(&e->streams[i]) &&
            !diagnose_stream(e, i, is_explained, &single))
            all_certain = false;
    }
    merge(out, &whole,
          is_explained || all_certain || e->disk_is_full ? DOCTOR_CERTAIN : DOCTOR_POSSIBLE);
    merge(out, &single, DOCTOR_POSSIBLE);
}

void doctor_diagnose(const struct doctor_evidence *e, struct doctor_diagnosis *out)
{
    *out = (struct doctor_diagnosis){0};
    struct doctor_finding arrival[DOCTOR_ARRIVAL];
    size_t count = doctor_judge_arrival(e, arrival);
    for (size_t i = 0; i < count; i++)
        add(out, arrival[i].cause, judgement_of(&arrival[i]), 0);
    for (size_t i = 0; i < e->stream_count; i++) {
        add(out, DOCTOR_INTERRUPTED, judge_interrupted(&e->streams[i]), 1u << i);
        add(out, DOCTOR_FOREIGN_SENDER, judge_foreign(&e->streams[i]), 1u << i);
        add(out, DOCTOR_CLOCKS, judge_clocks(&e->streams[i]), 1u << i);
        if (e->streams[i].was_misled && !doctor_stream_is_dead(&e->streams[i]))
            add(out, DOCTOR_EXTERNAL_WRONG, CERTAIN, 1u << i);
    }
    if (count_silent(e) > 0)
        diagnose_silent(e, out);
    sort(out);
    out->is_healthy = out->count == 0 && count_silent(e) == 0;
}
