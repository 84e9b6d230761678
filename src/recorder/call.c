/* call: offers and answers of one call, and the streams and ports that follow from them.
 * Not here: which message it was and everything else about a call (recorder.c).
 * RFC 3264 §6, §8; 7866 §7, §8; 3311. */
#include "recorder/call.h"

#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "recorder/ice.h"
#include "recorder/share.h"

enum {
    DATAGRAM_SIZE = 1300, /* of a SIP message over UDP, at most */
    SHORT_VOICES = 5,     /* codecs a line, where all of them would be too long */
};

/* One offer and its answer in the making. Until it stands, the call is not touched. */
struct exchange {
    struct recorder_call *call;
    bool first;                                    /* the call has no streams yet */
    bool offered;                                  /* the offer is theirs */
    int found[LIMIT_SDP_MEDIA];                    /* by m-line: the stream, or SDP_MATCH_NEW */
    int ticket_of[LIMIT_SDP_MEDIA];                /* by m-line: of fresh, or -1 */
    uint8_t families[LIMIT_STREAMS_PER_RECORDING]; /* by fresh: of its port */
    bool shares[LIMIT_STREAMS_PER_RECORDING];      /* by fresh: no port of its own */
    bool on_first;                                 /* only worker 0 will do */
    uint32_t tickets_wanted, tickets_taken;
    struct recorder_lease fresh[LIMIT_STREAMS_PER_RECORDING]; /* with the tickets taken */
    struct sdp_origin origin;
    bool waits;       /* answered inactive first */
    unsigned refused; /* m-lines for which no port was left */
};

static struct recorder_lease *lease_of(struct exchange *x, size_t line)
{
    return x->ticket_of[line] >= 0 ? &x->fresh[x->ticket_of[line]]
                                   : &x->call->leases[x->found[line]];
}

/* ---- Ports ---------------------------------------------------------------------------------- */

/* Of the first line that names an address, for those that name none. */
static uint8_t common_family(const struct recorder *recorder, const struct exchange *x)
{
    const struct sdp_answer *answer = &recorder->answer;
    for (size_t i = 0; i < answer->count; i++) {
        const struct addr *rtp = &answer->offer->media[i].rtp;
        if (answer->lines[i].reject == SDP_ACCEPTED && addr_is_set(rtp))
            return rtp->family;
    }
    return x->call->flow.local.family;
}

static struct recorder_wish wish_of(const struct recorder *recorder, const struct exchange *x,
                                    uint8_t family)
{
    struct recorder_wish wish = recorder_way_wish(recorder, x->call, family);
    wish.trusts_mapping = profile_trusts_gateway(&recorder->profiles[family == ADDR_V6]);
    if (x->first)
        wish.worker = x->on_first ? 0 : RECORDER_ANY_WORKER;
    return wish;
}

/* An SRC may well talk IPv4 SIP and offer IPv6 media that we cannot reach: better an answer in the
 * family that works than none (RFC 6157 §3.2 leaves the choice to the answerer). */
static void settle_families(const struct recorder *recorder, struct exchange *x)
{
    for (uint32_t i = 0; i < x->tickets_wanted; i++) {
        struct recorder_wish wish = wish_of(recorder, x, x->families[i]);
        if (!x->shares[i] && recorder_stock_count(&recorder->stock, &wish) == 0)
            x->families[i] = wish.near.family;
    }
}

/* Which lines need a port that the call has not got, and of which family. */
static void count_wanted(const struct recorder *recorder, struct exchange *x)
{
    uint8_t common = common_family(recorder, x);
    uint32_t room = recorder_record_room(&x->call->record);
    for (size_t i = 0; i < recorder->answer.count; i++) {
        const struct addr *rtp = &recorder->answer.offer->media[i].rtp;
        x->ticket_of[i] = -1;
        bool has = x->found[i] != SDP_MATCH_NEW && x->call->leases[x->found[i]].held;
        if (recorder->answer.lines[i].reject != SDP_ACCEPTED || has)
            continue;
        if (x->tickets_wanted < room)
            x->families[x->tickets_wanted] = x->offered && addr_is_set(rtp) ? rtp->family : common;
        x->ticket_of[i] = (int)x->tickets_wanted++;
    }
}

/* RFC 4091 §4: the same media at several addresses. The one that the SRC prefers, unless there are
 * ports of another's family only; within a call, the one that was taken. */
static bool is_better_alternative(const struct recorder *recorder, const struct exchange *x,
                                  size_t a, size_t b)
{
    size_t lines[] = {a, b};
    bool has[2], can[2];
    for (size_t i = 0; i < 2; i++) {
        const struct sdp_media *media = &recorder->answer.offer->media[lines[i]];
        int found = x->found[lines[i]];
        struct recorder_wish wish = wish_of(recorder, x, media->rtp.family);
        has[i] = found != SDP_MATCH_NEW && x->call->leases[found].held;
        can[i] = addr_is_set(&media->rtp) && recorder_stock_count(&recorder->stock, &wish) > 0;
    }
    if (has[0] != has[1])
        return has[0];
    if (can[0] != can[1])
        return can[0];
    return recorder->answer.offer->media[a].anat_rank < recorder->answer.offer->media[b].anat_rank;
}

static void choose_alternatives(struct recorder *recorder, struct exchange *x)
{
    struct sdp_answer *answer = &recorder->answer;
    for (size_t i = 0; i < answer->count && x->offered; i++) {
        for (size_t k = 0; k < i && answer->lines[i].reject == SDP_ACCEPTED; k++) {
            if (answer->lines[k].reject != SDP_ACCEPTED || !answer->offer->media[i].anat ||
                answer->offer->media[i].anat != answer->offer->media[k].anat)
                continue;
            sdp_answer_refuse(answer, is_better_alternative(recorder, x, i, k) ? k : i,
                              SDP_REJECT_ALTERNATIVE);
        }
    }
}

/* Which of those are served by ports that only worker 0 has. */
static void count_shared(const struct recorder *recorder, struct exchange *x)
{
    bool taken = false;
    for (size_t i = 0; i < recorder->answer.count && x->offered; i++) {
        const struct sdp_media *media = &recorder->answer.offer->media[i];
        struct recorder_ticket ticket;
        if (x->ticket_of[i] < 0)
            continue;
        bool shares = recorder_share_may(recorder, x->call, media, taken);
        x->on_first |= shares || (recorder->settings.tcp_port &&
                                  recorder_share_speaks_tcp(recorder->answer.offer, media));
        shares = shares && recorder_share_ticket(recorder, x->families[x->ticket_of[i]],
                                                 &x->call->flow.local, &ticket);
        x->shares[x->ticket_of[i]] = shares;
        taken |= shares && !recorder_ice_offered(media);
    }
}

/* Tickets in the order of the lines that want them, all of one worker. */
static bool deal_tickets(struct recorder *recorder, struct exchange *x)
{
    struct recorder_ticket own[2][LIMIT_STREAMS_PER_RECORDING];
    struct recorder_wish wishes[2] = {wish_of(recorder, x, ADDR_V4), wish_of(recorder, x, ADDR_V6)};
    uint32_t needs[2] = {0, 0}, at[2] = {0, 0};
    for (uint32_t i = 0; i < x->tickets_wanted; i++)
        needs[x->families[i] == ADDR_V6] += !x->shares[i];
    if (wishes[0].worker == RECORDER_ANY_WORKER && needs[0] + needs[1] > 0) {
        wishes[0].worker = wishes[1].worker =
            recorder_stock_worker(&recorder->stock, wishes, needs);
        if (wishes[0].worker == RECORDER_ANY_WORKER)
            return false;
    }
    for (unsigned f = 0; f < 2; f++) {
        if (recorder_stock_count(&recorder->stock, &wishes[f]) < needs[f])
            return false;
    }
    for (unsigned f = 0; f < 2; f++)
        (void)!recorder_stock_take(&recorder->stock, &wishes[f], own[f], needs[f]);
    for (uint32_t i = 0; i < x->tickets_wanted; i++) {
        unsigned f = x->families[i] == ADDR_V6;
        struct recorder_ticket shared = {0};
        if (x->shares[i])
            (void)!recorder_share_ticket(recorder, x->families[i], &x->call->flow.local, &shared);
        x->fresh[i] = (struct recorder_lease){.ticket = x->shares[i] ? shared : own[f][at[f]++]};
    }
    return true;
}

static void refuse_line(struct recorder *recorder, struct exchange *x, size_t line)
{
    x->ticket_of[line] = -1;
    sdp_answer_refuse(&recorder->answer, line, SDP_REJECT_LOCAL);
    x->refused++;
}

static void refuse_from(struct recorder *recorder, struct exchange *x, uint32_t limit)
{
    for (size_t i = 0; i < recorder->answer.count; i++) {
        if (x->ticket_of[i] >= (int)limit)
            refuse_line(recorder, x, i);
    }
    if (x->tickets_wanted > limit)
        x->tickets_wanted = limit;
}

/* Those lines, the last first, for which there is no port of their family. */
static void refuse_short(struct recorder *recorder, struct exchange *x)
{
    uint32_t left[2], kept = 0;
    for (unsigned f = 0; f < 2; f++) {
        struct recorder_wish wish = wish_of(recorder, x, f ? ADDR_V6 : ADDR_V4);
        left[f] = recorder_stock_count(&recorder->stock, &wish);
    }
    for (size_t i = 0; i < recorder->answer.count; i++) {
        int ticket = x->ticket_of[i];
        if (ticket < 0)
            continue;
        unsigned f = x->families[ticket] == ADDR_V6;
        if (!x->shares[ticket] && left[f] == 0) {
            refuse_line(recorder, x, i);
            continue;
        }
        left[f] -= !x->shares[ticket];
        x->families[kept] = x->families[ticket];
        x->shares[kept] = x->shares[ticket];
        x->ticket_of[i] = (int)kept++;
    }
    x->tickets_wanted = kept;
}

/* What is advertised for each line that was accepted. */
static void put_addresses(struct recorder *recorder, struct exchange *x, struct recorder_now now)
{
    static const struct addr nowhere;
    for (size_t i = 0; i < recorder->answer.count; i++) {
        struct sdp_answer_line *line = &recorder->answer.lines[i];
        if (line->reject != SDP_ACCEPTED)
            continue;
        if (x->ticket_of[i] >= 0)
            recorder_way_choose(recorder, x->call, now, &x->fresh[x->ticket_of[i]],
                                x->offered ? &recorder->answer.offer->media[i].rtp : &nowhere, 0);
        if (x->ticket_of[i] >= 0 && x->offered &&
            recorder_ice_offered(&recorder->answer.offer->media[i]))
            recorder_way_stand_by(recorder, x->call, &x->fresh[x->ticket_of[i]], false);
        struct recorder_lease *lease = lease_of(x, i);
        line->rtp = lease->advertised;
        line->rtcp = lease->advertised_rtcp;
        if (x->first && x->offered && recorder->settings.inactive_first &&
            !recorder_ice_offered(&recorder->answer.offer->media[i]) &&
            line->direction == SDP_RECVONLY && recorder_way_is_unsure(x->call, lease)) {
            line->direction = SDP_INACTIVE;
            x->waits = true;
        }
        if (x->offered)
            recorder_ice_plan(recorder, x->call, now, i, x->found[i], lease);
        else
            recorder_ice_offer(recorder, x->call, now, i, x->found[i], lease);
    }
}

/* Ports for all lines, each of its own family; within a call, for as many as there are once waiting
 * is over. False: too few. */
static bool take_ports(struct recorder *recorder, struct exchange *x, struct recorder_now now)
{
    choose_alternatives(recorder, x);
    count_wanted(recorder, x);
    refuse_from(recorder, x, recorder_record_room(&x->call->record));
    count_shared(recorder, x);
    settle_families(recorder, x);
    if (!x->first && !recorder->patient)
        refuse_short(recorder, x);
    if (!deal_tickets(recorder, x)) {
        if (!recorder->patient)
            metric_add(METRIC_PORTS_EXHAUSTED, 1);
        return false;
    }
    x->tickets_taken = x->tickets_wanted;
    put_addresses(recorder, x, now);
    for (uint32_t i = 0; i < x->tickets_taken; i++)
        x->fresh[i].held = true;
    return true;
}

static void undo(struct recorder *recorder, struct exchange *x)
{
    for (uint32_t i = 0; i < x->tickets_taken; i++) {
        recorder_way_undo(recorder, &x->fresh[i]);
        recorder_return_ticket(recorder, &x->fresh[i].ticket);
    }
    x->tickets_taken = 0;
    recorder_ice_undo(recorder);
}

/* ---- What media is told --------------------------------------------------------------------- */

void recorder_post_stream(struct recorder *recorder, struct recorder_call *call, unsigned number,
                          struct wall at, bool stays)
{
    struct recorder_stream *stream = &call->record.streams[number];
    const struct recorder_lease *lease = &call->leases[number];
    struct addr bound = recorder_way_bound(recorder, call, lease);
    struct media_command command = {.kind = MEDIA_STREAM, .at = at};
    struct media_stream_facts *facts = &command.stream;
    *facts = (struct media_stream_facts){
        .stream = (uint8_t)number,
        .mline = (uint8_t)stream->mline,
        .paused = stream->paused,
        .mute = stream->mute,
        .rtcp_mux = stream->rtcp_mux,
        .listed = call->listed,
        .port = lease->ticket.port,
        .generation = lease->ticket.generation,
        .shares = lease->ticket.port == MEDIA_PORT_SHARED,
        .socket = recorder_share_socket(&lease->ticket, false),
        .bound = bound,
        .bound_rtcp = addr_with_port(bound, lease->ticket.bound_rtcp.port),
        .advertised = lease->advertised,
        .advertised_rtcp = lease->advertised_rtcp,
        .offered = stream->offered,
        .offered_rtcp = stream->offered_rtcp,
        .signalled = call->flow.peer,
        .codec_count = (uint8_t)stream->codec_count,
    };
    stream->bound = bound;
    recorder_way_fill(recorder, call, lease, stream, &facts->way);
    facts->way.stays = stays;
    recorder_ice_post(recorder, call, number, facts);
    memcpy(facts->label, stream->label, sizeof facts->label);
    memcpy(facts->codecs, stream->codecs, sizeof facts->codecs);
    recorder_post(recorder, call, command, NULL, 0);

    char text[1024];
    struct journal_event line = journal_event_begin(text, sizeof text, JOURNAL_EVENT_STREAM);
    journal_event_put_number(&line, "stream", number);
    journal_event_put_text(&line, "label", view_of_string(stream->label));
    journal_event_put_number(&line, "mline", stream->mline);
    journal_event_put_text(&line, "codec", view_of_string(stream->codec));
    journal_event_put_addr(&line, "offered", &stream->offered);
    journal_event_put_addr(&line, "advertised", &lease->advertised);
    journal_event_put_addr(&line, "bound", &bound);
    journal_event_put_text(&line, "path", view_of_string(recorder_way_name(lease)));
    journal_event_put_text(&line, "direction", view_of_string(recorder_stream_direction(stream)));
    recorder_post_mark(recorder, call, (int)number, at, journal_event_end(&line));
}

static void post_drop(struct recorder *recorder, struct recorder_call *call, unsigned number,
                      struct wall at)
{
    char text[128];
    struct journal_event line = journal_event_begin(text, sizeof text, JOURNAL_EVENT_STREAM);
    journal_event_put_number(&line, "stream", number);
    journal_event_put_text(&line, "direction", VIEW_LIT("removed"));
    recorder_post_mark(recorder, call, (int)number, at, journal_event_end(&line));
    recorder_post(recorder, call,
                  (struct media_command){.kind = MEDIA_DROP, .at = at, .drop = (uint8_t)number},
                  NULL, 0);
    call->leases[number].held = false;
    recorder_ice_destroy(recorder, call->ices[number]);
    call->ices[number] = NULL;
}

static void tell_story(const struct recorder *recorder, struct recorder_call *call, unsigned number,
                       bool fresh, struct recorder_now now)
{
    struct recorder_stream *stream = &call->record.streams[number];
    struct recorder_lease *lease = &call->leases[number];
    recorder_way_meet(recorder, call, lease, &stream->offered);
    if (!fresh) {
        stream->story.verdict.src = lease->src;
        return;
    }
    char words[VERDICT_LEARNED];
    struct writer w = writer_of(words, sizeof words);
    recorder_story_begin(&stream->story, now.tick, lease);
    if (!lease->used)
        return;
    src_profile_say(&call->src_profile, lease->used, &w);
    verdict_learned(&stream->story.verdict, writer_done(&w));
}

static void note_oddities(const struct recorder *recorder, struct recorder_call *call,
                          unsigned number, struct wall at)
{
    struct recorder_stream *stream = &call->record.streams[number];
    switch (recorder_caller_check(&call->caller, &call->flow.peer, &stream->offered,
                                  recorder->theirs.origin_address)) {
    case RECORDER_NOT_ODD:
        break;
    case RECORDER_PRIVATE_SDP:
        if (recorder_ice_runs(call, number))
            break; /* one candidate of several */
        recorder_record_warn(&call->record, at, "private-sdp",
                             "the SDP names %s, an address of the SRC's own network, while its SIP "
                             "comes from %s: tell the SRC its address outside",
                             addr_print(&stream->offered).s, addr_print(&call->flow.peer).s);
        break;
    case RECORDER_REWRITTEN_SDP:
        verdict_alarm(&stream->story.verdict, VERDICT_ALG);
        recorder_record_warn(&call->record, at, "alg-suspected",
                             "somebody on the way rewrites SDP (c= is %s, all else of the SRC's "
                             "own network): switch the router's SIP ALG off, or use TLS",
                             addr_print_ip(&stream->offered).s);
        break;
    }
}

/* Streams, leases and media after ours and theirs (in the recorder's scratch) came to stand. */
static void carry_out(struct recorder *recorder, struct exchange *x, bool answered,
                      struct recorder_now now)
{
    struct wall at = now.wall;
    struct recorder_call *call = x->call;
    struct recorder_record *record = &call->record;
    struct recorder_lease by_line[LIMIT_SDP_MEDIA];
    size_t lines = recorder->ours.media_count;
    for (size_t i = 0; i < lines; i++) {
        by_line[i] = (struct recorder_lease){0};
        if (x->ticket_of[i] >= 0 || x->found[i] != SDP_MATCH_NEW)
            by_line[i] = *lease_of(x, i);
    }
    recorder_record_agree(record, &recorder->ours, answered ? &recorder->theirs : NULL, x->found,
                          at);
    for (size_t i = 0; i < lines; i++) {
        int number = x->found[i];
        if (number != SDP_MATCH_NEW) {
            call->leases[number] = by_line[i];
            recorder_note_holder(recorder, call, &by_line[i].ticket);
            tell_story(recorder, call, (unsigned)number, x->ticket_of[i] >= 0, now);
            if (answered)
                recorder_ice_settle(recorder, call, i, (unsigned)number);
            if (answered)
                note_oddities(recorder, call, (unsigned)number, at);
            recorder_post_stream(recorder, call, (unsigned)number, at, false);
            if (answered)
                recorder_ice_post_more(recorder, call, i, (unsigned)number, at);
        } else if (x->ticket_of[i] >= 0) {
            recorder_way_undo(recorder, &x->fresh[x->ticket_of[i]]);
            recorder_return_ticket(recorder, &x->fresh[x->ticket_of[i]].ticket);
        }
    }
    for (unsigned i = 0; i < record->stream_count; i++) {
        if (record->streams[i].gone && call->leases[i].held)
            post_drop(recorder, call, i, at);
    }
    x->tickets_taken = 0;
}

/* ---- Descriptions --------------------------------------------------------------------------- */

static void keep_text(struct view *kept, struct view text)
{
    char *copy = malloc(text.len + 1);
    if (!copy)
        return;
    memcpy(copy, text.at, text.len);
    free((void *)(uintptr_t)kept->at);
    *kept = view_of(copy, text.len);
}

static void warn_about(struct recorder *recorder, struct exchange *x, struct wall at)
{
    struct siprec_warnings warnings = {0};
    siprec_rules_check(&(struct siprec_content){0}, &recorder->theirs, false, &warnings);
    recorder_record_warn_siprec(&x->call->record, at, &warnings);
    if (x->refused)
        recorder_record_warn(&x->call->record, at, "no-port",
                             "no media port was free for %u added stream(s): refused", x->refused);
}

/* What the 200 says, in recorder->answer. False: with this offer there is nothing to record. */
static bool plan(struct recorder *recorder, struct exchange *x, struct view theirs)
{
    struct recorder_call *call = x->call;
    if (theirs.len) {
        sdp_session_parse(&recorder->theirs, theirs);
        sdp_answer_plan(&recorder->answer, &recorder->theirs);
        recorder_record_match(&call->record, &recorder->theirs, x->found);
        /* RFC 3264 §6: all m-lines rejected. Within a call the SRC may remove them all itself. */
        const struct sdp_answer *answer = &recorder->answer;
        return answer->accepted ||
               (!x->first && answer->removed && answer->removed == answer->count);
    }
    if (call->theirs.len) {
        sdp_session_parse(&recorder->theirs, call->theirs);
        sdp_session_parse(&recorder->ours, call->ours);
        sdp_offer_plan_again(&recorder->answer, &recorder->theirs, &recorder->ours);
        recorder_record_match(&call->record, &recorder->theirs, x->found);
    } else {
        sdp_offer_plan_new(&recorder->answer, &recorder->theirs);
        recorder_record_match(&call->record, &recorder->theirs, x->found);
    }
    return true;
}

static bool print(struct recorder *recorder, struct exchange *x, struct view *sdp)
{
    struct writer w = writer_of(recorder->text, sizeof recorder->text);
    x->origin = x->call->origin;
    bool printed = sdp_answer_print(&recorder->answer, &x->origin, &w);
    *sdp = writer_done(&w);
    return printed;
}

static bool send(struct recorder *recorder, struct exchange *x, struct recorder_now now,
                 uint64_t request, struct view *sent)
{
    struct sip_answer answer = {.status = 200,
                                .headers = recorder_trickle_headers(x->call),
                                .content_type = VIEW_LIT("application/sdp")};
    bool datagram = !sip_protocol_is_reliable(x->call->flow.protocol);
    if (!print(recorder, x, &answer.body))
        return false;
    /* A datagram that is cut into fragments may not get through a NAT (RFC 3261 §18.1.1): better
     * fewer codecs. Where that does not help, it is sent all the same. */
    for (unsigned voices = SHORT_VOICES; datagram && voices > 0; voices--) {
        if (sip_answer_size(recorder->sip, request, &answer) <= DATAGRAM_SIZE)
            break;
        if (sdp_answer_shorten(&recorder->answer, voices) && !print(recorder, x, &answer.body))
            return false;
    }
    if (datagram && sip_answer_size(recorder->sip, request, &answer) > DATAGRAM_SIZE &&
        recorder_trickle_shorten(recorder, x->call) && !print(recorder, x, &answer.body))
        return false;
    *sent = answer.body;
    return sip_answer(recorder->sip, now.tick, request, &answer);
}

unsigned recorder_call_offer(struct recorder *recorder, struct recorder_call *call,
                             struct recorder_now now, uint64_t request, struct view theirs,
                             bool *gone)
{
    struct exchange x = {
        .call = call, .first = call->record.stream_count == 0, .offered = theirs.len > 0};
    struct view sent = VIEW_NONE;
    *gone = false;
    if (!plan(recorder, &x, theirs))
        return 488;
    if (!take_ports(recorder, &x, now))
        return 503;
    /* Every line that could have been recorded was refused for want of a port. */
    if (recorder->answer.accepted == 0 && x.refused) {
        undo(recorder, &x);
        return 503;
    }
    if (!send(recorder, &x, now, request, &sent)) {
        undo(recorder, &x);
        *gone = sent.len > 0;
        return *gone ? 0 : 500;
    }
    if (x.first) {
        call->worker = x.fresh[0].ticket.worker;
        recorder_call_open(recorder, call, now.wall);
    }
    call->origin = x.origin;
    call->waits = x.waits;
    keep_text(&call->ours, sent);
    if (theirs.len) {
        keep_text(&call->theirs, theirs);
        call->offer_out = false;
        warn_about(recorder, &x, now.wall);
    } else {
        call->offer_out = true;
    }
    if (theirs.len || x.first) {
        sdp_session_parse(&recorder->ours, call->ours);
        carry_out(recorder, &x, theirs.len > 0, now);
    }
    undo(recorder, &x);
    return 0;
}

void recorder_call_answered(struct recorder *recorder, struct recorder_call *call,
                            struct recorder_now now, struct view theirs)
{
    struct exchange x = {.call = call};
    call->offer_out = false;
    sdp_session_parse(&recorder->ours, call->ours);
    sdp_session_parse(&recorder->theirs, theirs);
    recorder_record_match(&call->record, &recorder->ours, x.found);
    for (size_t i = 0; i < LIMIT_SDP_MEDIA; i++)
        x.ticket_of[i] = -1;
    for (size_t i = 0; i < recorder->ours.media_count; i++)
        recorder_ice_meet(recorder, call, now, i, x.found[i]);
    keep_text(&call->theirs, theirs);
    carry_out(recorder, &x, true, now);
}
