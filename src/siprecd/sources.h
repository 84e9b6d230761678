/* sources: who tells our address outside by HTTP: the cloud's metadata service and web services,
 * asked in time and again.
 * Not here: STUN (prober.h), gateways (mapper.h), whom to believe (nat/profile.h).
 * RFC: none. */
#ifndef SIPRECD_SOURCES_H
#define SIPRECD_SOURCES_H

#include "base/tick.h"
#include "siprecd/asker.h"
#include "siprecd/survey_settings.h"

struct sources_round {
    bool is_on;
    size_t next; /* of the services: asked one after the other until one answers */
    size_t under_way;
    bool is_answered;
    struct tick due;
    int64_t pause_ms;
};

struct sources {
    struct asker *asker;                    /* borrowed */
    const struct survey_settings *settings; /* borrowed */
    uint32_t id; /* of its questions: id (metadata), id + 1 + family * SURVEY_SERVICES + n */
    struct sources_round metadata, services[2];
    enum cloud cloud;
    uint16_t generation; /* answers to what was asked in another network do not count */
};
enum { SOURCES_IDS = 1 + 2 * SURVEY_SERVICES };

void sources_init(struct sources *sources, struct asker *asker,
                  const struct survey_settings *settings, uint32_t id);

/* Asks all of them anew: for IPv4, for IPv6, where we have that family. */
void sources_start(struct sources *sources, struct tick now, const bool families[2]);
void sources_expire(struct sources *sources, struct tick now);
struct tick sources_deadline(const struct sources *sources);

/* True when the answer tells an address: *is_service, *address. */
bool sources_answer(struct sources *sources, struct tick now, const struct asker_answer *answer,
                    bool *is_service, struct addr *address);

/* True while answers for that family may still come. */
bool sources_are_busy(const struct sources *sources, bool v6);

#endif
