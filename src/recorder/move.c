/* move: see move.h. What is offered is our last answer with other addresses. Media knows the new way
 * before the offer leaves, so that relays let the SRC in by then, and goes on receiving on the old.
 * Not here: what the SRC offers (call.c).
 * RFC 7866 §7.2, 3261 §14.1, 3264 §8.3.1, 3311 §5.1. */
#include "recorder/move.h"

#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "recorder/call.h"
#include "recorder/ice.h"

enum {
    SPREAD_MS = 300,
    GATHER_MS = 50,         /* streams of a call find out together */
    NOT_NOW_MS = 200,       /* another request is under way */
    GLARE_MS = 2000,        /* RFC 3261 §14.1: not the owner of the Call-ID waits 0 to 2 s */
    LOOK_AGAIN_MS = 250,    /* after a loss better addresses show one by one */
    ADDRESS_WAIT_MS = 3000, /* but who has none to name after this says what there is */
    TRIES = 5,
    /* What we send first opens our NAT; what the SRC sends first closes it (doc/nat.md 5, rule 9). */
    PUNCH_FIRST_MS = 100,
    RENEWALS = 2,
    PORT_STAYS_MS = 25000, /* media receives on the port before for a while longer */
    RESUME_MS = 300,       /* of packets to and fro before media is wanted */
    OFFERS_PER_CALL = 30,
    LOST_MS = 30000, /* a call without the address that its media comes to, and no other */
    SHORT_VOICES = 5,
    DATAGRAM_SDP = 750, /* what 1,300 bytes have room for beside the headers of a re-INVITE */
};

/* ---- Wanting -------------------------------------------------------------------------------- */

static void schedule(struct recorder *recorder, struct recorder_call *call, struct tick at)
{
    struct recorder_moves *moves = &call->moves;
    moves->at = moves->due ? tick_min(moves->at, at) : at;
    moves->due = true;
    recorder_arm(recorder, call);
}

/* What the SRC was told is nobody's, or somebody else's by now: whatever else there is, is better. */
static bool is_loss(enum verdict_event why)
{
    return why == VERDICT_ADDRESS_CHANGED || why == VERDICT_RELAY_LOST;
}

void recorder_move_want(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, unsigned stream, enum verdict_event why,
                        const struct addr *seen)
{
    struct recorder_turn *turn = &call->moves.turns[stream];
    bool changed = why == VERDICT_ADDRESS_CHANGED;
    if (call->closing || !call->leases[stream].held ||
        (recorder_ice_runs(call, stream) && !changed && why != VERDICT_RETRIED) ||
        (call->stays && !changed) || call->moves.done >= OFFERS_PER_CALL)
        return;
    turn->anew = false;
    /* What an address was good for does not matter once it is gone. */
    if (turn->wanted && is_loss(turn->why) && !changed)
        return;
    if (!turn->wanted || turn->why != why)
        turn->give_up = tick_add_ms(now.tick, ADDRESS_WAIT_MS);
    turn->wanted = true;
    turn->why = why;
    turn->seen = *seen;
    schedule(
        recorder, call,
        tick_add_ms(now.tick, GATHER_MS + (changed ? rng_below(&recorder->rng, SPREAD_MS) : 0)));
}

void recorder_move_hear(struct recorder_call *call, const struct media_event *event)
{
    struct recorder_turn *turn = &call->moves.turns[event->stream];
    bool comes = event->kind == MEDIA_EVENT_FIRST || event->kind == MEDIA_EVENT_GAP;
    if (comes || event->kind == MEDIA_EVENT_UNREACHABLE || event->kind == MEDIA_EVENT_NEXT_PATH)
        turn->stranded = !comes;
    /* What found the way before says nothing of the next time that it is lost. An SRC that speaks
     * again from where it spoke before may merely have been silent. */
    if (comes && !addr_equal(&turn->heard_from, &event->addr)) {
        turn->renewed = 0;
        turn->heard_from = event->addr;
    }
}

void recorder_move_reached(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now)
{
    if (!call->unreached)
        return;
    call->unreached = call->stays = false;
    for (unsigned i = 0; i < call->record.stream_count; i++) {
        if (call->moves.turns[i].stranded)
            recorder_move_want(recorder, call, now, i, VERDICT_RELAY_LOST, &(struct addr){0});
    }
}

/* One that let the SRC in no more, as after a restart of its server, says nothing of the next; but a
 * server that will not have the SRC refuses it each time, and an SRC that sends nothing yet is to find the one
 * that it was told. */
static void try_relays_again(struct recorder *recorder, struct recorder_call *call,
                             struct recorder_now now, unsigned number)
{
    struct recorder_turn *turn = &call->moves.turns[number];
    bool is_relayed = recorder_way_is_relayed(&call->leases[number]);
    if (is_relayed && turn->renewed == RENEWALS)
        return;
    recorder_move_want(recorder, call, now, number, VERDICT_RELAY_LOST, &(struct addr){0});
    turn->anew = is_relayed && turn->wanted;
}

void recorder_move_hope(struct recorder *recorder, struct recorder_now now, uint32_t worker)
{
    uint32_t index = 0;
    struct pool_id id;
    struct recorder_call *call;
    while ((call = pool_next(recorder->calls, &index, &id))) {
        for (unsigned i = 0; call->worker == worker && i < call->record.stream_count; i++) {
            struct recorder_turn *turn = &call->moves.turns[i];
            if (turn->wanted && is_loss(turn->why))
                schedule(recorder, call, tick_add_ms(now.tick, GATHER_MS));
            if (!turn->stranded || turn->wanted || turn->before)
                continue;
            try_relays_again(recorder, call, now, i);
        }
    }
}

void recorder_move_resume(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now)
{
    call->moves.offered = true;
    schedule(recorder, call, tick_add_ms(now.tick, RESUME_MS));
}

void recorder_move_refresh(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now)
{
    if (call->closing || call->moves.done >= OFFERS_PER_CALL)
        return;
    call->moves.offered = true;
    /* All calls are told at such a time. */
    schedule(recorder, call,
             tick_add_ms(now.tick, GATHER_MS + rng_below(&recorder->rng, SPREAD_MS)));
}

struct tick recorder_move_deadline(const struct recorder_call *call)
{
    const struct recorder_moves *moves = &call->moves;
    return moves->due && !moves->request && call->confirmed && !call->closing ? moves->at
                                                                              : TICK_NEVER;
}

/* ---- Turning a stream ----------------------------------------------------------------------- */

static void choose(struct recorder *recorder, struct recorder_call *call, struct recorder_now now,
                   unsigned number)
{
    const struct recorder_turn *turn = &call->moves.turns[number];
    struct recorder_lease *lease = &call->leases[number];
    const struct addr *offered = &call->record.streams[number].offered;
    if (turn->anew) {
        lease->has_relay = false;
        lease->tried &= ~(1u << PATH_RELAY | 1u << PATH_RELAY_STREAM);
    }
    if (lease->lost && recorder_way_replace(recorder, call, lease))
        recorder_note_holder(recorder, call, &lease->ticket);
    if (turn->why == VERDICT_RETRIED && recorder_way_remap(recorder, call, now, lease, offered)) {
        recorder_note_holder(recorder, call, &lease->ticket);
        return;
    }
    if (recorder_ice_runs(call, number) && turn->why == VERDICT_RETRIED)
        return; /* all paths were told; another port may be one more */
    if (turn->why == VERDICT_MIGRATED)
        recorder_way_direct(recorder, call, now, lease, &turn->seen);
    else
        recorder_way_choose(recorder, call, now, lease, offered,
                            turn->why == VERDICT_ADDRESS_CHANGED ? 0 : lease->tried);
}

/* Where relays served, another will stand ready soon. */
static bool had_relay(const struct recorder_lease *lease)
{
    return lease->has_relay || recorder_way_is_relayed(lease);
}

/* What was chosen comes to nothing. */
static void undo(struct recorder *recorder, struct recorder_lease *lease,
                 const struct recorder_lease *before)
{
    if (lease->has_relay && !before->has_relay)
        recorder_way_undo(recorder, lease);
    if (lease->ticket.port != before->ticket.port ||
        lease->ticket.generation != before->ticket.generation)
        recorder_return_ticket(recorder, &lease->ticket);
    *lease = *before;
}

/* Nothing came, and there is no other path: the same with another port. */
static bool renew(struct recorder *recorder, struct recorder_call *call, struct recorder_now now,
                  unsigned number, const struct recorder_lease *before)
{
    struct recorder_turn *turn = &call->moves.turns[number];
    struct recorder_lease *lease = &call->leases[number], best = *lease;
    const struct addr *offered = &call->record.streams[number].offered;
    if (turn->why != VERDICT_RETRIED || turn->renewed == RENEWALS ||
        best.has_relay != before->has_relay)
        return false;
    *lease = *before;
    if (!recorder_way_renew(recorder, call, now, lease, offered)) {
        *lease = best;
        return false;
    }
    turn->renewed++;
    recorder_note_holder(recorder, call, &lease->ticket);
    return true;
}

/* Its port's address went, and no other port is to be had: it may come back, but not for ever. */
static void wait_for_port(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now, unsigned number)
{
    struct recorder_lease *lease = &call->leases[number];
    if (tick_diff_ms(now.tick, lease->lost_at) >= LOST_MS) {
        recorder_call_lost(recorder, call, now, &lease->ticket.bound);
        return;
    }
    call->moves.turns[number].wanted = true;
    schedule(recorder, call, tick_add_ms(now.tick, LOOK_AGAIN_MS));
}

/* Gives the stream the way that it wants. False: there is none, or none yet. */
static bool turn_stream(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, unsigned number)
{
    struct recorder_turn *turn = &call->moves.turns[number];
    struct recorder_lease *lease = &call->leases[number], *before = malloc(sizeof *before);
    if (!before)
        return false;
    *before = *lease;
    choose(recorder, call, now, number);
    call->record.streams[number].story.verdict.us.is_doubted |= lease->us.is_doubted;
    if (lease->lost) {
        undo(recorder, lease, before);
        free(before);
        wait_for_port(recorder, call, now, number);
        return false;
    }
    /* The same address may have become a path that is known to work; it has brought nothing. */
    bool same = addr_equal(&lease->advertised, &before->advertised);
    bool loss = is_loss(turn->why) && !turn->anew;
    bool hopeless = lease->choice.code == PATH_BEST_EFFORT;
    bool renewed = (hopeless || same) && renew(recorder, call, now, number, before);
    hopeless &= !renewed;
    bool waits = loss && hopeless && tick_before(now.tick, turn->give_up) &&
                 (!lease->us.has_stun || had_relay(before));
    waits |= turn->why == VERDICT_RETRIED && (hopeless || same) && !renewed &&
             recorder_way_awaits_relay(recorder, before, now.tick);
    /* Another port is a try: a relay that comes is not left for it. */
    turn->stranded = (hopeless && (loss || turn->stranded)) ||
                     (renewed && turn->stranded && recorder->settings.has_relays);
    /* Without an address of the family, the last one went: nothing to offer. */
    if (waits || !addr_is_set(&lease->advertised) ||
        addr_equal(&lease->advertised, &before->advertised) || (hopeless && !loss)) {
        undo(recorder, lease, before);
        free(before);
        turn->wanted = waits;
        if (waits)
            schedule(recorder, call, tick_add_ms(now.tick, LOOK_AGAIN_MS));
        /* Media asked for another path and shall know that this one stays. */
        else if (turn->why != VERDICT_ADDRESS_CHANGED && !turn->anew)
            recorder_post_stream(recorder, call, number, now.wall, true);
        return false;
    }
    free(turn->before);
    turn->before = before;
    turn->renewed += turn->anew;
    turn->turned_at = now.tick;
    turn->wanted = false;
    if (turn->why == VERDICT_ADDRESS_CHANGED)
        recorder_ice_move(call->ices[number]);
    recorder_post_stream(recorder, call, number, now.wall, false);
    return true;
}

/* ---- Offering ------------------------------------------------------------------------------- */

/* With as many codecs as a datagram has room for: as call.c answers. */
static bool print_short(struct recorder *recorder, struct recorder_call *call, struct view *sdp)
{
    bool datagram = !sip_protocol_is_reliable(call->flow.protocol);
    for (unsigned voices = SHORT_VOICES + 1;; voices--) {
        struct writer w = writer_of(recorder->text, sizeof recorder->text);
        struct sdp_origin origin = call->origin;
        if (voices <= SHORT_VOICES)
            (void)sdp_answer_shorten(&recorder->answer, voices);
        if (!sdp_answer_print(&recorder->answer, &origin, &w))
            return false;
        *sdp = writer_done(&w);
        if (datagram && sdp->len > DATAGRAM_SDP && voices > 1)
            continue;
        call->origin = origin;
        return true;
    }
}

/* The description that stands, with the addresses of now. False: it cannot be written. */
static bool describe(struct recorder *recorder, struct recorder_call *call, struct recorder_now now,
                     struct view *sdp)
{
    int found[LIMIT_SDP_MEDIA];
    struct sdp_answer *answer = &recorder->answer;
    sdp_session_parse(&recorder->theirs, call->theirs);
    sdp_answer_plan(answer, &recorder->theirs);
    recorder_record_match(&call->record, &recorder->theirs, found);
    for (size_t i = 0; i < answer->count; i++) {
        struct sdp_answer_line *line = &answer->lines[i];
        if (line->reject != SDP_ACCEPTED)
            continue;
        /* What was refused for want of a port stays refused: an SRS adds no stream. */
        if (found[i] == SDP_MATCH_NEW || !call->leases[found[i]].held) {
            sdp_answer_refuse(answer, i, SDP_REJECT_LOCAL);
            continue;
        }
        line->rtp = call->leases[found[i]].advertised;
        line->rtcp = call->leases[found[i]].advertised_rtcp;
        recorder_ice_offer(recorder, call, now, i, found[i], &call->leases[found[i]]);
    }
    bool written = answer->accepted && print_short(recorder, call, sdp);
    recorder_ice_undo(recorder);
    return written;
}

static void send(struct recorder *recorder, struct recorder_call *call, struct recorder_now now)
{
    struct recorder_moves *moves = &call->moves;
    struct view sdp;
    if (!describe(recorder, call, now, &sdp))
        return;
    struct sip_request request = {
        .method = moves->by_update ? SIP_METHOD_UPDATE : SIP_METHOD_INVITE,
        .content_type = VIEW_LIT("application/sdp"),
        .body = sdp,
    };
    free((void *)(uintptr_t)moves->sdp.at);
    moves->sdp = view_of(recorder_copy(sdp), sdp.len);
    moves->request = sip_request(recorder->sip, now.tick, call->dialog, &request);
    if (!moves->request) {
        schedule(recorder, call, tick_add_ms(now.tick, NOT_NOW_MS));
        return;
    }
    moves->tries++;
}

/* We have no address that the SRC could be told, and none that it could be told from; but one that is
 * in our own network needs no route. */
static bool is_nowhere(const struct recorder *recorder, const struct recorder_call *call)
{
    bool v6 = call->flow.local.family == ADDR_V6;
    return addr_is_set(&recorder->located[v6]) && !addr_is_set(&recorder->profiles[v6].local) &&
           !addr_is_private(&call->flow.peer) && !addr_is_link_local(&call->flow.peer) &&
           !addr_is_loopback(&call->flow.peer);
}

void recorder_move_expire(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now)
{
    struct recorder_moves *moves = &call->moves;
    if (!tick_due(recorder_move_deadline(call), now.tick))
        return;
    moves->due = false;
    /* Our offer in the 200, or the metadata that we asked for, comes first. */
    if (call->offer_out || call->theirs.len == 0 || call->snapshot_request ||
        is_nowhere(recorder, call)) {
        schedule(recorder, call, tick_add_ms(now.tick, NOT_NOW_MS));
        return;
    }
    bool punches = false;
    for (unsigned i = 0; i < call->record.stream_count; i++) {
        if (!moves->turns[i].wanted || moves->turns[i].before || !call->leases[i].held ||
            call->closing || !turn_stream(recorder, call, now, i))
            continue;
        moves->offered = true;
        punches |= call->leases[i].choice.punches;
    }
    if (call->closing)
        return;
    if (punches)
        schedule(recorder, call, tick_add_ms(now.tick, PUNCH_FIRST_MS));
    else if (moves->offered)
        send(recorder, call, now);
}

/* ---- The SRC's answer ----------------------------------------------------------------------- */

static void conclude(struct recorder_call *call)
{
    struct recorder_moves *moves = &call->moves;
    for (unsigned i = 0; i < LIMIT_STREAMS_PER_RECORDING; i++) {
        free(moves->turns[i].before);
        moves->turns[i].before = NULL;
    }
    moves->offered = false;
    moves->tries = 0;
    moves->done++;
}

static void settle(struct recorder *recorder, struct recorder_call *call, struct recorder_now now,
                   const struct sip_event *event)
{
    struct recorder_moves *moves = &call->moves;
    struct siprec_body body;
    struct siprec_content content = {0};
    struct siprec_warnings warnings = {0};
    for (unsigned i = 0; i < call->record.stream_count; i++) {
        struct recorder_turn *turn = &moves->turns[i];
        if (!turn->before)
            continue;
        metric_add(METRIC_PATH_CHANGES, 1);
        recorder_story_turn(&call->record.streams[i].story, now.tick, turn->why, &call->leases[i]);
        LOG_INFO("recorder", view_of_string(call->record.call_id),
                 "path changed label=%s path=%s advertised=%s", call->record.streams[i].label,
                 call->record.streams[i].story.path, addr_print(&call->leases[i].advertised).s);
    }
    conclude(call);
    call->waits = false;
    if (moves->sdp.at) {
        free((void *)(uintptr_t)call->ours.at);
        call->ours = moves->sdp;
        moves->sdp = VIEW_NONE;
    }
    if (event->message && event->message->body.len)
        (void)recorder_read_body(recorder, event->message, &body, &content, &warnings);
    /* Some leave the SDP out of their 200 when nothing is new on their side. */
    char *same = content.has_sdp ? NULL : recorder_copy(call->theirs);
    struct view theirs = content.has_sdp ? content.sdp : view_of(same, same ? call->theirs.len : 0);
    recorder_call_answered(recorder, call, now, theirs);
    free(same);
    recorder_call_changed(recorder, call, now);
}

/* The SRC may have moved all the same, or media may have left the port that it had before. */
static bool keeps_port(const struct recorder_turn *turn, const struct recorder_lease *lease,
                       struct tick now, unsigned status)
{
    return lease->ticket.port != turn->before->ticket.port &&
           (status == 408 || tick_diff_ms(now, turn->turned_at) > PORT_STAYS_MS);
}

/* RFC 3261 §14.1: the session stays as it was. */
static void revert(struct recorder *recorder, struct recorder_call *call, struct recorder_now now,
                   unsigned status, bool reached)
{
    struct recorder_moves *moves = &call->moves;
    call->stays = true;
    call->unreached = !reached;
    recorder_ice_forget(recorder, call);
    metric_add(METRIC_PATH_CHANGES_REFUSED, 1);
    for (unsigned i = 0; i < call->record.stream_count; i++) {
        struct recorder_turn *turn = &moves->turns[i];
        turn->stranded |= turn->before && !reached;
        if (!turn->before || !call->leases[i].held ||
            keeps_port(turn, &call->leases[i], now.tick, status))
            continue;
        call->leases[i] = *turn->before;
        recorder_post_stream(recorder, call, i, now.wall, false);
        if (call->leases[i].lost) {
            recorder_call_lost(recorder, call, now, &call->leases[i].ticket.bound);
            break;
        }
    }
    conclude(call);
    /* Without it nothing is ever recorded: it is asked again for as long as the call goes on. */
    if (call->waits) {
        call->stays = false;
        moves->offered = moves->done < OFFERS_PER_CALL;
        schedule(recorder, call, tick_add_ms(now.tick, GLARE_MS));
    }
    recorder_record_warn(&call->record, now.wall, "path-stays",
                         "the SRC %s our offer of another address (%u): media stays where it was",
                         reached         ? "refused"
                         : status == 408 ? "did not answer"
                                         : "could not be sent",
                         status);
    recorder_call_changed(recorder, call, now);
}

bool recorder_move_response(struct recorder *recorder, struct recorder_call *call,
                            struct recorder_now now, const struct sip_event *event)
{
    struct recorder_moves *moves = &call->moves;
    struct sip_dialog_facts facts = {0};
    unsigned status = event->status;
    if (!moves->request || event->request != moves->request)
        return false;
    moves->request = 0;
    bool again = (status == 491 || status == 500 || status == 503) && moves->tries < TRIES;
    (void)!sip_dialog_facts(recorder->sip, call->dialog, &facts);
    if (call->closing || status == 481) {
        conclude(call); /* the dialog ends */
    } else if (status / 100 == 2) {
        settle(recorder, call, now, event);
    } else if (again) {
        schedule(recorder, call, tick_add_ms(now.tick, 10 + rng_below(&recorder->rng, GLARE_MS)));
    } else if (event->message && !moves->by_update && facts.peer_allows_update) {
        moves->by_update = true;
        moves->tries = 0;
        schedule(recorder, call, now.tick);
    } else {
        revert(recorder, call, now, status, event->message != NULL);
    }
    /* What streams wanted meanwhile. */
    for (unsigned i = 0; i < call->record.stream_count; i++) {
        if (moves->turns[i].wanted)
            schedule(recorder, call, tick_add_ms(now.tick, GATHER_MS));
    }
    return true;
}

void recorder_move_finish(struct recorder_call *call)
{
    conclude(call);
    free((void *)(uintptr_t)call->moves.sdp.at);
    call->moves.sdp = VIEW_NONE;
}
