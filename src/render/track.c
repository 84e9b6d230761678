/* track: the second pass for one SSRC: its packets back in order, decoded, and laid on its channel.
 * Not here: the first pass (survey.h), what a frame sounds like (decoder.h), files (output.h).
 * RFC 3550 §5.1; loss, silence suppression and holds are silence, never a shift. */
#include "render/track.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct render_track *render_track_create(struct render_source *source, struct render_mix *mix,
                                         const struct render_grid *grid)
{
    struct render_track *track = calloc(1, sizeof *track);
    if (!track)
        return NULL;
    track->source = source;
    track->mix = mix;
    track->grid = *grid;
    return track;
}

void render_track_destroy(struct render_track *track)
{
    if (!track)
        return;
    render_decoder_destroy(track->decoder);
    free(track);
}

void render_track_skip(struct render_track *track)
{
    track->ordinal++;
}

static double frame_of(const struct render_track *track, struct wall at)
{
    return (double)(at.ns - track->grid.start.ns) * 1e-9 * track->grid.rate_hz;
}

static void codec_use(struct render_track *track, const struct render_held *item)
{
    bool same = track->played > 0 && render_codec_equal(&track->codec, &item->codec);
    if (same && track->resampler.channel == item->channel && track->segment == item->segment)
        return;
    if (track->played > 0)
        render_resampler_flush(&track->resampler);
    int64_t next = track->played > 0 ? track->resampler.next : INT64_MIN;
    render_resampler_init(&track->resampler, track->mix, item->channel, item->codec.audio_hz);
    /* On the same channel a sender does not talk over itself. */
    track->resampler.next = next;
    if (same)
        return;
    render_decoder_destroy(track->decoder);
    track->codec = item->codec;
    track->decoder = render_decoder_create(&item->codec);
    track->decoder_missing = !track->decoder;
}

/* All frames of a payload, as samples; silence where there is nothing to decode. */
static size_t payload_decode(struct render_track *track, const struct render_held *item)
{
    size_t count = 0;
    struct render_payload *payload = &track->payload;
    render_payload_split(payload, &item->codec, item->payload);
    track->broken += payload->broken;
    for (size_t i = 0; i < payload->count; i++) {
        const struct render_frame *frame = &payload->frames[i];
        size_t made = 0;
        if (count + RENDER_DECODED_MAX > RENDER_SOURCE)
            break;
        bool ok = frame->kind != RENDER_FRAME_SPEECH ||
                  render_decoder_input(track->decoder, frame, track->samples + count, &made);
        if (made == 0) {
            made = frame->samples < RENDER_DECODED_MAX ? frame->samples : RENDER_DECODED_MAX;
            memset(track->samples + count, 0, made * sizeof track->samples[0]);
        }
        track->refused += !ok;
        count += made;
    }
    return count;
}

/* G.722's predictor goes on from where it was, and after a pause its sender may be anywhere: begun
 * anew it is quiet for a moment, carried on it can roar. The other codecs forget by themselves. */
static void decoder_rest(struct render_track *track, const struct render_held *item)
{
    if (item->codec.kind != SDP_CODEC_G722 || !track->resampler.running)
        return;
    int64_t index = (item->rtp - item->segment->origin) * 16000 / item->segment->rate_hz;
    if (index - track->resampler.until <= track->resampler.gap_max)
        return;
    render_decoder_destroy(track->decoder);
    track->decoder = render_decoder_create(&item->codec);
    track->decoder_missing = !track->decoder;
}

static void item_play(struct render_track *track, const struct render_held *item)
{
    if (track->played > 0 && item->segment == track->segment && item->rtp <= track->rtp) {
        track->late += item->rtp != track->rtp; /* else a duplicate */
        return;
    }
    codec_use(track, item);
    track->segment = item->segment;
    track->rtp = item->rtp;
    track->seq = item->seq;
    track->played++;
    decoder_rest(track, item);
    if (track->decoder_missing) {
        track->refused++;
        return;
    }
    size_t count = payload_decode(track, item);
    if (count == 0)
        return;
    const struct render_segment *segment = item->segment;
    int64_t audio = item->codec.audio_hz, rate = segment->rate_hz;
    int64_t ticks = (int64_t)count * rate / audio;
    struct render_piece piece = {
        .index = (item->rtp - segment->origin) * audio / rate,
        .samples = track->samples,
        .count = count,
        .place = frame_of(track, item->place),
        .place_end = frame_of(track, render_segment_place(segment, item->rtp + ticks)),
        .exact = audio == track->grid.rate_hz && segment->slope == 0 && segment->knot_count == 0,
    };
    render_resampler_put(&track->resampler, &piece);
}

static void first_release(struct render_track *track)
{
    struct render_held item = track->held[0];
    track->held_count--;
    memmove(track->held, track->held + 1, track->held_count * sizeof track->held[0]);
    item_play(track, &item);
}

static bool item_follows(const struct render_track *track, const struct render_held *item)
{
    return track->played > 0 && item->segment == track->segment &&
           (uint16_t)(item->seq - track->seq) == 1;
}

static void item_hold(struct render_track *track, const struct render_held *item)
{
    size_t at = track->held_count;
    if (at == RENDER_TRACK_HELD) {
        first_release(track);
        at = track->held_count;
    }
    while (at > 0 && track->held[at - 1].place.ns > item->place.ns)
        at--;
    if (at > 0 && track->held[at - 1].rtp == item->rtp &&
        track->held[at - 1].segment == item->segment)
        return; /* a duplicate */
    memmove(track->held + at + 1, track->held + at,
            (track->held_count - at) * sizeof track->held[0]);
    track->held[at] = *item;
    track->held_count++;
}

void render_track_input(struct render_track *track, const struct render_step *step,
                        const struct render_codec *codec, uint32_t channel)
{
    struct render_stamp stamp = {
        .ordinal = track->ordinal++,
        .seq = step->packet.seq,
        .timestamp = step->packet.timestamp,
        .clock_hz = codec->clock_hz,
        .arrival = step->record.time,
    };
    struct render_held item = {
        .arrival = stamp.arrival,
        .seq = stamp.seq,
        .channel = channel,
        .codec = *codec,
        .payload = step->packet.payload,
    };
    item.segment = render_clock_find(&track->source->clock, &stamp, &item.rtp);
    if (!item.segment) {
        track->misplaced++;
        return;
    }
    item.place = render_segment_place(item.segment, item.rtp);
    if (track->held_count == 0 && item_follows(track, &item))
        item_play(track, &item);
    else
        item_hold(track, &item);
    render_track_expire(track, stamp.arrival);
}

void render_track_expire(struct render_track *track, struct wall now)
{
    while (track->held_count > 0 && (item_follows(track, &track->held[0]) ||
                                     now.ns - track->held[0].arrival.ns >= RENDER_TRACK_WAIT_NS))
        first_release(track);
}

void render_track_end(struct render_track *track)
{
    while (track->held_count > 0)
        first_release(track);
    if (track->played > 0)
        render_resampler_flush(&track->resampler);
}
