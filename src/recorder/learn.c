/* learn: see learn.h. A profile is looked up once a call and copied into it: what is learned
 * meanwhile is for the next call.
 * Not here: believing and doubting (nat/srcs.c).
 * RFC: none. */
#include "recorder/learn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/call.h"

#define PACKET_MS 20 /* what a packet usually holds: 10 and 30 ms are rare */

bool recorder_srcs_init(struct recorder_srcs *srcs, struct rng *rng)
{
    list_init(&srcs->used);
    return map_init(&srcs->by_key, RECORDER_SRCS_MAX, rng);
}

static void forget(struct recorder_srcs *srcs, struct recorder_src *src)
{
    map_remove(&srcs->by_key, &src->node);
    list_remove(&src->link);
    srcs->count--;
    free(src);
}

static struct recorder_src *oldest(const struct recorder_srcs *srcs)
{
    struct list *link = list_first(&srcs->used);
    return link ? container_of(link, struct recorder_src, link) : NULL;
}

void recorder_srcs_finish(struct recorder_srcs *srcs)
{
    if (!srcs->used.next)
        return;
    while (srcs->count)
        forget(srcs, oldest(srcs));
    map_finish(&srcs->by_key);
}

static struct recorder_src *find(const struct recorder_srcs *srcs, const char *key)
{
    struct map_node *node = map_find(&srcs->by_key, view_of_string(key));
    return node ? container_of(node, struct recorder_src, node) : NULL;
}

static struct recorder_src *add(struct recorder_srcs *srcs, const struct uuid *id, struct view key)
{
    struct recorder_src *src = calloc(1, sizeof *src);
    if (!src)
        return NULL;
    if (srcs->count == RECORDER_SRCS_MAX)
        forget(srcs, oldest(srcs));
    src->id = *id;
    (void)view_copy(key, src->key, sizeof src->key);
    map_insert(&srcs->by_key, &src->node, view_of_string(src->key));
    list_append(&srcs->used, &src->link);
    srcs->count++;
    return src;
}

void recorder_src(struct recorder *recorder, const struct uuid *id, struct view key,
                  struct view profile, struct wall now)
{
    char text[SRC_KEY_SIZE];
    struct src_profile parsed;
    (void)view_copy(key, text, sizeof text);
    if (!src_profile_parse(profile, &parsed) || src_profile_is_stale(&parsed, now) ||
        find(&recorder->srcs, text))
        return;
    struct recorder_src *src = add(&recorder->srcs, id, view_of_string(text));
    if (src)
        src->profile = parsed;
}

void recorder_forget_src(struct recorder *recorder, const struct uuid *id)
{
    list_each_safe (at, &recorder->srcs.used) {
        struct recorder_src *src = container_of(at, struct recorder_src, link);
        if (uuid_equal(&src->id, id))
            forget(&recorder->srcs, src);
    }
}

void recorder_learn_begin(struct recorder *recorder, struct recorder_call *call, struct wall now)
{
    static const char *const protocols[] = {"udp", "tcp", "tls"};
    char listener[16];
    (void)snprintf(listener, sizeof listener, "%s:%u", protocols[call->flow.protocol],
                   call->flow.local.port);
    struct src_key key = {.listener = view_of_string(listener),
                          .source = call->flow.peer,
                          .contact = view_of_string(call->caller.contact_host),
                          .agent = view_of_string(call->caller.user_agent)};
    src_key_print(&key, call->src_key);
    struct recorder_src *src = find(&recorder->srcs, call->src_key);
    call->knows_src = src && !src_profile_is_stale(&src->profile, now);
    if (!call->knows_src)
        return;
    call->src_profile = src->profile;
    list_remove(&src->link);
    list_append(&recorder->srcs.used, &src->link);
}

/* ---- What a stream teaches ------------------------------------------------------------------ */

/* How long RTP flowed; 0 where too much of it was lost to call that good. */
static int64_t good_ms(const struct recorder_stream *stream, struct wall now)
{
    const struct media_counters *c = &stream->counters;
    int64_t lasted = wall_diff_ms(now, stream->first), heard = (int64_t)c->packets * PACKET_MS;
    if (!stream->has_first || c->lost * 10 > c->packets)
        return 0;
    return heard < lasted ? heard : lasted;
}

static bool has_step(const struct verdict *v, enum verdict_event event)
{
    for (unsigned i = 0; i < v->count; i++) {
        if (v->trail[i].event == event)
            return true;
    }
    return false;
}

/* Moved off the relay: it sent from the same port to our raw socket. Moved and back: it did not. */
static enum path_answer one_port(const struct verdict *v)
{
    if (!has_step(v, VERDICT_MIGRATED))
        return PATH_UNKNOWN;
    return path_is_relayed(v->choice.code) ? PATH_NO : PATH_YES;
}

static bool is_expected(const struct recorder *recorder, const struct addr *seen)
{
    const struct recorder_prefixes *allow = &recorder->settings.allow;
    for (uint32_t i = 0; i < allow->count; i++) {
        if (addr_prefix_contains(&allow->list[i], seen))
            return true;
    }
    return false;
}

static struct src_lesson lesson_of(const struct recorder *recorder,
                                   const struct recorder_call *call, unsigned number,
                                   struct wall now, bool over)
{
    const struct recorder_stream *stream = &call->record.streams[number];
    const struct verdict *v = &stream->story.verdict;
    const struct addr *rtp = &stream->advertised, *rtcp = &call->leases[number].advertised_rtcp;
    struct src_lesson lesson = {
        .offered = stream->has_first ? stream->story.first_offered : stream->offered,
        .again = call->has_taught,
        .signalled = call->flow.peer,
        .observed = stream->story.first,
        .good_rtp_ms = good_ms(stream, now),
        .first_rtp_ms = -1,
        .answered = stream->story.answered_with,
        .used = stream->story.used,
        .failed = stream->story.left || (over && !stream->has_first),
        .followed = v->follows,
        .listed = call->listed,
        .expected = is_expected(recorder, &stream->story.first),
        .rebound = has_step(v, VERDICT_REBOUND),
        .one_port = one_port(v),
        .reinvites = call->unreached    ? PATH_UNKNOWN
                     : call->stays      ? PATH_NO
                     : call->moves.done ? PATH_YES
                                        : PATH_UNKNOWN,
        .rtcp_mux = stream->rtcp_mux ? PATH_YES : PATH_NO,
        /* Only of one that sends: where its own packets do not arrive either, ours may have been
         * refused for coming from another port than it was told. */
        .quiet = stream->story.refuses && stream->has_first ? PATH_YES : PATH_UNKNOWN,
    };
    lesson.probed_back = path_is_relayed(lesson.answered) && v->choice.probes_back &&
                         stream->counters.keepalives > 0;
    if (stream->has_first && call->confirmed_at.ns && stream->first.ns > call->confirmed_at.ns)
        lesson.first_rtp_ms = (int32_t)wall_diff_ms(stream->first, call->confirmed_at);
    if (!stream->rtcp_mux && stream->counters.rtcp && rtcp->port != rtp->port + 1)
        lesson.rtcp_attribute = PATH_YES;
    return lesson;
}

void recorder_learn_stream(struct recorder *recorder, struct recorder_call *call, unsigned number,
                           struct wall now, bool over)
{
    struct recorder_stream *stream = &call->record.streams[number];
    char text[SRC_PROFILE_TEXT];
    /* Who was told to be silent teaches nothing by being so. */
    bool silent = !stream->has_first && (stream->paused || stream->mute || stream->gone ||
                                         wall_diff_ms(now, stream->began) < SRC_TEACHES_MS);
    if (stream->story.taught || !call->confirmed || silent || stream->ice_path ||
        (!over && good_ms(stream, now) < SRC_TEACHES_MS))
        return;
    stream->story.taught = true;
    struct recorder_src *src = find(&recorder->srcs, call->src_key);
    struct src_profile profile;
    if (src)
        profile = src->profile;
    else
        src_profile_init(&profile, now);
    uint32_t calls = profile.calls;
    struct src_lesson lesson = lesson_of(recorder, call, number, now, over);
    bool news = src_profile_learn(&profile, now, &lesson);
    /* The streams of one call are one call. */
    if (call->has_taught)
        profile.calls = calls;
    call->has_taught |= profile.calls != calls;
    if (!src && news) {
        struct uuid id = uuid_make(now, &recorder->rng);
        src = add(&recorder->srcs, &id, view_of_string(call->src_key));
    }
    if (!src)
        return;
    src->profile = profile;
    src_profile_print(&profile, text);
    recorder_tell_src(recorder, &src->id, src->key, text);
}
