/* judge: an SRS's answer against our offer, and what it means for the streams. Part of call.h.
 * Not here: reading SDP (answer.c).
 * RFC 3264 §6, §6.1, §8; RFC 7866 §7.1 (label, direction), §8.1.8; RFC 8866 §5.2 (o=). */
#include <stdio.h>
#include <string.h>

#include "tools/siprec-call/ice.h"
#include "tools/siprec-call/world.h"

/* Does a blank-separated list hold word? */
static bool list_has(struct view list, struct view word)
{
    struct view one;
    while (view_cut(&list, ' ', &one)) {
        if (view_equal(one, word))
            return true;
    }
    return false;
}

static enum call_direction direction_for(enum call_direction offered)
{
    if (offered == CALL_INACTIVE)
        return CALL_INACTIVE;
    return offered == CALL_RECVONLY ? CALL_SENDONLY : CALL_RECVONLY;
}

static void media_judge(struct call *call, size_t i, const struct call_media *ours,
                        const struct call_media *theirs)
{
    struct view formats = theirs->formats, one;
    if (!view_equal(ours->kind, theirs->kind))
        call_problem(call, true, "m-line %zu: " VIEW_FMT " answered as " VIEW_FMT, i,
                     VIEW_ARG(ours->kind), VIEW_ARG(theirs->kind));
    if (ours->rtp.port == 0 && theirs->rtp.port != 0)
        call_problem(call, true, "m-line %zu: offered with port 0, answered with port %u", i,
                     theirs->rtp.port);
    if (theirs->rtp.port == 0)
        return;
    while (view_cut(&formats, ' ', &one)) {
        if (!list_has(ours->formats, one))
            call_problem(call, true, "m-line %zu: format " VIEW_FMT " was not offered", i,
                         VIEW_ARG(one));
    }
    /* RFC 3264 §8.4: c=0.0.0.0 holds too, whatever the direction says; both answers are in use. */
    bool held = addr_is_unspecified(&ours->rtp) && theirs->direction == CALL_INACTIVE;
    if (theirs->direction != direction_for(ours->direction) && !held)
        call_problem(call, true, "m-line %zu: offered %s, answered %s", i,
                     call_direction_name(ours->direction), call_direction_name(theirs->direction));
    if (ours->label.len > 0 && !view_equal(ours->label, theirs->label))
        call_problem(call, false, "m-line %zu: label " VIEW_FMT " answered as '" VIEW_FMT "'", i,
                     VIEW_ARG(ours->label), VIEW_ARG(theirs->label));
    if (theirs->rtp.port % 2 != 0 && !theirs->mux) /* RFC 3550 §11: of a pair of ports */
        call_problem(call, false, "m-line %zu: RTP port %u is odd", i, theirs->rtp.port);
    if (!addr_is_set(&theirs->rtp) || addr_is_unspecified(&theirs->rtp))
        call_problem(call, theirs->direction == CALL_RECVONLY, "m-line %zu: no address to send to",
                     i);
}

/* o=: the same session, and a version one higher when, and only when, the SDP changed (RFC 3264
 * §8). */
static void origin_judge(struct call *call, const struct call_answer *ours,
                         const struct call_answer *theirs, uint64_t hash)
{
    struct view before = view_of_string(call->origin), now = theirs->origin, old[3], new[3];
    if (view_equal(ours->origin, now))
        call_problem(call, false, "the answer copies our o= line");
    for (unsigned i = 0; i < 3; i++) {
        view_cut(&before, ' ', &old[i]);
        view_cut(&now, ' ', &new[i]);
    }
    uint64_t was = 0, is = 0;
    if (call->origin[0] == '\0' || !view_parse_u64(old[2], &was) || !view_parse_u64(new[2], &is))
        return;
    if (!view_equal(old[0], new[0]) || !view_equal(old[1], new[1]))
        call_problem(call, false, "the answer's o= names another session than before");
    else if (is != was + (hash != call->answer_hash ? 1 : 0))
        call_problem(call, false, "o= version went from %llu to %llu though the SDP %s",
                     (unsigned long long)was, (unsigned long long)is,
                     hash != call->answer_hash ? "changed" : "did not change");
}

/* FNV-1a over what an answer says, apart from o=: enough to see whether it changed. */
static uint64_t answer_hash(const struct call_answer *answer)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < answer->count && i < CALL_MEDIA_MAX; i++) {
        const struct call_media *media = &answer->media[i];
        for (size_t k = 0; k < media->attributes.len; k++)
            hash = (hash ^ (uint8_t)media->attributes.at[k]) * UINT64_C(1099511628211);
        for (size_t k = 0; k < sizeof media->rtp.ip; k++)
            hash = (hash ^ media->rtp.ip[k]) * UINT64_C(1099511628211);
    }
    return hash;
}

void call_answer_judge(struct call *call, const struct call_answer *offer,
                       const struct call_answer *answer)
{
    if (offer->count != answer->count)
        call_problem(call, true, "%zu m-lines offered, %zu answered", offer->count, answer->count);
    bool any = false;
    for (size_t i = 0; i < offer->count && i < answer->count && i < CALL_MEDIA_MAX; i++) {
        media_judge(call, i, &offer->media[i], &answer->media[i]);
        any = any || answer->media[i].rtp.port != 0 || offer->media[i].rtp.port == 0;
    }
    if (!any)
        call_problem(call, true, "every m-line was rejected");
    uint64_t hash = answer_hash(answer);
    origin_judge(call, offer, answer, hash);
    call->answer_hash = hash;
    if (!view_copy(answer->origin, call->origin, sizeof call->origin))
        call->origin[0] = '\0';
}

/* The stream of m-line i. */
static struct call_stream *stream_of(struct call *call, const struct call_answer *offer, size_t i)
{
    if (!offer)
        return i < call->stream_count ? &call->streams[call->order[i]] : NULL;
    if (offer->media[i].mid.len > 0)
        return call_ice_stream(call, offer->media[i].mid);
    for (unsigned k = 0; k < call->stream_count; k++) {
        struct call_stream *stream = &call->streams[k];
        if (offer->media[i].rtp.port != 0 && stream->sender.local.port == offer->media[i].rtp.port)
            return stream;
    }
    return NULL;
}

/* Number of a payload type in the m-line by its encoding; CALL_NO_TYPE without. */
static uint8_t type_of(const struct call_media *media, struct view encoding)
{
    struct view formats = media->formats, one;
    uint16_t number = 0;
    while (view_cut(&formats, ' ', &one)) {
        if (view_parse_u16(one, &number) && number < 128 &&
            view_starts_with_nocase(call_media_rtpmap(media, (uint8_t)number), encoding))
            return (uint8_t)number;
    }
    return CALL_NO_TYPE;
}

/* The first format of theirs that we have sound for. Its meaning is the offer's (RFC 3264 §6.1: an
 * answer's number means what the offer's did). */
static void codec_choose(struct call *call, struct call_stream *stream,
                         const struct call_media *meaning, const struct call_media *theirs)
{
    struct call_sender *sender = &stream->sender;
    struct view formats = theirs->formats, one;
    uint16_t number = 0;
    const struct call_clip *clip = NULL;
    while (!clip && view_cut(&formats, ' ', &one)) {
        if (!view_parse_u16(one, &number) || number > 127)
            continue;
        const struct call_codec *codec =
            call_codec_by_rtpmap(call_media_rtpmap(meaning, (uint8_t)number));
        clip = codec ? call_world_clip(call->world, sender->index, codec) : NULL;
    }
    if (!clip) {
        call_problem(call, true, "stream %u: no codec answered that we can send", sender->index);
        return;
    }
    sender->payload_type = (uint8_t)number;
    if (sender->clip != clip)
        sender->position = 0;
    sender->clip = clip;
    sender->noise_type = list_has(theirs->formats, VIEW_LIT("13")) ? 13 : CALL_NO_TYPE;
    uint8_t events = type_of(meaning, VIEW_LIT("telephone-event/"));
    char text[8];
    snprintf(text, sizeof text, "%u", events);
    sender->events_type = list_has(theirs->formats, view_of_string(text)) ? events : CALL_NO_TYPE;
}

static void stream_aim(struct call *call, struct call_stream *stream,
                       const struct call_media *theirs)
{
    struct call_sender *sender = &stream->sender;
    if (!addr_is_set(&theirs->rtp) || addr_is_unspecified(&theirs->rtp))
        return;
    if (sender->rtp_fd < 0)
        return; /* we have hung up: their request crossed our BYE */
    if (addr_equal(&sender->rtp, &theirs->rtp) && addr_equal(&sender->rtcp, &theirs->rtcp))
        return;
    if (!call_sender_aim(sender, &theirs->rtp, &theirs->rtcp))
        call_problem(call, true, "stream %u: cannot send to %s", sender->index,
                     addr_print(&sender->rtp).s);
}

void call_answer_apply(struct call *call, const struct call_answer *offer,
                       const struct call_answer *answer)
{
    for (size_t i = 0; i < answer->count && i < CALL_MEDIA_MAX && (!offer || i < offer->count);
         i++) {
        const struct call_media *theirs = &answer->media[i];
        struct call_stream *stream = stream_of(call, offer, i);
        if (!stream || stream->removed)
            continue;
        stream->answered = theirs->rtp;
        stream->answered_direction = theirs->direction;
        stream->rejected = theirs->rtp.port == 0;
        stream->sender.agreed = false;
        if (stream->rejected)
            continue;
        if (!offer && theirs->label.len > 0)
            (void)view_copy(theirs->label, stream->label, sizeof stream->label);
        codec_choose(call, stream, offer ? &offer->media[i] : theirs, theirs);
        stream->muxed = theirs->mux;
        if (!stream->ice || !call_ice_answer(stream->ice, answer, theirs, call->world->now))
            stream_aim(call, stream, theirs);
        bool wanted = theirs->direction == CALL_RECVONLY || theirs->direction == CALL_SENDRECV;
        stream->sender.agreed =
            wanted && call_stream_direction(stream) == CALL_SENDONLY && !stream->zero;
    }
    if (!offer && answer->count != call->stream_count)
        call_problem(call, false, "the SRS offered %zu m-lines for our %u streams", answer->count,
                     call->stream_count);
}
