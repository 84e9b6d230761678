/* steps: plays a call's script: changes its streams and parties, and tells the SRS. Part of call.h.
 * Not here: the script's text (script.c), the messages (request.c), their transactions (dialog.c).
 * RFC 7866 §7.1.1.1 (pause, resume), §9.1 (metadata updates); RFC 3261 §14.1 (491); RFC 4028 §10.
 * */
#include <stdio.h>
#include <string.h>

#include "io/clock.h"
#include "tools/siprec-call/ice.h"
#include "tools/siprec-call/world.h"

#define DIGIT_MS       240 /* 100 ms of tone, its repeated end, a gap */
#define RETRIES_MAX    3
#define RETRY_LEAST_MS 2100 /* RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s */
#define RETRY_SPAN_MS  1900

static void result_note(struct call *call, const struct call_step *step, unsigned code, bool good,
                        struct tick now)
{
    if (!good)
        call_fail(call, "step '" VIEW_FMT "' answered %u", VIEW_ARG(step->line), code);
    if (call->step_count >= CALL_STEPS_KEPT)
        return;
    struct call_result_step *result = &call->steps[call->step_count++];
    (void)view_copy(step->line, result->line, sizeof result->line);
    result->code = code;
    result->good = good;
    result->ms = (double)tick_diff_ns(now, call->step_sent) / 1e6;
}

/* Streams a step means: walks i over them. */
static bool step_means(const struct call *call, const struct call_step *step, unsigned i)
{
    return !call->streams[i].removed &&
           (step->stream == CALL_ALL_STREAMS || (unsigned)step->stream == i);
}

static void step_send(struct call *call, const char *method, enum call_content content,
                      struct tick now)
{
    call->step_open = true;
    call->step_method = method;
    call->step_content = content;
    call->step_sent = now;
    call_request(call, method, content, now);
}

static void hold(struct call *call, const struct call_step *step, struct tick now)
{
    bool zero = view_equal(step->word, VIEW_LIT("zero")),
         leak = view_equal(step->word, VIEW_LIT("leak"));
    bool quiet = view_equal(step->word, VIEW_LIT("metadata"));
    for (unsigned i = 0; i < call->stream_count; i++) {
        if (!step_means(call, step, i))
            continue;
        call->streams[i].zero = zero;
        call->streams[i].inactive = !zero && !quiet;
        call->streams[i].sender.leak = leak;
        for (unsigned k = 0; k < call->party_count; k++)
            call->parties[k].quiet = call->parties[k].quiet || call->parties[k].stream == i;
    }
    if (quiet) {
        step_send(call, call->updates ? "UPDATE" : "INVITE", CALL_CONTENT_PARTIAL, now);
        return;
    }
    call->sdp_version++;
    step_send(call, "INVITE", zero || leak ? CALL_CONTENT_SDP : CALL_CONTENT_BOTH, now);
}

static void resume(struct call *call, const struct call_step *step, struct tick now)
{
    for (unsigned i = 0; i < call->stream_count; i++) {
        if (!step_means(call, step, i))
            continue;
        call->streams[i].zero = call->streams[i].inactive = call->streams[i].sender.leak = false;
        for (unsigned k = 0; k < call->party_count; k++)
            call->parties[k].quiet = call->parties[k].quiet && call->parties[k].stream != i;
    }
    call->sdp_version++;
    step_send(call, "INVITE", CALL_CONTENT_BOTH, now);
}

/* transfer: whoever sends the stream leaves, a new party sends it from now on; join: nobody leaves.
 * */
static void party_change(struct call *call, const struct call_step *step, struct tick now)
{
    unsigned last = call->stream_count - 1;
    unsigned stream =
        step->stream != CALL_ALL_STREAMS ? (unsigned)step->stream : (last > 0 ? 1 : 0);
    for (unsigned k = 0; step->verb == CALL_TRANSFER && k < call->party_count; k++) {
        struct call_party *party = &call->parties[k];
        if (!party->present || party->stream != stream)
            continue;
        party->present = false;
        party->leaving = true;
        party->left = io_clock_wall();
    }
    call_party_add(call, stream, true);
    bool update = view_equal(step->word, VIEW_LIT("update"));
    step_send(call, update ? "UPDATE" : "INVITE", CALL_CONTENT_PARTIAL, now);
}

static void stream_remove(struct call *call, const struct call_step *step, struct tick now)
{
    unsigned which =
        step->stream == CALL_ALL_STREAMS ? call->stream_count - 1 : (unsigned)step->stream;
    call->streams[which].removed = true;
    call_stream_close(call, &call->streams[which], now);
    for (unsigned k = 0; k < call->party_count; k++) {
        if (call->parties[k].stream == which && call->parties[k].present) {
            call->parties[k].present = false;
            call->parties[k].leaving = true;
            call->parties[k].left = io_clock_wall();
        }
    }
    call->sdp_version++;
    step_send(call, "INVITE", CALL_CONTENT_BOTH, now);
}

static void stream_new(struct call *call, struct tick now)
{
    if (!call_stream_add(call, now)) {
        call_fail(call, "no ports for one more stream");
        return;
    }
    call_party_add(call, call->stream_count - 1, true);
    call->sdp_version++;
    step_send(call, "INVITE", CALL_CONTENT_BOTH, now);
}

static void reorder(struct call *call, struct tick now)
{
    for (unsigned i = 0; i < call->stream_count / 2; i++) {
        unsigned other = call->stream_count - 1 - i, keep = call->order[i];
        call->order[i] = call->order[other];
        call->order[other] = keep;
    }
    call->sdp_version++;
    step_send(call, "INVITE", CALL_CONTENT_BOTH, now);
}

/* From when the wait before was to end: what each is late by does not add up. */
static void script_wait(struct call *call, int64_t ms)
{
    call->resume_at = tick_add_ms(call->resume_at, ms);
}

/* Steps that need no request. */
static void stream_treat(struct call *call, const struct call_step *step,
                         struct call_stream *stream)
{
    switch (step->verb) {
    case CALL_DTMF:
        if (!call_sender_digits(&stream->sender, step->word))
            call_fail(call, "stream %u: telephone-event was not agreed", stream->sender.index);
        break;
    case CALL_SILENCE:
        call_sender_talk(&stream->sender, CALL_SILENT);
        break;
    case CALL_DTX:
        call_sender_talk(&stream->sender, CALL_SUPPRESSED);
        break;
    case CALL_MUTE:
        call_sender_talk(&stream->sender, CALL_MUTED);
        break;
    case CALL_TALK:
        call_sender_talk(&stream->sender, CALL_TALKING);
        break;
    case CALL_SSRC:
        call_sender_renew(&stream->sender, &call->world->rng);
        break;
    case CALL_PORT:
        if (!call_stream_move(call, stream))
            call_fail(call, "no other port for stream %u", stream->sender.index);
        break;
    case CALL_RESTART:
        if (stream->ice)
            call_ice_restart(stream->ice);
        else
            call_fail(call, "restart: there is no ICE without --ice");
        break;
    default:
        break;
    }
}

static void streams_treat(struct call *call, const struct call_step *step, struct tick now)
{
    for (unsigned i = 0; i < call->stream_count; i++) {
        if (step_means(call, step, i))
            stream_treat(call, step, &call->streams[i]);
    }
    if (step->verb == CALL_DTMF)
        script_wait(call, (int64_t)step->word.len * DIGIT_MS + DIGIT_MS);
    if (step->verb == CALL_RESTART && !call->failed) {
        call->sdp_version++;
        step_send(call, "INVITE", CALL_CONTENT_SDP, now);
        return;
    }
    if (step->verb == CALL_PORT && !view_equal(step->word, VIEW_LIT("silent"))) {
        call->sdp_version++;
        step_send(call, "INVITE", CALL_CONTENT_SDP, now);
        return;
    }
    result_note(call, step, 0, true, now);
}

static enum call_content content_of(const struct call_step *step, enum call_content usual)
{
    return step->content == CALL_CONTENT_DEFAULT ? usual : step->content;
}

static void step_play(struct call *call, const struct call_step *step, struct tick now)
{
    call->step_sent = now;
    if (step->stream != CALL_ALL_STREAMS && (unsigned)step->stream >= call->stream_count) {
        call_fail(call, "step '" VIEW_FMT "': there is no stream %d", VIEW_ARG(step->line),
                  step->stream);
        return;
    }
    switch (step->verb) {
    case CALL_WAIT:
        script_wait(call, step->wait_ms);
        break;
    case CALL_HOLD:
        hold(call, step, now);
        break;
    case CALL_RESUME:
        resume(call, step, now);
        break;
    case CALL_TRANSFER:
    case CALL_JOIN:
        party_change(call, step, now);
        break;
    case CALL_ADD:
        stream_new(call, now);
        break;
    case CALL_REMOVE:
        stream_remove(call, step, now);
        break;
    case CALL_REORDER:
        reorder(call, now);
        break;
    case CALL_REINVITE:
        step_send(call, "INVITE", content_of(step, CALL_CONTENT_BOTH), now);
        break;
    case CALL_UPDATE:
        step_send(call, "UPDATE", content_of(step, CALL_CONTENT_METADATA), now);
        break;
    case CALL_INFO:
        step_send(call, "INFO", content_of(step, CALL_CONTENT_METADATA), now);
        break;
    case CALL_OPTIONS:
        step_send(call, "OPTIONS", CALL_CONTENT_NONE, now);
        break;
    case CALL_CANCEL: /* done when the INVITE left */
        break;
    case CALL_BYE:
        call_bye(call, now);
        break;
    case CALL_VANISH:
        for (unsigned i = 0; i < call->stream_count; i++)
            call->streams[i].sender.rtcp.port = 0; /* no farewell in RTCP either */
        call_done(call, now);
        break;
    default:
        streams_treat(call, step, now);
        break;
    }
}

static void service_send(struct call *call, const char *method, enum call_content content,
                         struct tick now)
{
    call->service_open = true;
    call->service_again = TICK_NEVER;
    call->service_method = method;
    call->service_content = content;
    call_request(call, method, content, now);
}

/* Requests the script did not ask for; true when one was sent. */
static bool service_play(struct call *call, struct tick now)
{
    if (!tick_is_never(call->service_again)) {
        if (!tick_due(call->service_again, now))
            return false;
        service_send(call, call->service_method, call->service_content, now);
    } else if (call->snapshot_wanted) {
        call->snapshot_wanted = false;
        service_send(call, call->updates ? "UPDATE" : "INVITE",
                     call->updates ? CALL_CONTENT_METADATA : CALL_CONTENT_BOTH, now);
    } else if (call_ice_tell(call)) {
        if (!call->takes_info)
            call->sdp_version++;
        service_send(call, call->takes_info ? "INFO" : "INVITE",
                     call->takes_info ? CALL_CONTENT_CANDIDATES : CALL_CONTENT_SDP, now);
        call_ice_told(call, now);
    } else if (tick_due(call->refresh_at, now)) {
        call->refresh_at = tick_add_ms(now, call->refresh_ms);
        service_send(call, call->updates ? "UPDATE" : "INVITE",
                     call->updates ? CALL_CONTENT_NONE : CALL_CONTENT_SDP, now);
    } else {
        return false;
    }
    return true;
}

/* What is asked must be answered first. */
static bool script_waits(const struct call *call)
{
    return call->step_open || call->service_open || call->invite.active || call->other.active;
}

struct tick call_script_until(const struct call *call, struct tick now)
{
    bool plays =
        call->state == CALL_UP && list_is_linked(&call->script.link) && !script_waits(call);
    return plays ? tick_min(call->script.due, now) : now;
}

static void script_play(struct call *call, struct tick now)
{
    const struct call_script *script = &call->world->script;
    while (call->state == CALL_UP && !call->step_open && !call->service_open) {
        if (call->failed) {
            call_bye(call, now);
            return;
        }
        if (script_waits(call) || service_play(call, now))
            return;
        if (!tick_due(call->resume_at, now))
            return;
        if (call->step_again) {
            call->step_again = false;
            step_send(call, call->step_method, call->step_content, now);
        } else if (call->step < script->count) {
            struct tick since = call->resume_at;
            step_play(call, &script->steps[call->step++], now);
            if (tick_diff_ns(call->resume_at, since) > 0)
                return; /* even if that is over by now: the media until then comes first */
        } else if (tick_due(call->hang_up_at, now)) {
            call_bye(call, now);
        } else {
            return;
        }
    }
}

void call_script_run(struct call *call, struct tick now)
{
    if (call->running)
        return;
    call->running = true; /* a step may be answered, and so come back here, before it returns */
    script_play(call, now);
    call->running = false;
    if (call->state != CALL_UP)
        return;
    bool more = call->step < call->world->script.count || call->step_again ||
                !tick_due(call->resume_at, now);
    struct tick due = tick_min(more ? call->resume_at : call->hang_up_at, call->refresh_at);
    due = tick_min(due, call->service_again);
    if (call->step_open || call->service_open)
        due = TICK_NEVER;
    call_wheel_set(&call->world->wheel, &call->script, due);
}

/* RFC 3261 §14.1: of who chose the Call-ID. */
static struct tick retry_at(struct call *call, struct tick now)
{
    return tick_add_ms(now, RETRY_LEAST_MS + rng_below(&call->world->rng, RETRY_SPAN_MS));
}

void call_step_answered(struct call *call, unsigned code, struct tick now)
{
    if (call->service_open) {
        call->service_open = false;
        if (code == 491)
            call->service_again = retry_at(call, now);
        else if (code / 100 != 2)
            call_problem(call, false, "a refresh, a snapshot or candidates were answered %u", code);
    } else if (call->step_open) {
        const struct call_step *step = &call->world->script.steps[call->step - 1];
        bool good = step->expect == 200 ? code / 100 == 2 : code == step->expect;
        call->step_open = false;
        call->resume_at = now;
        if (code == 491 && !good && call->retries++ < RETRIES_MAX) {
            call->step_again = true;
            call->resume_at = retry_at(call, now);
        } else {
            call->retries = 0;
            result_note(call, step, code, good, now);
            for (unsigned k = 0; k < call->party_count; k++)
                call->parties[k].joining = call->parties[k].leaving = false;
        }
    }
    call_script_run(call, now);
}
