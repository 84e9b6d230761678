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

/* How many strays have come from ip (its port does not matter) since then, and where the last one
 * went. Of few senders at a time: the one longest silent is forgotten first. */
uint64_t sightings_count(const struct addr *ip, struct wall since, struct addr *to);

/* An INVITE was refused. */
void sightings_refused(struct view call_id, unsigned status);
/* The status that the call's last INVITE was refused with, of the last few dozen; without a call id
 * the last INVITE's of all. 0: none. */
unsigned sightings_refusal(struct view call_id);

/* Probes: the bytes of one, for a number nobody can guess, and whether such a one has come. One is
 * awaited at a time. */
enum { SIGHTINGS_PROBE_SIZE = 20 };
void sightings_await(uint64_t number, uint8_t probe[SIGHTINGS_PROBE_SIZE]);
bool sightings_has_come(uint64_t number);
/* For whoever receives: true, and it is noted, when datagram is the probe that is awaited. */
bool sightings_probe(struct view datagram);

#endif
