/* world: what all calls of a run share, and the loop that moves them; see world.h.
 * Not here: what a call does.
 * RFC: none. */
#include "tools/siprec-call/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/sockaddr.h"
#include "tools/siprec-call/ice.h"

#define EVENTS_MAX   256
#define REPORT_MS    5000
#define CONNECT_MS   5000
#define MESSAGES_MAX 64 /* read at one go, so that packets keep their time */

/* Sockets of a stream are told apart by the lowest bit of the pointer kept with them. */
#define RTCP_MARK 1u

const struct call_clip *call_world_clip(const struct call_world *world, unsigned stream,
                                        const struct call_codec *codec)
{
    for (size_t i = 0; i < world->codec_count; i++) {
        if (world->codecs[i] == codec)
            return world->clips[stream % CALL_STREAMS_MAX][i];
    }
    return NULL;
}

void call_world_watch(struct call_world *world, struct call_stream *stream)
{
    struct epoll_event rtp = {.events = EPOLLIN, .data.u64 = (uint64_t)(uintptr_t)stream};
    struct epoll_event rtcp = {.events = EPOLLIN,
                               .data.u64 = (uint64_t)(uintptr_t)stream | RTCP_MARK};
    (void)epoll_ctl(world->epoll, EPOLL_CTL_ADD, stream->sender.rtp_fd, &rtp);
    (void)epoll_ctl(world->epoll, EPOLL_CTL_ADD, stream->sender.rtcp_fd, &rtcp);
}

static bool codecs_choose(struct call_world *world, char *error, size_t size)
{
    const struct call_options *options = world->options;
    struct view names = world->profile.codecs, one;
    if (options->codec_count > 0) {
        memcpy(world->codecs, options->codecs, sizeof world->codecs);
        world->codec_count = options->codec_count;
        return true;
    }
    while (view_cut(&names, ' ', &one) && world->codec_count < CALL_CODECS) {
        const struct call_codec *codec = call_codec_find(one);
        if (!codec) {
            snprintf(error, size, "profile %s: no such codec: " VIEW_FMT, world->profile.name,
                     VIEW_ARG(one));
            return false;
        }
        world->codecs[world->codec_count++] = codec;
    }
    if (world->codec_count == 0)
        world->codecs[world->codec_count++] = call_codec_find(VIEW_LIT("PCMU"));
    return true;
}

/* One channel of one file feeds all streams; several channels or several files feed one stream
 * each. */
static struct call_clip *clip_make(const struct call_options *options,
                                   const struct call_codec *codec, unsigned stream, char *error,
                                   size_t size)
{
    if (options->audio_count == 0)
        return call_clip_tone(codec, call_tone_hz(stream), error, size);
    size_t file = stream % options->audio_count;
    unsigned channel = options->audio_count > 1 ? 0 : stream;
    return call_clip_file(codec, options->audio[file], channel, error, size);
}

/* Also for streams a script adds later. */
static bool clips_make(struct call_world *world, char *error, size_t size)
{
    unsigned need = world->streams;
    for (size_t i = 0; i < world->script.count; i++)
        need += world->script.steps[i].verb == CALL_ADD ? 1 : 0;
    if (need > CALL_STREAMS_MAX) {
        snprintf(error, size, "at most %d streams a call", CALL_STREAMS_MAX);
        return false;
    }
    for (unsigned stream = 0; stream < need; stream++) {
        for (size_t i = 0; i < world->codec_count; i++) {
            world->clips[stream][i] =
                clip_make(world->options, world->codecs[i], stream, error, size);
            if (!world->clips[stream][i])
                return false;
        }
    }
    return true;
}

static void seed_take(struct call_world *world)
{
    uint8_t seed[32];
    if (world->options->seed_given) {
        rng_init_number(&world->rng, world->options->seed);
        return;
    }
    io_clock_seed(seed, sizeof seed);
    rng_init(&world->rng, seed);
}

/* Reads what is to be played. */
static bool texts_load(struct call_world *world, char *error, size_t size)
{
    const struct call_options *options = world->options;
    if (!call_profile_load(&world->profile, options->profile, error, size))
        return false;
    if (options->script && !call_script_load(&world->script, options->script, error, size))
        return false;
    world->noise = options->impairment.dtx;
    for (size_t i = 0; i < world->script.count; i++)
        world->noise = world->noise || world->script.steps[i].verb == CALL_DTX;
    world->streams = options->streams > 0 ? options->streams : world->profile.streams;
    if (world->streams == 0)
        world->streams = 2;
    return codecs_choose(world, error, size) && clips_make(world, error, size);
}

static bool wire_open(struct call_world *world, char *error, size_t size)
{
    const struct call_options *options = world->options;
    struct call_wire *wire = &world->wire;
    struct addr local = options->local;
    wire->transport = options->transport;
    if (!call_net_resolve(options->host, options->port, &wire->peer, error, size))
        return false;
    if (!addr_is_set(&local) && !io_sockaddr_local_for(&wire->peer, &local)) {
        snprintf(error, size, "%s: no route", addr_print(&wire->peer).s);
        return false;
    }
    struct call_secure_options secure = {
        .host = options->host, .ca = options->tls_ca, .certificate = options->tls_certificate};
    if (!call_wire_open(wire, &local, &secure, CONNECT_MS, error, size))
        return false;
    world->media_ip = addr_with_port(local, 0);
    world->said_ip = addr_is_set(&world->options->say) ? world->options->say : world->media_ip;
    struct epoll_event event = {.events = world->wire_events = EPOLLIN, .data.u64 = 0};
    if (wire->listener >= 0)
        (void)epoll_ctl(world->epoll, EPOLL_CTL_ADD, wire->listener, &event);
    return epoll_ctl(world->epoll, EPOLL_CTL_ADD, wire->fd, &event) == 0;
}

bool call_world_open(struct call_world *world, const struct call_options *options,
                     bool *unreachable, char *error, size_t size)
{
    *unreachable = false;
    world->options = options;
    world->wire.fd = world->wire.listener = world->epoll = -1;
    world->ports = options->ports;
    seed_take(world);
    world->scratch = malloc(CALL_SCRATCH_BYTES);
    world->values = malloc(CALL_SCRATCH_BYTES);
    world->part = malloc(CALL_SCRATCH_BYTES);
    world->builder = call_builder_create();
    world->calls = calloc(options->calls, sizeof(struct call *));
    if (!world->scratch || !world->values || !world->part || !world->builder || !world->calls) {
        snprintf(error, size, "out of memory");
        return false;
    }
    if (!texts_load(world, error, size))
        return false;
    *unreachable = true;
    /* Two sockets a stream, and some. */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    world->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (world->epoll < 0 || !wire_open(world, error, size))
        return false;
    world->now = world->began = io_clock_tick();
    call_wheel_init(&world->wheel, world->now);
    world->start = (struct call_alarm){.kind = CALL_ALARM_START};
    return true;
}

void call_world_close(struct call_world *world)
{
    for (unsigned i = 0; world->calls && i < world->started; i++) {
        call_finish(world->calls[i]);
        free(world->calls[i]);
    }
    free(world->calls);
    for (unsigned stream = 0; stream < CALL_STREAMS_MAX; stream++) {
        for (size_t i = 0; i < CALL_CODECS; i++)
            call_clip_destroy(world->clips[stream][i]);
    }
    call_wire_close(&world->wire);
    if (world->epoll >= 0)
        close(world->epoll);
    call_profile_finish(&world->profile);
    call_script_finish(&world->script);
    free(world->builder);
    free(world->scratch);
    free(world->values);
    free(world->part);
}

/* Calls leave at an even pace, whatever became of the ones before. */
static void calls_start(struct call_world *world)
{
    const struct call_options *options = world->options;
    while (world->started < options->calls) {
        struct tick due =
            tick_add_ns(world->began, (int64_t)((double)world->started / options->rate * 1e9));
        if (!tick_due(due, world->now)) {
            call_wheel_set(&world->wheel, &world->start, due);
            return;
        }
        struct call *call = calloc(1, sizeof *call);
        if (!call)
            abort();
        world->calls[world->started] = call;
        world->started++;
        if (!call_begin(call, world, world->started - 1, world->now))
            call_done(call, world->now);
    }
}

static void alarm_ring(struct call_world *world, struct call_alarm *alarm)
{
    const struct call_impairment *how = &world->options->impairment;
    struct call_stream *stream = alarm->owner;
    int64_t late = tick_diff_ms(world->now, alarm->due);
    if (late > world->late_ms)
        world->late_ms = late;
    switch (alarm->kind) {
    case CALL_ALARM_START:
        calls_start(world);
        break;
    case CALL_ALARM_SIP:
        call_expire(alarm->owner, world->now);
        break;
    case CALL_ALARM_SCRIPT:
        call_script_run(alarm->owner, world->now);
        break;
    case CALL_ALARM_MEDIA:
        call_wheel_set(&world->wheel, alarm,
                       call_sender_run(&stream->sender, how, &world->rng,
                                       call_script_until(stream->call, world->now)));
        break;
    case CALL_ALARM_ICE:
        call_ice_expire(stream->ice, world->now);
        break;
    case CALL_ALARM_CONTROL:
        call_sender_report(&stream->sender, io_clock_wall(), world->now, false);
        call_wheel_set(&world->wheel, alarm,
                       tick_add_ms(world->now, REPORT_MS / 2 + rng_below(&world->rng, REPORT_MS)));
        break;
    }
}

/* The Call-ID begins with the call's number. */
static struct call *call_find(const struct call_world *world, struct view id)
{
    struct view number = view_take(id, view_find_char(id, '-'));
    uint32_t i = 0;
    if (!view_parse_u32(number, &i) || i >= world->started)
        return NULL;
    return view_equal(id, view_of_string(world->calls[i]->call_id)) ? world->calls[i] : NULL;
}

static void wire_read(struct call_world *world)
{
    char *bytes;
    size_t len;
    struct addr from;
    for (int i = 0; i < MESSAGES_MAX && call_wire_receive(&world->wire, &bytes, &len, &from); i++) {
        struct call_message message;
        if (!call_message_parse(&message, bytes, len))
            continue;
        struct call *call = call_find(world, message.call_id);
        world->now = io_clock_tick();
        if (call)
            call_input(call, &message, &from, world->now);
    }
    if (call_wire_renew(&world->wire, world->now, CONNECT_MS)) {
        struct epoll_event event = {.events = world->wire_events = EPOLLIN, .data.u64 = 0};
        (void)epoll_ctl(world->epoll, EPOLL_CTL_ADD, world->wire.fd, &event);
    }
    if (!world->wire.fault)
        return;
    for (unsigned i = 0; i < world->started; i++)
        call_lost(world->calls[i], strerror(world->wire.fault), world->now);
    if (world->wire.transport == CALL_UDP) {
        world->wire.fault = 0;
        return;
    }
    (void)epoll_ctl(world->epoll, EPOLL_CTL_DEL, world->wire.fd, NULL);
}

/* What the kernel would not take is sent when it would. */
static void wire_watch(struct call_world *world)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0};
    if (call_wire_is_pending(&world->wire))
        event.events |= EPOLLOUT;
    if (event.events == world->wire_events || world->wire.fault)
        return;
    world->wire_events = event.events;
    (void)epoll_ctl(world->epoll, EPOLL_CTL_MOD, world->wire.fd, &event);
}

static void events_take(struct call_world *world, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t key = events[i].data.u64;
        struct call_stream *stream = (struct call_stream *)(uintptr_t)(key & ~(uint64_t)RTCP_MARK);
        if (!stream)
            wire_read(world);
        else if (stream->ice)
            call_ice_receive(stream->ice, (key & RTCP_MARK) != 0, world->now);
        else if (stream->sender.rtp_fd >= 0)
            call_sender_receive(&stream->sender, (key & RTCP_MARK) != 0);
    }
}

void call_world_run(struct call_world *world)
{
    struct epoll_event events[EVENTS_MAX];
    calls_start(world);
    while (world->done < world->options->calls) {
        wire_watch(world);
        int wait = call_wheel_wait_ms(&world->wheel, world->now, 100);
        int count = epoll_wait(world->epoll, events, EVENTS_MAX, wait);
        world->now = io_clock_tick();
        events_take(world, events, count > 0 ? count : 0);
        if (tick_due(call_wire_deadline(&world->wire), world->now))
            wire_read(world);
        struct list due;
        list_init(&due);
        call_wheel_advance(&world->wheel, world->now, &due);
        struct list *at;
        while ((at = list_first(&due))) {
            list_remove(at);
            alarm_ring(world, container_of(at, struct call_alarm, link));
        }
    }
}
