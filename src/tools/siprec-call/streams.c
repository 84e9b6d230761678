/* streams: the parties and streams of a call come and go. Part of call.h.
 * Not here: packets (sender.c), telling the SRS (steps.c).
 * RFC 7866 §7.1.1, 4574 (labels). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "tools/siprec-call/ice.h"
#include "tools/siprec-call/world.h"

/* RFC 3550 §6.2: five seconds, times 0.5 to 1.5 so that reports do not fall into step. */
#define REPORT_MS 5000

static void label_make(struct call *call, struct call_stream *stream, unsigned index)
{
    const struct call_profile *profile = &call->world->profile;
    uint64_t number = 0;
    if (index < profile->label_count) {
        (void)view_copy(profile->labels[index], stream->label, sizeof stream->label);
        return;
    }
    /* Behind the profile's list its last number counts on. */
    if (profile->label_count == 0)
        number = index;
    else if (!view_parse_u64(profile->labels[profile->label_count - 1], &number))
        number = 100;
    else
        number += index - profile->label_count;
    snprintf(stream->label, sizeof stream->label, "%llu", (unsigned long long)(number + 1));
}

/* --send-from and --latch: an SRC that is not symmetric, or follows what it hears. */
static bool manner_take(struct call_stream *stream, const struct call_world *world)
{
    const struct call_options *options = world->options;
    stream->sender.latches = options->latch;
    if (!options->send_from_port && !addr_is_set(&options->send_from))
        return true;
    stream->sender.other_fd =
        call_net_udp(options->send_from_port ? &world->media_ip : &options->send_from, 0);
    return stream->sender.other_fd >= 0;
}

bool call_stream_add(struct call *call, struct tick now)
{
    struct call_world *world = call->world;
    int fds[2];
    uint16_t port = 0;
    if (call->stream_count >= CALL_STREAMS_MAX ||
        !call_net_pair(&world->ports, &world->media_ip, fds, &port))
        return false;
    unsigned index = call->stream_count++;
    struct call_stream *stream = &call->streams[index];
    *stream = (struct call_stream){.call = call};
    rng_bytes(&world->rng, stream->id, sizeof stream->id);
    label_make(call, stream, index);
    struct addr local = addr_with_port(world->media_ip, port);
    call_sender_init(&stream->sender, index, fds, &local, &world->rng);
    if (!manner_take(stream, world)) {
        call_sender_close(&stream->sender);
        call->stream_count--;
        return false;
    }
    stream->media = (struct call_alarm){.kind = CALL_ALARM_MEDIA, .owner = stream};
    stream->control = (struct call_alarm){.kind = CALL_ALARM_CONTROL, .owner = stream};
    call->order[index] = index;
    call_world_watch(world, stream);
    if (world->options->ice == CALL_ICE_NONE)
        return true;
    stream->sender.loose = true;
    stream->ice = call_ice_create(stream);
    return stream->ice;
}

void call_stream_finish(struct call_stream *stream)
{
    call_ice_destroy(stream->ice);
    stream->ice = NULL;
    call_sender_close(&stream->sender);
}

bool call_stream_move(struct call *call, struct call_stream *stream)
{
    struct call_world *world = call->world;
    int fds[2];
    uint16_t port = 0;
    if (!call_net_pair(&world->ports, &world->media_ip, fds, &port))
        return false;
    struct addr rtp = stream->sender.rtp;
    call_sender_close(&stream->sender);
    stream->sender.rtp_fd = fds[0];
    stream->sender.rtcp_fd = fds[1];
    stream->sender.local.port = port;
    call_world_watch(world, stream);
    if (stream->ice) { /* RFC 8839 §4.4.1.1.1: other addresses are a restart */
        call_ice_destroy(stream->ice);
        stream->ice = call_ice_create(stream);
        stream->sender.rtp.port = stream->sender.rtcp.port = 0;
        return stream->ice;
    }
    return call_sender_aim(&stream->sender, &rtp, &stream->sender.rtcp);
}

void call_stream_close(struct call *call, struct call_stream *stream, struct tick now)
{
    struct call_world *world = call->world;
    if (stream->sender.rtp_fd < 0)
        return;
    call_sender_report(&stream->sender, io_clock_wall(), now, true);
    call_wheel_set(&world->wheel, &stream->media, TICK_NEVER);
    call_wheel_set(&world->wheel, &stream->control, TICK_NEVER);
    call_sender_receive(&stream->sender, true);
    call_sender_receive(&stream->sender, false);
    if (stream->ice)
        call_ice_stop(stream->ice); /* it still has to be reported */
    call_sender_close(&stream->sender);
}

void call_streams_start(struct call *call, struct tick now)
{
    struct call_world *world = call->world;
    if (call->state != CALL_UP)
        return;
    for (unsigned i = 0; i < call->stream_count; i++) {
        struct call_stream *stream = &call->streams[i];
        if (stream->removed || stream->rejected || !stream->sender.clip)
            continue;
        if (stream->sender.interval_ns == 0) {
            call_sender_start(&stream->sender, &world->options->impairment, now);
            call_wheel_set(
                &world->wheel, &stream->control,
                tick_add_ms(now, REPORT_MS / 10 + rng_below(&world->rng, REPORT_MS / 5)));
        }
        call_wheel_set(&world->wheel, &stream->media, now);
    }
}

void call_party_add(struct call *call, unsigned stream, bool joining)
{
    if (call->party_count >= CALL_PARTIES_MAX)
        return;
    struct call_party *party = &call->parties[call->party_count];
    *party = (struct call_party){
        .number = call->party_count, .stream = stream, .present = true, .joining = joining};
    party->joined = party->left = io_clock_wall();
    rng_bytes(&call->world->rng, party->id, sizeof party->id);
    call->party_count++;
}
