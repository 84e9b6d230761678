/* media: commands in, datagrams to their streams, and bytes, packets, events and ports out.
 * Not here: what a stream does with a datagram (stream.c, control.c), the journal (book.c).
 * RFC 3264 §5.1 (media may come before the ACK), 7866. */
#include "media/media.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "base/sightings.h"
#include "media/ice.h"
#include "media/shared.h"
#include "rtp/demux.h"

#define COUNT_EVERY_MS 1000 /* how old the API's counters of a call going on may be */
#define EVENTS         1024
#define EVENTS_MAX     65536
/* Most events that one datagram can make: its digits, and first, moved, foreign, overflow. */
#define EVENTS_A_DATAGRAM (RTP_DTMF_DIGITS_MAX + 5)

/* ---- Making and unmaking -------------------------------------------------------------------- */

static bool make_pools(struct media *media)
{
    const struct media_config *config = &media->config;
    media->event_room = EVENTS;
    media->recordings = pool_create(sizeof(struct media_recording), config->recordings);
    media->streams = pool_create(sizeof(struct media_stream), config->streams);
    media->ports = calloc(config->ports, sizeof *media->ports);
    media->events = calloc(media->event_room, sizeof *media->events);
    media->released = calloc(config->ports, sizeof *media->released);
    media->relays = calloc(config->relays + 1, sizeof *media->relays);
    media->left = calloc(config->relays + 1, sizeof *media->left);
    struct media_ports_options seen = {.ports = config->ports, .workers = config->workers};
    rng_bytes(&media->rng, seen.seed, sizeof seen.seed);
    media->seen = media_port_create(&seen);
    if (config->shared && !(media->shared = ice_mux_create(config->shared, &media->rng)))
        return false;
    return media->recordings && media->streams && media->ports && media->events &&
           media->released && media->seen &&
           map_init(&media->by_name, config->recordings, &media->rng) &&
           timers_init(&media->timers, (size_t)config->recordings + config->streams);
}

struct media *media_create(const struct media_config *config)
{
    assert(config->recordings && config->streams && config->ports);
    struct media *media = calloc(1, sizeof *media);
    if (!media)
        return NULL;
    media->config = *config;
    rng_init(&media->rng, config->seed);
    list_init(&media->dirty);
    list_init(&media->ready);
    list_init(&media->closing);
    list_init(&media->closed);
    list_init(&media->wanting);
    if (!make_pools(media)) {
        media_destroy(media);
        return NULL;
    }
    return media;
}

void media_destroy(struct media *media)
{
    if (!media)
        return;
    free(media->lent_chunk);
    uint32_t index = 0;
    struct pool_id id;
    struct media_recording *recording;
    while (media->recordings && (recording = pool_next(media->recordings, &index, &id))) {
        media_book_finish(recording);
        free(recording->farewell);
    }
    struct media_stream *stream;
    for (index = 0; media->streams && (stream = pool_next(media->streams, &index, &id));)
        media_ice_finish(media, stream);
    ice_mux_destroy(media->shared);
    map_finish(&media->by_name);
    timers_finish(&media->timers);
    pool_destroy(media->recordings);
    pool_destroy(media->streams);
    free(media->ports);
    media_port_destroy(media->seen);
    free(media->events);
    free(media->released);
    free(media->relays);
    free(media->left);
    free(media);
}

void media_command_finish(struct media_command *command)
{
    if (command->kind == MEDIA_STREAM) {
        ice_destroy(command->stream.ice);
        command->stream.ice = NULL;
    }
    free(command->bytes);
    command->bytes = NULL;
    command->len = 0;
}

/* ---- Small things that all parts use -------------------------------------------------------- */

void media_clock(struct media *media, const struct moment *now)
{
    media->swept_at = media->clock.tick;
    media->clock = *now;
}

struct wall media_wall(const struct media *media, struct tick now)
{
    return moment_wall(&media->clock, now);
}

struct tick media_arrival(const struct media *media, struct tick now, struct wall at)
{
    struct tick arrival = moment_tick(&media->clock, at);
    if (tick_before(arrival, media->swept_at))
        arrival =
            media->swept_at; /* or that sweep would have had it: the clock was set meanwhile */
    return tick_min(arrival, now);
}

/* Who takes them may be behind. Timers and commands may tell more than there is room for; datagrams
 * do not, beyond what any load explains: media_input() stops before. */
static bool grow_events(struct media *media)
{
    size_t room = media->event_room * 2;
    struct media_event *events = calloc(room, sizeof *events);
    if (!events)
        return false;
    for (size_t i = 0; i < media->event_count; i++)
        events[i] = media->events[(media->event_first + i) % media->event_room];
    free(media->events);
    media->events = events;
    media->event_first = 0;
    media->event_room = room;
    return true;
}

static bool has_event_room(struct media *media)
{
    return media->event_room - media->event_count >= EVENTS_A_DATAGRAM ||
           (media->event_room < EVENTS_MAX && grow_events(media));
}

static void push_event(struct media *media, const struct media_event *event)
{
    if (media->event_count == media->event_room && !grow_events(media))
        return;
    size_t at = (media->event_first + media->event_count++) % media->event_room;
    media->events[at] = *event;
}

void media_tell(struct media *media, const struct media_stream *stream, struct media_event event)
{
    event.recording = stream->recording->name;
    event.stream = stream->facts.stream;
    event.counters = stream->counters;
    push_event(media, &event);
}

void media_ready(struct media *media, struct media_stream *stream)
{
    if (stream->lent && !list_is_linked(&stream->ready))
        list_append(&media->ready, &stream->ready);
}

void media_recording_touch(struct media *media, struct media_recording *recording)
{
    if (!list_is_linked(&recording->dirty))
        list_append(&media->dirty, &recording->dirty);
}

void media_recording_fail(struct media *media, struct media_recording *recording, int error)
{
    if (recording->failed)
        return;
    recording->failed = true;
    if (media->lent_buffer == recording)
        media->lent_buffer = NULL;
    while (recording->chunks) {
        struct media_chunk *chunk = recording->chunks;
        recording->chunks = chunk->next;
        free(chunk);
    }
    recording->chunks_end = &recording->chunks;
    journal_writer_clear(&recording->journal);
    push_event(media, &(struct media_event){.kind = MEDIA_EVENT_FAILED,
                                            .recording = recording->name,
                                            .at = media->clock.wall,
                                            .error = error,
                                            .nothing_kept = !recording->written});
}

void media_stream_arm(struct media *media, struct media_stream *stream)
{
    struct tick next = tick_min(stream->silent_at, stream->control_at);
    next = tick_min(next, tick_min(stream->look_at, media_ice_deadline(stream)));
    next = tick_min(next, tick_min(media_course_deadline(stream), stream->leaves_at));
    timers_set(&media->timers, &stream->timer.timer, tick_min(next, stream->drop_at));
}

/* What the last media_write() lent is the file's now, unless media_write_failed() came first. */
static void settle(struct media *media)
{
    if (media->lent_to)
        media->lent_to->written = true;
    media->lent_to = NULL;
    free(media->lent_chunk);
    media->lent_chunk = NULL;
    if (media->lent_buffer)
        journal_writer_clear(&media->lent_buffer->journal);
    media->lent_buffer = NULL;
}

static struct media_recording *find_recording(const struct media *media, struct pool_id name)
{
    struct map_node *node = map_find(&media->by_name, view_of(&name.value, sizeof name.value));
    return node ? container_of(node, struct media_recording, node) : NULL;
}

/* ---- Commands ------------------------------------------------------------------------------- */

static void open_recording(struct media *media, const struct media_command *command)
{
    struct pool_id id;
    struct media_recording *recording = pool_take(media->recordings, &id);
    char *buffer = recording ? malloc(MEDIA_BUFFER_SIZE) : NULL;
    if (!buffer) {
        if (recording)
            pool_give(media->recordings, id);
        push_event(media, &(struct media_event){.kind = MEDIA_EVENT_FAILED,
                                                .recording = command->recording,
                                                .at = command->at,
                                                .error = ENOMEM,
                                                .nothing_kept = true});
        return;
    }
    recording->id = id;
    recording->name = command->recording;
    recording->open = command->open;
    recording->buffer = buffer;
    recording->chunks_end = &recording->chunks;
    recording->timer.recording = recording;
    rng_text(&media->rng, recording->cname, sizeof recording->cname - 1);
    map_insert(&media->by_name, &recording->node,
               view_of(&recording->name.value, sizeof recording->name.value));
    media_book_open(media, recording, view_of(command->bytes, command->len));
}

static struct media_stream *new_stream(struct media *media, struct media_recording *recording,
                                       const struct media_stream_facts *facts, struct tick now)
{
    struct pool_id id;
    struct media_stream *stream = pool_take(media->streams, &id);
    if (!stream)
        return NULL;
    stream->id = id;
    stream->recording = recording;
    stream->facts = *facts;
    stream->timer.stream = stream;
    stream->interface = stream->apart = MEDIA_NO_INTERFACE;
    media_stream_start(media, stream, now);
    recording->streams[facts->stream] = stream;
    return stream;
}

static void allow_codecs(struct media_stream *stream)
{
    rtp_source_allow_none(&stream->source);
    memset(stream->digit_types, 0, sizeof stream->digit_types);
    for (unsigned i = 0; i < stream->facts.codec_count; i++) {
        const struct media_codec *codec = &stream->facts.codecs[i];
        rtp_source_allow(&stream->source, codec->payload_type);
        if (codec->kind == MEDIA_DIGITS)
            stream->digit_types[codec->payload_type >> 6 & 1] |= UINT64_C(1)
                                                                 << (codec->payload_type & 63);
    }
    if (addr_is_set(&stream->facts.signalled))
        rtp_source_trust(&stream->source, &stream->facts.signalled);
}

static void mark_pause(struct media *media, struct media_stream *stream, struct tick now,
                       struct wall at)
{
    bool paused = stream->facts.paused, first = stream->switch_count == 0;
    if (!first && stream->switches[stream->switch_count - 1].paused == paused)
        return;
    media_stream_pause(stream, now, at, paused);
    if (first && !paused)
        return;
    media_stream_digits(media, stream, at, true);
    char text[128];
    struct journal_event line =
        journal_event_begin(text, sizeof text, paused ? JOURNAL_EVENT_PAUSE : JOURNAL_EVENT_RESUME);
    journal_event_put_text(&line, "label", view_of_string(stream->facts.label));
    journal_event_put_number(&line, "mline", stream->facts.mline);
    media_book_event(media, stream->recording, stream->interface, at, journal_event_end(&line));
}

/* Silence is only news where packets are due: after the ACK, not while paused, and if none ever
 * came. */
static void await_first_packet(struct media *media, struct media_stream *stream, struct tick now)
{
    bool due = stream->recording->confirmed && !stream->facts.paused && !stream->facts.mute &&
               stream->lent && stream->counters.packets == 0;
    if (!due)
        stream->silent_at = TICK_NEVER;
    else if (tick_is_never(stream->silent_at))
        stream->silent_at = tick_add_ms(now, media->config.silent_after_ms);
    media_stream_arm(media, stream);
}

static void set_stream(struct media *media, struct media_recording *recording, struct tick now,
                       struct media_command *command)
{
    const struct media_stream_facts *facts = &command->stream;
    assert(facts->stream < LIMIT_STREAMS_PER_RECORDING &&
           (facts->port < media->config.ports || !MEDIA_IS_PORT(facts->port)));
    bool open = recording && !recording->closing;
    struct media_stream *stream = open ? recording->streams[facts->stream] : NULL;
    bool fresh = open && !stream;
    if (fresh)
        stream = new_stream(media, recording, facts, now);
    if (!stream) {
        media_lend_release(media, facts->port, facts->generation);
        if (facts->second.held)
            media_lend_release(media, facts->second.port, facts->second.generation);
        if (open)
            media_recording_fail(media, recording, ENOMEM);
        return;
    }
    struct media_stream_facts before = stream->facts;
    stream->facts = *facts;
    stream->facts.ice = NULL;
    stream->drop_at = TICK_NEVER;
    if (!fresh)
        rtp_source_renegotiate(&stream->source, &facts->offered);
    allow_codecs(stream);
    if (stream->lent && before.port != facts->port)
        media_lend_replace(media, stream, now, &before);
    if (!stream->lent) {
        media_lend_port(media, stream, now, command->at);
        stream->look_at = tick_add_ms(now, COUNT_EVERY_MS);
        media_control_start(media, stream, now);
    }
    media_lend_second(media, stream, now);
    media_shared_join(media, stream, now);
    media_ice_set(media, stream, now, command->stream.ice, facts->ice_stays);
    command->stream.ice = NULL;
    media_course_set(media, stream, now, &before);
    if (fresh)
        media_book_interface(media, stream);
    else
        media_book_follow(media, stream);
    mark_pause(media, stream, now, command->at);
    await_first_packet(media, stream, now);
}

static void drop_stream(struct media *media, struct media_recording *recording, struct tick now,
                        const struct media_command *command)
{
    assert(command->drop < LIMIT_STREAMS_PER_RECORDING);
    struct media_stream *stream = recording->streams[command->drop];
    if (!stream || !stream->lent)
        return;
    stream->facts.paused = true; /* from now on nothing was agreed */
    mark_pause(media, stream, now, command->at);
    stream->drop_at = tick_add_ms(now, media->config.linger_ms);
    stream->silent_at = stream->control_at = TICK_NEVER;
    media_course_end(stream);
    media_stream_arm(media, stream);
}

static void take_candidates(struct media *media, struct media_recording *recording, struct tick now,
                            const struct media_command *command)
{
    const struct media_trickle *trickle = &command->trickle;
    assert(trickle->stream < LIMIT_STREAMS_PER_RECORDING);
    struct media_stream *stream = recording->streams[trickle->stream];
    const struct candidate *list = (const struct candidate *)(void *)command->bytes;
    size_t count = command->len / sizeof *list;
    if (stream && trickle->is_ours)
        media_ice_locals(media, stream, trickle->base, list, count);
    else if (stream)
        media_ice_candidates(media, stream, now, list, count, trickle->end);
}

/* What an unlisted SRC may be sent is measured by what its requests weighed. */
static void take_credit(struct media *media, struct media_recording *recording,
                        const struct media_command *command)
{
    struct view text = view_of(command->bytes, command->len);
    if (!command->sip.sent && !view_starts_with(text, VIEW_LIT("SIP/2.0 ")))
        media_course_credit(media, recording, text.len);
}

static void confirm(struct media *media, struct media_recording *recording, struct tick now)
{
    recording->confirmed = true;
    for (unsigned i = 0; i < LIMIT_STREAMS_PER_RECORDING; i++) {
        struct media_stream *stream = recording->streams[i];
        if (!stream)
            continue;
        media_course_confirm(media, stream, now);
        media_control_confirm(media, stream);
        await_first_packet(media, stream, now);
    }
}

static void close_recording(struct media *media, struct media_recording *recording, struct tick now,
                            struct media_command *command)
{
    if (recording->closing)
        return;
    recording->closing = true;
    list_append(&media->closing, &recording->closed);
    recording->closed_at = command->at;
    recording->farewell = command->bytes;
    recording->farewell_len = command->len;
    command->bytes = NULL;
    recording->close_latest = tick_add_ms(now, media->config.linger_max_ms);
    timers_set(&media->timers, &recording->timer.timer, tick_add_ms(now, media->config.linger_ms));
}

void media_command(struct media *media, struct tick now, struct media_command *command)
{
    settle(media);
    struct media_recording *recording = find_recording(media, command->recording);
    if (command->kind == MEDIA_OPEN && !recording) {
        open_recording(media, command);
    } else if (command->kind == MEDIA_STREAM) {
        set_stream(media, recording, now, command);
    } else if (!recording && command->kind == MEDIA_CLOSE) {
        /* It could not even be opened; the recorder waits for this all the same. */
        push_event(media, &(struct media_event){.kind = MEDIA_EVENT_CLOSED,
                                                .recording = command->recording,
                                                .at = command->at});
    } else if (recording) {
        int interface_of = command->kind == MEDIA_MARK ? command->mark.stream : -1;
        struct media_stream *stream = interface_of >= 0 ? recording->streams[interface_of] : NULL;
        switch (command->kind) {
        case MEDIA_DROP:
            drop_stream(media, recording, now, command);
            break;
        case MEDIA_SIP:
            take_credit(media, recording, command);
            media_book_sip(media, recording, command);
            break;
        case MEDIA_MARK:
            media_book_event(media, recording, stream ? stream->interface : JOURNAL_INTERFACE_SIP,
                             command->at, view_of(command->bytes, command->len));
            break;
        case MEDIA_TRICKLE:
            take_candidates(media, recording, now, command);
            break;
        case MEDIA_CONFIRM:
            confirm(media, recording, now);
            break;
        case MEDIA_CLOSE:
            close_recording(media, recording, now, command);
            break;
        case MEDIA_OPEN:
        case MEDIA_STREAM:
            break;
        }
    }
    media_command_finish(command);
}

/* ---- Datagrams ------------------------------------------------------------------------------ */

static void flush_tally(struct media *media)
{
    metric_add(METRIC_RTP_PACKETS_RECEIVED, media->tally.packets);
    metric_add(METRIC_RTP_BYTES_RECEIVED, media->tally.bytes);
    metric_add(METRIC_RTP_MALFORMED, media->tally.malformed);
    metric_add(METRIC_RTP_FOREIGN, media->tally.foreign);
    metric_add(METRIC_RTP_PAUSED, media->tally.paused);
    metric_add(METRIC_RTP_EPOCHS, media->tally.epochs);
    metric_add(METRIC_RTCP_PACKETS_RECEIVED, media->tally.control);
    metric_add(METRIC_STUN_STRAYS, media->tally.strays);
    memset(&media->tally, 0, sizeof media->tally);
}

/* Packets were lost inside this machine: nobody could tell from the recording alone. */
static void note_dropped(struct media *media, struct media_stream *stream,
                         const struct datagram *datagram)
{
    unsigned which = MEDIA_SOCKET_RTCP(datagram->socket);
    if (stream->dropped_seen[which] && datagram->dropped == stream->dropped[which])
        return; /* nearly always */
    bool own = MEDIA_SOCKET_SHARED(datagram->socket) ||
               MEDIA_SOCKET_PORT(datagram->socket) == stream->facts.port;
    if (MEDIA_SOCKET_IS_RELAY(datagram->socket) || stream->spare.held || !own)
        return; /* another socket's count */
    bool more = stream->dropped_seen[which] && datagram->dropped > stream->dropped[which];
    stream->dropped_seen[which] = true;
    stream->dropped[which] = datagram->dropped;
    if (!more || stream->overflow_told)
        return;
    stream->overflow_told = true;
    media_tell(media, stream,
               (struct media_event){.kind = MEDIA_EVENT_OVERFLOW, .at = datagram->at});
}

static struct media_stream *stream_of(struct media *media, const struct datagram *datagram)
{
    uint32_t port = MEDIA_SOCKET_PORT(datagram->socket);
    if (MEDIA_SOCKET_SHARED(datagram->socket))
        return media_shared_find(media, datagram);
    if (MEDIA_SOCKET_IS_RELAY(datagram->socket)) {
        uint32_t slot = MEDIA_RELAY_SLOT(datagram->socket);
        return slot < media->config.relays ? media->relays[slot].stream : NULL;
    }
    return port < media->config.ports ? media->ports[port].stream : NULL;
}

size_t media_input(struct media *media, struct tick now, const struct datagram *batch, size_t count)
{
    settle(media);
    size_t taken = 0;
    for (; taken < count; taken++) {
        const struct datagram *datagram = &batch[taken];
        struct media_stream *stream = stream_of(media, datagram);
        /* A probe that we ourselves sent from outside: it came, which is all there is to it. */
        if (datagram->bytes.len == SIGHTINGS_PROBE_SIZE && sightings_probe(datagram->bytes))
            continue;
        if (!stream) {
            if (datagram->refused)
                continue;
            bool stun = rtp_demux(datagram->bytes) == RTP_DEMUX_STUN;
            if (!stun) {
                media->tally.foreign++; /* a scanner, or the tail of a call whose port rests */
                sightings_stray(&datagram->from, &datagram->to, datagram->at);
            } else if (!media_port_input(media->seen, now, datagram)) {
                media->tally.strays++;
            }
            continue;
        }
        struct media_recording *recording = stream->recording;
        if (!has_event_room(media) || !media_book_has_room(recording, datagram->bytes.len))
            break;
        note_dropped(media, stream, datagram);
        media_stream_input(media, stream, now, datagram);
        if (recording->closing && !recording->ended) {
            struct tick quiet = tick_add_ms(now, media->config.linger_ms);
            timers_set(&media->timers, &recording->timer.timer,
                       tick_min(quiet, recording->close_latest));
        }
    }
    flush_tally(media);
    return taken;
}

/* ---- Time ----------------------------------------------------------------------------------- */

struct tick media_deadline(const struct media *media)
{
    return tick_min(timers_deadline(&media->timers), media_port_deadline(media->seen));
}

static void tell_counters(struct media *media, struct media_stream *stream, struct wall at)
{
    if (memcmp(&stream->counters, &stream->told, sizeof stream->counters) == 0)
        return;
    stream->told = stream->counters;
    media_tell(media, stream, (struct media_event){.kind = MEDIA_EVENT_COUNT, .at = at});
}

static void tell_silence(struct media *media, struct media_stream *stream, struct tick now,
                         struct wall at)
{
    stream->silent_at = TICK_NEVER;
    if (stream->counters.packets || stream->facts.paused || stream->facts.mute)
        return;
    char text[128];
    struct journal_event line = journal_event_begin(text, sizeof text, JOURNAL_EVENT_SILENT);
    journal_event_put_number(&line, "after_ms", media->config.silent_after_ms);
    media_book_event(media, stream->recording, stream->interface, at, journal_event_end(&line));
    media_tell(media, stream,
               (struct media_event){.kind = MEDIA_EVENT_SILENT, .tick = now, .at = at});
    metric_add(METRIC_STREAMS_SILENT, 1);
}

static void expire_stream(struct media *media, struct media_stream *stream, struct tick now)
{
    struct wall at = media_wall(media, now);
    if (tick_due(stream->drop_at, now)) {
        media_stream_digits(media, stream, at, true);
        tell_counters(media, stream, at);
        media_lend_give_back(media, stream);
    }
    if (tick_due(stream->silent_at, now))
        tell_silence(media, stream, now, at);
    media_control_expire(media, stream, now);
    media_course_expire(media, stream, now);
    media_lend_expire(media, stream, now);
    media_ice_expire(media, stream, now);
    if (tick_due(stream->look_at, now)) {
        if (stream->digits.active)
            media_stream_digits(media, stream, at, false);
        tell_counters(media, stream, at);
        int64_t pause_ms = stream->digits.active ? RTP_DTMF_SILENCE_MS : COUNT_EVERY_MS;
        stream->look_at = stream->lent ? tick_add_ms(now, pause_ms) : TICK_NEVER;
    }
    media_stream_arm(media, stream);
}

/* The tail is in: the last digits, the farewell, and nothing more. */
static void end_recording(struct media *media, struct media_recording *recording)
{
    for (unsigned i = 0; i < LIMIT_STREAMS_PER_RECORDING; i++) {
        if (recording->streams[i])
            media_stream_digits(media, recording->streams[i], recording->closed_at, true);
    }
    media_book_event(media, recording, JOURNAL_INTERFACE_SIP, recording->closed_at,
                     view_of(recording->farewell, recording->farewell_len));
    recording->ended = true;
    list_remove(&recording->closed);
    for (unsigned i = 0; i < LIMIT_STREAMS_PER_RECORDING; i++) {
        struct media_stream *stream = recording->streams[i];
        if (!stream)
            continue;
        media_lend_give_back(media, stream);
        stream->look_at = TICK_NEVER;
        timers_clear(&media->timers, &stream->timer.timer);
    }
    media_recording_touch(media, recording);
}

void media_expire(struct media *media, struct tick now)
{
    settle(media);
    media_port_expire(media->seen, now);
    struct timer *due;
    while ((due = timers_take_due(&media->timers, now))) {
        struct media_timer *timer = container_of(due, struct media_timer, timer);
        if (timer->stream)
            expire_stream(media, timer->stream, now);
        else
            end_recording(media, timer->recording);
    }
}

/* ---- What it wants done --------------------------------------------------------------------- */

bool media_write(struct media *media, struct media_write *out)
{
    settle(media);
    struct list *link = list_first(&media->dirty);
    if (!link)
        return false;
    struct media_recording *recording = container_of(link, struct media_recording, dirty);
    memset(out, 0, sizeof *out);
    out->slot = (uint32_t)recording->id.value;
    out->recording = recording->name;
    out->directory = recording->open.directory;
    out->first = !recording->opened;
    recording->opened = true;
    media->lent_to = recording->failed ? NULL : recording;
    if (recording->chunks) {
        struct media_chunk *chunk = media->lent_chunk = recording->chunks;
        recording->chunks = chunk->next;
        if (!recording->chunks)
            recording->chunks_end = &recording->chunks;
        out->bytes = view_of(chunk->bytes, chunk->len);
        return true; /* the buffer follows */
    }
    if (!recording->failed) {
        media->lent_buffer = recording;
        out->bytes = journal_writer_pending(&recording->journal);
    }
    list_remove(link);
    if (recording->ended) {
        out->last = true;
        list_append(&media->closed, &recording->closed);
    }
    return true;
}

void media_write_failed(struct media *media, struct pool_id recording, int error)
{
    struct media_recording *broken = find_recording(media, recording);
    if (media->lent_to == broken)
        media->lent_to = NULL;
    settle(media);
    if (!broken)
        return;
    media_recording_fail(media, broken, error);
}

bool media_output(struct media *media, struct tick now, struct media_packet *out)
{
    struct list *link;
    while ((link = list_first(&media->ready))) {
        struct media_stream *stream = container_of(link, struct media_stream, ready);
        while (media_course_output(media, stream, now, out) ||
               media_control_output(media, stream, now, out) ||
               (stream->ice && media_ice_output(media, stream, now, out))) {
            if (!media_lend_may_send(media, stream, out->socket))
                continue;
            media_lend_source(stream, out);
            return true;
        }
        list_remove(link);
        media_stream_arm(media, stream);
    }
    struct media_port_packet asked;
    if (!media_port_output(media->seen, now, &asked))
        return false;
    *out = (struct media_packet){
        .socket = asked.socket, .to = asked.to, .from = asked.from, .bytes = asked.bytes};
    media_course_asked(media, now, asked.socket);
    return true;
}

bool media_release(struct media *media, struct media_port *out)
{
    if (media->released_count == 0)
        return false;
    *out = media->released[media->released_first];
    media->released_first = (media->released_first + 1) % media->config.ports;
    media->released_count--;
    return true;
}

/* The last counters of each stream, then CLOSED, and the recording is gone. */
static bool tell_closed(struct media *media, struct media_recording *recording,
                        struct media_event *out)
{
    memset(out, 0, sizeof *out);
    out->recording = recording->name;
    out->at = recording->closed_at;
    while (recording->closed_told < LIMIT_STREAMS_PER_RECORDING) {
        struct media_stream *stream = recording->streams[recording->closed_told++];
        if (!stream)
            continue;
        out->kind = MEDIA_EVENT_COUNT;
        out->stream = stream->facts.stream;
        out->counters = stream->counters;
        metric_add(METRIC_RTP_PACKETS_LOST, (int64_t)stream->counters.lost);
        pool_give(media->streams, stream->id);
        return true;
    }
    out->kind = MEDIA_EVENT_CLOSED;
    settle(media);
    list_remove(&recording->closed);
    map_remove(&media->by_name, &recording->node);
    media_book_finish(recording);
    free(recording->farewell);
    pool_give(media->recordings, recording->id);
    return true;
}

bool media_event(struct media *media, struct media_event *out)
{
    if (media->event_count) {
        *out = media->events[media->event_first];
        media->event_first = (media->event_first + 1) % media->event_room;
        media->event_count--;
        return true;
    }
    struct list *link = list_first(&media->closed);
    return link && tell_closed(media, container_of(link, struct media_recording, closed), out);
}

struct media_usage media_usage(const struct media *media)
{
    struct media_usage usage = {
        .recordings = pool_count(media->recordings),
        .streams = pool_count(media->streams),
    };
    for (uint32_t i = 0; i < media->config.ports; i++)
        usage.ports += media->ports[i].stream != NULL;
    uint32_t index = 0;
    struct pool_id id;
    const struct media_recording *recording;
    while ((recording = pool_next(media->recordings, &index, &id))) {
        usage.buffered += recording->failed ? 0 : recording->journal.out.len;
        for (const struct media_chunk *c = recording->chunks; c; c = c->next)
            usage.buffered += c->len;
    }
    return usage;
}
