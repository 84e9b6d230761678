/* play: what most plays begin and end with: a world with siprecd and one SRC of two streams;
 * looking into the journal and the document when it is over.
 * Not here: what happens in between. */
#ifndef SIM_PLAY_H
#define SIM_PLAY_H

#include <jansson.h>

#include "pcap.h"
#include "src.h"
#include "srs.h"
#include "tap.h"

struct play {
    struct world world;
    struct srs srs;
    struct src *src;
    struct src_stream *a, *b; /* its streams, labelled 1 and 2 */
    struct srs_file *file;    /* after play_end(): the one recording */
    struct pcap *pcap;
    json_t *document;
};

static inline struct play *play_begin(uint64_t seed, const struct srs_options *options)
{
    struct play *play = calloc(1, sizeof *play);
    world_init(&play->world, seed);
    srs_init(&play->srs, &play->world, options);
    play->src = src_create(&play->world);
    play->a = src_add_stream(play->src, "1");
    play->b = src_add_stream(play->src, "2");
    return play;
}

/* Hangs up unless that is done, lets the world come to rest, and opens what it left behind. */
static inline void play_end(struct play *play)
{
    if (!play->src->over && play->src->to_tag[0])
        src_hang_up(play->src);
    else
        world_run(&play->world, 40000);
    CHECK(srs_at_rest(&play->srs));
    if (play->srs.file_count != 1)
        return;
    play->file = &play->srs.files[0];
    CHECK(play->file->closed && play->file->rendered);
    play->pcap = pcap_read(view_of(play->file->journal, play->file->journal_len));
    CHECK(play->pcap->sound);
    json_error_t error;
    play->document = json_loads(play->file->document, 0, &error);
    CHECK(play->document != NULL);
}

static inline void play_free(struct play *play)
{
    srs_finish(&play->srs);
    world_finish(&play->world);
    for (unsigned i = 0; i < play->world.src_count; i++)
        src_destroy(play->world.srcs[i]);
    free(play->pcap);
    json_decref(play->document);
    free(play);
}

/* The SRC of the play hangs up no more, and calls anew from the same address, with one stream. */
static inline struct src *play_same_src(struct play *play)
{
    struct src *src = src_create(&play->world);
    src->sip = play->src->sip;
    (void)snprintf(src->call_id, sizeof src->call_id, "again-%u", play->world.src_count);
    play->src->over = true;
    /* The world hands what is for an address to the first who has it. */
    play->src->sip.ip[3] = 200;
    play->src = src;
    play->a = src_add_stream(src, "1");
    return src;
}

static inline unsigned play_count_in(const json_t *list, const char *key, const char *value)
{
    unsigned count = 0;
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        const char *text = json_string_value(json_object_get(one, key));
        count += text && strcmp(text, value) == 0;
    }
    return count;
}

/* How many of the document's list ("events", "warnings", "digits") have that value under key. */
static inline unsigned play_count(const struct play *play, const char *list, const char *key,
                                  const char *value)
{
    return play_count_in(json_object_get(play->document, list), key, value);
}

static inline json_t *play_stream(const struct play *play, unsigned number)
{
    return json_array_get(json_object_get(play->document, "streams"), number);
}

static inline json_t *play_verdict(const struct play *play, unsigned stream)
{
    return json_object_get(play_stream(play, stream), "verdict");
}

/* How many steps of the stream's trail are that event. */
static inline unsigned play_trail(const struct play *play, unsigned stream, const char *event)
{
    return play_count_in(json_object_get(play_verdict(play, stream), "trail"), "event", event);
}

static inline int64_t play_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static inline const char *play_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The journal's RTP to that address that arrived from `from` on and before `until`. */
static inline unsigned play_rtp(const struct play *play, const struct addr *to, struct wall from,
                                struct wall until)
{
    unsigned count = 0;
    for (unsigned i = 0; i < play->pcap->count; i++) {
        const struct pcap_packet *p = &play->pcap->packets[i];
        count += addr_equal(&p->to, to) && p->payload.len >= 12 && p->at.ns >= from.ns &&
                 p->at.ns < until.ns && ((uint8_t)p->payload.at[1] & 0x7f) < 64;
    }
    return count;
}

#endif
