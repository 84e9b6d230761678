/* book: what media writes into a recording's journal, and where the bytes wait until io takes them.
 * Not here: the format (journal), when something is worth writing (stream.c, media.c).
 * RFC: none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "media/worker.h"

/* The buffer's bytes go to the end of the chunks, so that it is empty again. Only for commands: the
 * packet path stops instead. */
static bool put_aside(struct media_recording *recording)
{
    struct view pending = journal_writer_pending(&recording->journal);
    struct media_chunk *chunk = malloc(sizeof *chunk + pending.len);
    if (!chunk)
        return false;
    chunk->next = NULL;
    chunk->len = pending.len;
    memcpy(chunk->bytes, pending.at, pending.len);
    *recording->chunks_end = chunk;
    recording->chunks_end = &chunk->next;
    journal_writer_clear(&recording->journal);
    return true;
}

void media_book_open(struct media *media, struct media_recording *recording, struct view head)
{
    journal_writer_init(&recording->journal, recording->buffer, MEDIA_BUFFER_SIZE);
    if (!journal_writer_start(&recording->journal, head) &&
        !journal_writer_start(&recording->journal, VIEW_NONE))
        media_recording_fail(media, recording, EMSGSIZE);
    media_recording_touch(media, recording);
}

/* A datagram larger than the buffer gets a chunk of its own, so that it is one datagram in the
 * journal too: INVITEs of 20 KB over UDP are seen. */
static bool put_large(struct media_recording *recording, const struct journal_message *message)
{
    size_t room = message->bytes.len + JOURNAL_BUFFER_MIN, done = 0;
    struct media_chunk *chunk = malloc(sizeof *chunk + room);
    if (!chunk || !put_aside(recording)) {
        free(chunk);
        return false;
    }
    journal_writer_use(&recording->journal, chunk->bytes, room);
    bool whole = journal_writer_sip(&recording->journal, message, &done);
    chunk->next = NULL;
    chunk->len = journal_writer_pending(&recording->journal).len;
    *recording->chunks_end = chunk;
    recording->chunks_end = &chunk->next;
    journal_writer_clear(&recording->journal);
    journal_writer_use(&recording->journal, recording->buffer, MEDIA_BUFFER_SIZE);
    return whole;
}

void media_book_sip(struct media *media, struct media_recording *recording,
                    const struct media_command *command)
{
    if (recording->failed || recording->ended)
        return;
    struct journal_message message = {
        .source = command->sip.from,
        .destination = command->sip.to,
        .tcp = command->sip.tcp,
        .sent = command->sip.sent,
        .time = command->at,
        .bytes = view_of(command->bytes, command->len),
    };
    size_t done = 0;
    if (!message.tcp && message.bytes.len > MEDIA_BUFFER_SIZE / 2) {
        if (!put_large(recording, &message))
            media_recording_fail(media, recording, ENOMEM);
        media_recording_touch(media, recording);
        return;
    }
    while (!journal_writer_sip(&recording->journal, &message, &done)) {
        if (!put_aside(recording)) {
            media_recording_fail(media, recording, ENOMEM);
            return;
        }
    }
    media_recording_touch(media, recording);
}

void media_book_event(struct media *media, struct media_recording *recording, uint32_t interface,
                      struct wall at, struct view event)
{
    if (recording->failed || recording->ended || event.len == 0 || event.len > JOURNAL_COMMENT_MAX)
        return;
    if (!journal_writer_event(&recording->journal, interface, at, event) &&
        !(put_aside(recording) && journal_writer_event(&recording->journal, interface, at, event)))
        media_recording_fail(media, recording, ENOMEM);
    media_recording_touch(media, recording);
}

static uint32_t add_interface(struct media *media, const struct media_stream *stream,
                              enum journal_role role)
{
    struct media_recording *recording = stream->recording;
    struct journal_interface description = {
        .role = role,
        .stream = stream->facts.stream,
        .label = view_of_string(stream->facts.label),
        .mline = stream->facts.mline,
        .advertised = stream->booked.advertised,
        .bound = stream->booked.bound,
        .relay = stream->booked.relay,
    };
    uint32_t number = JOURNAL_INTERFACE_SIP;
    if (recording->failed || recording->ended)
        return number;
    if (!journal_writer_interface(&recording->journal, &description, &number) &&
        !(put_aside(recording) &&
          journal_writer_interface(&recording->journal, &description, &number)))
        media_recording_fail(media, recording, ENOMEM);
    media_recording_touch(media, recording);
    return number;
}

static struct media_booked booked_of(const struct media_stream_facts *facts)
{
    return (struct media_booked){
        .advertised = facts->advertised,
        .advertised_rtcp = facts->advertised_rtcp,
        .bound = facts->bound,
        .relay = facts->way.choice.permits ? facts->way.relay.server : (struct addr){0},
    };
}

void media_book_interface(struct media *media, struct media_stream *stream)
{
    stream->booked = booked_of(&stream->facts);
    stream->interface = add_interface(media, stream, JOURNAL_ROLE_MEDIA);
    stream->apart = MEDIA_NO_INTERFACE;
    stream->flow.head_len = 0;
}

void media_book_follow(struct media *media, struct media_stream *stream)
{
    struct media_booked *booked = &stream->booked, new = booked_of(&stream->facts);
    if (media_course_is_offered(stream))
        return;
    booked->advertised_rtcp = new.advertised_rtcp; /* each report names it itself */
    if (!addr_equal(&new.advertised, &booked->advertised) ||
        !addr_equal(&new.bound, &booked->bound) || !addr_equal(&new.relay, &booked->relay))
        media_book_interface(media, stream);
}

bool media_book_has_room(const struct media_recording *recording, size_t bytes)
{
    const struct writer *out = &recording->journal.out;
    _Static_assert(MEDIA_BUFFER_SIZE >= LIMIT_MEDIA_DATAGRAM + MEDIA_PACKET_EXTRA,
                   "an empty buffer takes any packet, or a worker would wait for ever");
    return recording->failed || bytes > LIMIT_MEDIA_DATAGRAM ||
           out->size - out->len >= bytes + MEDIA_PACKET_EXTRA;
}

void media_book_packet(struct media *media, struct media_stream *stream,
                       const struct journal_flow *flow, const struct datagram *datagram)
{
    struct media_recording *recording = stream->recording;
    if (recording->failed || recording->ended)
        return;
    if (!journal_writer_packet(&recording->journal, flow, datagram->at, datagram->bytes, VIEW_NONE))
        media_recording_fail(media, recording, EMSGSIZE);
    media_recording_touch(media, recording);
}

struct addr media_book_destination(const struct media_stream *stream, const struct addr *from,
                                   bool rtcp)
{
    const struct media_booked *booked = &stream->booked;
    const struct media_second *second = &stream->second;
    struct addr told = rtcp ? booked->advertised_rtcp : booked->advertised;
    if (!second->held || from->family == told.family || from->family != second->bound.family)
        return told;
    return addr_with_port(second->bound, (uint16_t)(second->bound.port + (rtcp ? 1 : 0)));
}

void media_book_apart(struct media *media, struct media_stream *stream,
                      const struct datagram *datagram, struct view event)
{
    struct media_recording *recording = stream->recording;
    if (recording->failed || recording->ended ||
        stream->apart_bytes + datagram->bytes.len > media->config.apart_max)
        return;
    stream->apart_bytes += (uint32_t)datagram->bytes.len;
    if (stream->apart == MEDIA_NO_INTERFACE)
        stream->apart = add_interface(media, stream, JOURNAL_ROLE_APART);
    struct journal_flow flow;
    struct addr to = media_book_destination(stream, &datagram->from, false);
    journal_flow_init(&flow, stream->apart, &datagram->from, &to);
    if (!journal_writer_packet(&recording->journal, &flow, datagram->at, datagram->bytes, event))
        media_recording_fail(media, recording, EMSGSIZE);
    media_recording_touch(media, recording);
}

void media_book_finish(struct media_recording *recording)
{
    while (recording->chunks) {
        struct media_chunk *chunk = recording->chunks;
        recording->chunks = chunk->next;
        free(chunk);
    }
    free(recording->buffer);
    recording->buffer = NULL;
}
