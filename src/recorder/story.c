/* story: see story.h.
 * Not here: when a line is due (recorder.c).
 * RFC 8259. */
#include "recorder/story.h"

#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "recorder/way.h"

void recorder_story_finish(struct recorder_story *story)
{
    free(story->recalled);
    story->recalled = NULL;
}

static void take_relay(struct recorder_story *story, const struct recorder_lease *lease)
{
    static const char *const transports[] = {"udp", "tcp", "tls"};
    const struct recorder_relay *relay = &lease->relay;
    struct writer w = writer_of(story->relay, sizeof story->relay);
    memset(story->relay, 0, sizeof story->relay);
    if (lease->has_relay) {
        writer_printf(&w, "{\"server\":\"%s\",\"transport\":\"%s\",\"rtt_ms\":",
                      addr_print(&relay->server_address).s, transports[relay->transport]);
        if (relay->rtt_ms >= 0)
            writer_printf(&w, "%d}", relay->rtt_ms);
        else
            writer_string(&w, "null}");
    }
}

static void name_path(struct recorder_story *story, const char *name)
{
    (void)view_copy(view_of_string(name), story->path, sizeof story->path);
}

/* A stream whose packets come has a path, whatever was known of it. */
static void name_unexpected(struct recorder_story *story)
{
    if (strcmp(story->path, "none") == 0 && story->verdict.first_packet_ms >= 0)
        name_path(story, story->unexpected);
}

static void take_lease(struct recorder_story *story, const struct recorder_lease *lease)
{
    name_path(story, recorder_way_name(lease));
    story->unexpected = recorder_way_name_unexpected(lease);
    name_unexpected(story);
    if (recorder_way_is_relayed(lease))
        take_relay(story, lease);
    else
        memset(story->relay, 0, sizeof story->relay);
}

void recorder_story_begin(struct recorder_story *story, struct tick now,
                          const struct recorder_lease *lease)
{
    recorder_story_finish(story);
    *story = (struct recorder_story){.begun = true};
    story->answered_with = lease->choice.code;
    story->used = lease->used;
    verdict_begin(&story->verdict, now, &lease->us, &lease->src, &lease->choice);
    take_lease(story, lease);
}

void recorder_story_turn(struct recorder_story *story, struct tick now, enum verdict_event event,
                         const struct recorder_lease *lease)
{
    story->verdict.us = lease->us;
    story->verdict.src = lease->src;
    if (event == VERDICT_ADDRESS_CHANGED)
        verdict_note(&story->verdict, now, event, &lease->advertised);
    else
        verdict_switch(&story->verdict, now, event == VERDICT_RELAY_LOST ? VERDICT_RETRIED : event,
                       &lease->choice);
    story->verdict.choice = lease->choice;
    story->turned = true;
    /* Before anything was heard our packets may have come from a port that the SRC was not told. */
    if (story->verdict.first_packet_ms < 0)
        story->refuses = false;
    story->left |= event == VERDICT_RETRIED;
    if (!story->verdict.pair[0])
        take_lease(story, lease);
}

void recorder_story_ice(struct recorder_story *story, bool has_ice)
{
    if (has_ice == (story->verdict.pair[0] != 0))
        return;
    verdict_ice(&story->verdict, has_ice);
    if (has_ice) {
        name_path(story, "none");
        memset(story->relay, 0, sizeof story->relay);
    }
}

void recorder_story_ice_chose(struct recorder_story *story, struct tick at, const char *path,
                              const char *pair, const struct recorder_lease *lease,
                              const struct addr *peer)
{
    verdict_ice_chose(&story->verdict, at, pair, peer);
    name_path(story, path);
    if (strcmp(path, "relay") == 0)
        take_relay(story, lease);
    else
        memset(story->relay, 0, sizeof story->relay);
}

void recorder_story_ice_lost(struct recorder_story *story, struct tick at, bool consent,
                             const struct addr *peer)
{
    if (consent)
        verdict_note(&story->verdict, at, VERDICT_CONSENT, peer);
    else
        verdict_unreachable(&story->verdict, at);
}

bool recorder_story_media(struct recorder_story *story, const struct media_event *event)
{
    struct verdict *v = &story->verdict;
    if (!story->begun)
        return false;
    switch (event->kind) {
    case MEDIA_EVENT_FIRST:
        story->first = event->addr;
        story->first_offered = v->src.offered;
        if (v->first_packet_ms >= 0)
            return true;
        verdict_first_packet(v, event->tick, &event->addr, (uint32_t)event->counters.lost_before);
        if (!v->pair[0])
            name_unexpected(story);
        metric_observe_ms(METRIC_FIRST_PACKET, v->first_packet_ms);
        return true;
    case MEDIA_EVENT_WAY:
        verdict_note(v, event->tick, event->verdict, &event->addr);
        return true;
    case MEDIA_EVENT_ALARM:
        verdict_alarm(v, event->security);
        return true;
    case MEDIA_EVENT_UNREACHABLE:
        story->left = true;
        verdict_unreachable(v, event->tick);
        return true;
    case MEDIA_EVENT_SILENT:
        /* ICE goes on for half a minute yet; without it the ladder says when all was tried. */
        if (strcmp(v->pair, "none") != 0)
            return false;
        verdict_unreachable(v, event->tick);
        return true;
    case MEDIA_EVENT_FOREIGN:
        verdict_alarm(v, VERDICT_SECOND_SENDER);
        return true;
    case MEDIA_EVENT_REFUSES:
        story->refuses = true;
        return true;
    case MEDIA_EVENT_SOURCE:
        v->observed = event->addr;
        v->switches += !story->turned;
        story->turned = false;
        return true;
    default:
        return false;
    }
}

void recorder_story_count(const char *path)
{
    static const char *const names[] = {"host",           "static", "mapped",  "stun",
                                        "peer-reflexive", "relay",  "ice-tcp", "none"};
    for (int i = 0; i <= METRIC_PATHS_NONE - METRIC_PATHS_HOST; i++) {
        if (strcmp(names[i], path) == 0)
            metric_add((enum metric)(METRIC_PATHS_HOST + i), 1);
    }
}

struct view recorder_story_print(const struct recorder_story *story, char text[RECORDER_STORY_SIZE])
{
    struct writer w = writer_of(text, RECORDER_STORY_SIZE);
    if (story->recalled)
        return view_of_string(story->recalled);
    if (!story->begun)
        return VIEW_NONE;
    verdict_print(&story->verdict, &w);
    return w.failed ? VIEW_NONE : writer_done(&w);
}

bool recorder_story_line(struct recorder_story *story, unsigned stream,
                         char text[RECORDER_STORY_SIZE], struct view *line)
{
    char verdict[RECORDER_STORY_SIZE];
    const struct verdict *v = &story->verdict;
    /* Counters only grow, so that each change makes another number. */
    uint32_t now = 1 + v->count + v->untold + v->switches + v->security +
                   (uint32_t)(v->first_packet_ms >= 0) + v->turns + v->lost_before_first;
    if (!story->begun || now == story->told)
        return false;
    struct journal_event event = journal_event_begin(text, RECORDER_STORY_SIZE, JOURNAL_EVENT_PATH);
    journal_event_put_number(&event, "stream", stream);
    journal_event_put_text(&event, "path", view_of_string(story->path));
    journal_event_put_json(&event, "relay",
                           story->relay[0] ? view_of_string(story->relay) : VIEW_LIT("null"));
    journal_event_put_json(&event, "verdict", recorder_story_print(story, verdict));
    *line = journal_event_end(&event);
    story->told = now;
    return line->len > 0;
}

void recorder_story_recall(struct recorder_story *story, struct view line)
{
    struct view verdict, relay;
    char *copy;
    if (!journal_event_find(line, "verdict", &verdict) || verdict.len == 0 ||
        verdict.at[0] != '{' || !(copy = malloc(verdict.len + 1)))
        return;
    (void)view_copy(verdict, copy, verdict.len + 1);
    free(story->recalled);
    story->recalled = copy;
    (void)!journal_event_text(line, "path", story->path, sizeof story->path);
    story->relay[0] = 0;
    if (journal_event_find(line, "relay", &relay) && relay.len && relay.at[0] == '{' &&
        relay.len < sizeof story->relay)
        (void)view_copy(relay, story->relay, sizeof story->relay);
}
