/* trickle: see trickle.h.
 * Not here: which candidates there are (ice.c).
 * RFC 8840. */
#include "recorder/trickle.h"

#include <stdio.h>

#include "ice/priority.h"
#include "recorder/ice_inside.h"
#include "recorder/late.h"
#include "recorder/move.h"
#include "sdp/fragment.h"

enum {
    GATHER_MS = 20, /* what is found at once is told at once (§10.9) */
    NOT_NOW_MS = 200,
    TRIES = 5,
};

void recorder_trickle_meet(struct recorder_call *call, const struct sip_message *message)
{
    struct view tag = VIEW_LIT(SIP_TRICKLE);
    call->trickle.speaks = sip_message_lists(message, VIEW_LIT("Supported"), tag) ||
                           sip_message_lists(message, VIEW_LIT("Require"), tag);
}

struct view recorder_trickle_headers(const struct recorder_call *call)
{
    return call->trickle.speaks ? VIEW_LIT(SIP_TRICKLES) : VIEW_NONE;
}

/* ---- Ours ----------------------------------------------------------------------------------- */

/* Those of the m-line's own address go first; the order stays as it is from now on. */
static size_t put_first(struct recorder_ice *ice, const struct sdp_answer_line *line)
{
    size_t kept = 0;
    for (size_t i = 0; i < ice->count; i++) {
        struct candidate c = ice->told[i];
        bool own = c.component == 1 ? addr_equal(&c.address, &line->rtp)
                                    : addr_equal(&c.address, &line->rtcp);
        if (!own)
            continue;
        for (size_t k = i; k > kept; k--)
            ice->told[k] = ice->told[k - 1];
        ice->told[kept++] = c;
    }
    return kept;
}

bool recorder_trickle_shorten(struct recorder *recorder, struct recorder_call *call)
{
    bool left_out = false;
    for (size_t i = 0; call->trickle.speaks && i < recorder->answer.count; i++) {
        const struct sdp_answer_line *line = &recorder->answer.lines[i];
        struct recorder_ice_line *plan = &recorder->ice_lines[i];
        const struct sdp_media *media = &recorder->answer.offer->media[i];
        if (line->reject != SDP_ACCEPTED || !line->ice || plan->sdp.mismatch || !plan->of ||
            !media->ice_trickles || media->mid.len == 0 || plan->of->owes)
            continue;
        plan->sdp.candidate_count = plan->of->heard = put_first(plan->of, line);
        plan->sdp.ends = false;
        plan->of->owes = true;
        left_out = true;
        if (plan->stays)
            call->trickle.due = true;
    }
    return left_out;
}

void recorder_trickle_begin(struct recorder_call *call, unsigned number)
{
    call->trickle.due |= call->ices[number] && call->ices[number]->owes;
}

bool recorder_ice_has_told(const struct recorder_ice *ice, const struct addr *address)
{
    for (size_t i = 0; i < ice->count; i++) {
        if (addr_equal(&ice->told[i].address, address))
            return true;
    }
    return false;
}

/* second: of the port of the other family than the stream's own. RFC 8445 §5.1.1.3, §5.1.2.1. */
static bool add_seen(struct recorder_ice *ice, uint16_t component, const struct addr *seen,
                     bool second)
{
    struct candidate c = {
        .type = CANDIDATE_SERVER_REFLEXIVE, .component = component, .address = *seen};
    if (!addr_is_set(seen) || component > ice->components || recorder_ice_has_told(ice, seen) ||
        ice->count == RECORDER_ICE_TOLD)
        return false;
    for (size_t i = 0; i < ice->count; i++) {
        if (ice->told[i].type == CANDIDATE_HOST && ice->told[i].component == component &&
            ice->told[i].transport == CANDIDATE_UDP && ice->told[i].address.family == seen->family)
            c.related = ice->told[i].address;
    }
    if (!addr_is_set(&c.related))
        return false;
    c.priority = ice_candidate_priority(c.type, (uint16_t)(UINT16_MAX - 1 - second), component);
    (void)snprintf(c.foundation, sizeof c.foundation, "s%c", seen->family == ADDR_V6 ? '6' : '4');
    ice->told[ice->count++] = c;
    return true;
}

static void tell(struct recorder *recorder, struct recorder_call *call, struct recorder_now now)
{
    call->trickle.due = true;
    call->trickle.at = tick_add_ms(now.tick, GATHER_MS);
    recorder_arm(recorder, call);
}

bool recorder_trickle_more(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now, unsigned number)
{
    struct recorder_ice *ice = call->ices[number];
    if (!call->trickle.speaks || ice->ends)
        return false;
    ice->ends = !recorder_ice_awaits(recorder, call, now, &call->leases[number], ice);
    tell(recorder, call, now);
    return true;
}

void recorder_trickle_done(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now, unsigned number)
{
    struct recorder_ice *ice = call->ices[number];
    if (!call->trickle.speaks || !recorder_ice_runs(call, number) || ice->ends)
        return;
    ice->ends = true;
    tell(recorder, call, now);
}

void recorder_trickle_found(struct recorder *recorder, struct recorder_call *call,
                            struct recorder_now now, unsigned number)
{
    const struct recorder_ticket *tickets[] = {&call->leases[number].ticket,
                                               recorder_second_ticket(call, number)};
    struct recorder_ice *ice = call->ices[number];
    bool more = false;
    if (!call->trickle.speaks || !recorder_ice_runs(call, number) || ice->lite || ice->ends)
        return;
    for (unsigned i = 0; i < 2 && tickets[i]; i++) {
        more |= add_seen(ice, 1, &tickets[i]->seen, i == 1);
        more |= add_seen(ice, 2, &tickets[i]->seen_rtcp, i == 1);
    }
    if (more)
        (void)recorder_trickle_more(recorder, call, now, number);
}

/* ---- Telling -------------------------------------------------------------------------------- */

struct tick recorder_trickle_deadline(const struct recorder_call *call)
{
    const struct recorder_trickle *t = &call->trickle;
    return t->due && !t->request && call->confirmed && !call->closing ? t->at : TICK_NEVER;
}

/* All that there are, in their order (§4.4). False: there is nothing to tell. */
static bool print_all(struct recorder *recorder, struct recorder_call *call, struct writer *w)
{
    int found[LIMIT_SDP_MEDIA];
    sdp_session_parse(&recorder->theirs, call->theirs);
    recorder_record_match(&call->record, &recorder->theirs, found);
    for (size_t i = 0; i < recorder->theirs.media_count; i++) {
        const struct sdp_media *media = &recorder->theirs.media[i];
        if (found[i] == SDP_MATCH_NEW || !recorder_ice_runs(call, (unsigned)found[i]) ||
            media->mid.len == 0)
            continue;
        struct recorder_ice *ice = call->ices[found[i]];
        struct sdp_ice told = {.ends = ice->ends,
                               .ufrag = view_of_string(ice->ufrag),
                               .pwd = view_of_string(ice->pwd),
                               .candidates = ice->told,
                               .candidate_count = ice->count};
        sdp_fragment_print(w, media->mid, ice->components == 1, &told);
        ice->owes = false;
        ice->sent = ice->count;
    }
    return w->len > 0 && !w->failed;
}

/* No INFO gets through: what the SRC has not heard of yet, an offer tells (RFC 8839 §4.4.1.2.1). */
static void tell_by_offer(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now)
{
    bool owes = false;
    for (unsigned i = 0; i < call->record.stream_count; i++)
        owes |= recorder_ice_runs(call, i) && call->ices[i]->heard < call->ices[i]->count;
    if (owes)
        recorder_move_refresh(recorder, call, now);
}

static void note_heard(struct recorder_call *call)
{
    for (unsigned i = 0; i < call->record.stream_count; i++) {
        struct recorder_ice *ice = call->ices[i];
        if (ice && ice->heard < ice->sent)
            ice->heard = ice->sent;
    }
}

void recorder_trickle_expire(struct recorder *recorder, struct recorder_call *call,
                             struct recorder_now now)
{
    struct recorder_trickle *t = &call->trickle;
    struct writer w = writer_of(recorder->text, sizeof recorder->text);
    if (!tick_due(recorder_trickle_deadline(call), now.tick))
        return;
    t->due = false;
    if (!print_all(recorder, call, &w))
        return;
    struct sip_request request = {
        .method = SIP_METHOD_INFO,
        .headers =
            VIEW_LIT("Info-Package: " SIP_TRICKLE "\r\nContent-Disposition: Info-Package\r\n"),
        .content_type = VIEW_LIT(SDP_FRAGMENT_TYPE),
        .body = writer_done(&w),
    };
    t->request = sip_request(recorder->sip, now.tick, call->dialog, &request);
    if (t->request)
        return;
    if (++t->tries == TRIES) {
        t->tries = 0;
        tell_by_offer(recorder, call, now);
        return;
    }
    t->due = true;
    t->at = tick_add_ms(now.tick, NOT_NOW_MS);
}

bool recorder_trickle_response(struct recorder *recorder, struct recorder_call *call,
                               struct recorder_now now, const struct sip_event *event)
{
    struct recorder_trickle *t = &call->trickle;
    if (!t->request || event->request != t->request)
        return false;
    t->request = 0;
    t->tries = 0;
    if (event->status / 100 == 2) {
        note_heard(call);
    } else {
        t->speaks = t->due = false;
        LOG_INFO("recorder", view_of_string(call->record.call_id),
                 "the SRC takes no candidates by INFO status=%u", event->status);
        tell_by_offer(recorder, call, now);
    }
    t->at = now.tick;
    recorder_arm(recorder, call);
    return true;
}

/* ---- The SRC's ------------------------------------------------------------------------------ */

/* The stream of the m-line with this mid in the SRC's last description, which is in
 * recorder->ours. */
static int stream_of(const struct recorder *recorder, const int found[], struct view mid)
{
    for (size_t i = 0; i < recorder->ours.media_count; i++) {
        if (mid.len > 0 && view_equal(recorder->ours.media[i].mid, mid))
            return found[i];
    }
    return SDP_MATCH_NEW;
}

/* The end of all trickling (§4.4): of each stream whose credentials stand before all m-lines. */
static void end_all(struct recorder *recorder, struct recorder_call *call, struct wall at)
{
    const struct sdp_session *fragment = &recorder->theirs;
    const struct sdp_media nothing = {0};
    for (unsigned i = 0; i < call->record.stream_count; i++) {
        if (recorder_ice_runs(call, i) &&
            recorder_ice_is_of(call->ices[i], fragment->ice_ufrag, fragment->ice_pwd))
            recorder_ice_more(recorder, call, i, &nothing, true, at);
    }
}

void recorder_trickle_take(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now, const struct sip_message *message)
{
    int found[LIMIT_SDP_MEDIA];
    if (!message || call->closing || call->theirs.len == 0 ||
        !view_starts_with_nocase(message->content_type, VIEW_LIT(SDP_FRAGMENT_TYPE)))
        return;
    sdp_session_parse(&recorder->ours, call->theirs);
    recorder_record_match(&call->record, &recorder->ours, found);
    sdp_session_parse(&recorder->theirs, message->body);
    for (size_t i = 0; i < recorder->theirs.media_count; i++) {
        const struct sdp_media *media = &recorder->theirs.media[i];
        int number = stream_of(recorder, found, media->mid);
        /* Of another generation: it came late, or too early (§4.4). */
        if (number == SDP_MATCH_NEW || !recorder_ice_runs(call, (unsigned)number) ||
            !recorder_ice_is_of(call->ices[number], media->ice_ufrag, media->ice_pwd))
            continue;
        recorder_ice_more(recorder, call, (unsigned)number, media, media->ice_ends, now.wall);
        recorder_late_family(recorder, call, now, (unsigned)number, media);
    }
    if (recorder->theirs.ice_ends)
        end_all(recorder, call, now.wall);
}
