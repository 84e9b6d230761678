/* sources: who tells our address outside by HTTP: the cloud's metadata service and web services,
 * asked in time and again.
 * Not here: STUN (prober.h), gateways (mapper.h), whom to believe (nat/profile.h).
 * RFC: none. */
#include "siprecd/sources.h"

#include "base/log.h"

enum {
    SOURCES_NEXT_MS = 1000, /* a service that takes longer gets company */
    SOURCES_SERVICE_AGAIN_MS = 3600000,
    SOURCES_METADATA_AGAIN_MS = 300000, /* another elastic address shows in STUN much sooner */
    SOURCES_RETRY_MS = 5000,
    SOURCES_RETRY_MOST_MS = 1800000,
};

void sources_init(struct sources *sources, struct asker *asker,
                  const struct survey_settings *settings, uint32_t id)
{
    *sources = (struct sources){.asker = asker, .settings = settings, .id = id};
    sources->metadata.due = sources->services[0].due = sources->services[1].due = TICK_NEVER;
}

static void round_start(struct sources_round *round, struct tick now, bool is_on)
{
    *round = (struct sources_round){.is_on = is_on, .due = is_on ? now : TICK_NEVER};
}

void sources_start(struct sources *sources, struct tick now, const bool families[2])
{
    sources->generation++;
    round_start(&sources->metadata, now, sources->settings->metadata && families[0]);
    for (size_t f = 0; f < 2; f++)
        round_start(&sources->services[f], now,
                    sources->settings->services_count > 0 && families[f]);
}

static void round_pause(struct sources_round *round, struct tick now, int64_t first_ms)
{
    round->pause_ms = round->pause_ms == 0 ? first_ms : round->pause_ms * 2;
    if (round->pause_ms > SOURCES_RETRY_MOST_MS)
        round->pause_ms = SOURCES_RETRY_MOST_MS;
    round->due = tick_add_ms(now, round->pause_ms);
    round->next = 0;
}

static void ask_metadata(struct sources *sources, struct tick now)
{
    struct sources_round *round = &sources->metadata;
    struct asker_question question = {
        .kind = ASKER_METADATA, .id = sources->id, .port = sources->generation};
    round->due = TICK_NEVER;
    if (asker_ask(sources->asker, &question))
        round->under_way++;
    else
        round_pause(round, now, SOURCES_RETRY_MS);
}

static void ask_service(struct sources *sources, struct tick now, size_t family)
{
    struct sources_round *round = &sources->services[family];
    struct asker_question question = {.kind = ASKER_SERVICE,
                                      .family = family ? ADDR_V6 : ADDR_V4,
                                      .port = sources->generation,
                                      .id = sources->id + 1 +
                                            (uint32_t)(family * SURVEY_SERVICES + round->next)};
    if (round->next == 0)
        round->is_answered = false;
    (void)view_copy(view_of_string(sources->settings->services[round->next]), question.text,
                    sizeof question.text);
    (void)view_copy(view_of_string(sources->settings->proxy), question.proxy,
                    sizeof question.proxy);
    round->next++;
    round->due = round->next < sources->settings->services_count ? tick_add_ms(now, SOURCES_NEXT_MS)
                                                                 : TICK_NEVER;
    if (asker_ask(sources->asker, &question))
        round->under_way++;
    else if (round->under_way == 0)
        round_pause(round, now, SOURCES_RETRY_MS);
}

void sources_expire(struct sources *sources, struct tick now)
{
    if (tick_due(sources->metadata.due, now))
        ask_metadata(sources, now);
    for (size_t f = 0; f < 2; f++) {
        if (tick_due(sources->services[f].due, now))
            ask_service(sources, now, f);
    }
}

struct tick sources_deadline(const struct sources *sources)
{
    return tick_min(sources->metadata.due,
                    tick_min(sources->services[0].due, sources->services[1].due));
}

static void take_metadata(struct sources *sources, struct tick now,
                          const struct asker_answer *answer)
{
    struct sources_round *round = &sources->metadata;
    if (answer->cloud != CLOUD_NONE && answer->cloud != sources->cloud)
        LOG_INFO("nat", VIEW_NONE, "this machine is in a cloud name=%s", cloud_name(answer->cloud));
    sources->cloud = answer->cloud;
    round->is_answered = answer->good;
    if (answer->good) {
        round->pause_ms = 0;
        round->due = tick_add_ms(now, SOURCES_METADATA_AGAIN_MS);
    } else if (answer->cloud != CLOUD_NONE) {
        LOG_INFO("nat", VIEW_NONE, "no address from the metadata service cloud=%s why=\"%s\"",
                 cloud_name(answer->cloud), answer->why);
        round_pause(round, now, SOURCES_RETRY_MS);
    } else {
        round->is_on = false; /* machines do not move into a cloud while they run */
    }
}

static void take_service(struct sources *sources, struct tick now, size_t family,
                         const struct asker_answer *answer)
{
    struct sources_round *round = &sources->services[family];
    if (answer->good) {
        round->is_answered = true;
        round->pause_ms = 0;
        round->next = 0;
        round->due = tick_add_ms(now, SOURCES_SERVICE_AGAIN_MS);
        return;
    }
    LOG_DEBUG("nat", VIEW_NONE, "address service gives nothing url=%s why=\"%s\"",
              answer->question.text, answer->why);
    if (round->is_answered)
        return;
    if (round->next > 0 && round->next < sources->settings->services_count)
        round->due = now; /* no need to wait for the rest of its second */
    else if (round->under_way == 0)
        round_pause(round, now, SOURCES_RETRY_MS * 6);
}

bool sources_answer(struct sources *sources, struct tick now, const struct asker_answer *answer,
                    bool *is_service, struct addr *address)
{
    bool v6 = answer->question.family == ADDR_V6;
    struct sources_round *round;
    bool counts;
    *is_service = answer->question.kind == ASKER_SERVICE;
    round = *is_service ? &sources->services[v6] : &sources->metadata;
    if (answer->question.port != sources->generation || !round->is_on)
        return false;
    round->under_way--;
    /* The first that answers counts in a round. */
    counts = answer->good && !(*is_service && round->is_answered);
    if (*is_service)
        take_service(sources, now, v6, answer);
    else
        take_metadata(sources, now, answer);
    *address = answer->addresses[0];
    return counts;
}

static bool round_is_busy(const struct sources_round *round)
{
    return round->is_on && !round->is_answered && round->pause_ms == 0;
}

bool sources_are_busy(const struct sources *sources, bool v6)
{
    return round_is_busy(&sources->services[v6]) || (!v6 && round_is_busy(&sources->metadata));
}
