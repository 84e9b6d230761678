/* sightings: what came and led to nothing: datagrams to media ports that no stream has, INVITEs that
 * were refused; and whether a probe of our own, sent from outside, has arrived. Any thread may tell
 * and ask.
 * Not here: what follows from it (doctor).
 * RFC 8489 §5 (a probe is a Binding indication). */
#ifndef BASE_SIGHTINGS_H
#define BASE_SIGHTINGS_H

#include "base/addr.h"
#include "base/tick.h"

/* A datagram for a port that no stream has. Costs little and never waits: when somebody else looks
 * at the table it is not told. */
void sightings_stray(const struct addr *from, const struct addr *to, struct wall at);

/* What came from one address to one of our ports. Of few at a time: the one longest silent is
 * forgotten first. */
struct sightings_spell {
    struct addr to;
    struct wall first, last;
    uint64_t count; /* of those since the time asked for */
};
/* The next spell of strays from ip (its port does not matter) that lasted at least until since;
 * *cursor begins as 0. False: there are no more. */
bool sightings_next(const struct addr *ip, struct wall since, size_t *cursor,
                    struct sightings_spell *out);

/* An INVITE was refused. why: in a few words; from: where its packets came from. */
void sightings_refused(struct view call_id, unsigned status, const char *why,
                       const struct addr *from, struct wall at);

enum { SIGHTINGS_CALL_ID_SIZE = 128, SIGHTINGS_WHY_SIZE = 64 };
struct sightings_refusal {
    char call_id[SIGHTINGS_CALL_ID_SIZE]; /* a longer one is cut */
    unsigned status;
    char why[SIGHTINGS_WHY_SIZE];
    struct addr from;
    struct wall at;
};
/* The call's last INVITE that was refused, of the last few dozen; without a call id the last of all.
 * False: there was none. */
bool sightings_refusal(struct view call_id, struct sightings_refusal *out);

/* Probes: the bytes of one, for a number nobody can guess, and whether such a one has come. Of numbers with the same
 * remainder by SIGHTINGS_PROBES one is awaited at a time. */
enum { SIGHTINGS_PROBE_SIZE = 20, SIGHTINGS_PROBES = 16 };
void sightings_await(uint64_t number, uint8_t probe[SIGHTINGS_PROBE_SIZE]);
bool sightings_has_come(uint64_t number);
/* For whoever receives: true, and it is noted, when datagram is a probe that is awaited. */
bool sightings_probe(struct view datagram);

#endif
