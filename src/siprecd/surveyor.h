/* surveyor: keeps what we know of our own network fresh, for both address families: asks everybody
 * who knows something of it, all at once and again, and says what follows.
 * Not here: STUN (prober.h), gateways (mapper.h), HTTP (sources.h), names (lookups.h), whom to
 * believe (nat/profile.h), what an SRC is told (network.h).
 * RFC 5780, 6886, 6887, 8489; doc/nat.md. */
#ifndef SIPRECD_SURVEYOR_H
#define SIPRECD_SURVEYOR_H

#include "io/loop.h"
#include "io/netlink.h"
#include "recorder/recorder.h"
#include "siprecd/lookups.h"
#include "siprecd/mail.h"
#include "siprecd/mapper.h"
#include "siprecd/prober.h"
#include "siprecd/survey_file.h"
#include "siprecd/survey_settings.h"

struct surveyor;

struct surveyor_config {
    struct io_loop *loop; /* borrowed */
    uint64_t token;       /* its descriptors' tokens are from here on, SURVEYOR_TOKENS of them */
    struct survey_settings settings;
    const char *directory; /* where the profile is kept; copied */
};
enum { SURVEYOR_TOKENS = 128 };

/* Looks at the machine's addresses, and at what is known of them from before; asks nobody yet. NULL
 * with errno. */
struct surveyor *surveyor_create(const struct surveyor_config *config, struct recorder_now now);
/* Gives mappings back and stops. What is still being asked is not waited for. */
void surveyor_destroy(struct surveyor *surveyor, struct recorder_now now);

/* A listener of SIP, to be mapped where that helps. */
void surveyor_listener(struct surveyor *surveyor, struct recorder_now now, size_t number,
                       bool is_tcp, const struct addr *bound);
/* SIGHUP: what it may change (behind_nat, external_ip, internal_ip). */
void surveyor_configure(struct surveyor *surveyor, struct recorder_now now,
                        const struct survey_settings *settings);

void surveyor_ready(struct surveyor *surveyor, struct recorder_now now, uint64_t token);
void surveyor_expire(struct surveyor *surveyor, struct recorder_now now);
struct tick surveyor_deadline(const struct surveyor *surveyor);

/* A media port stands ready or was closed: its mapping is wanted, or not any more. */
void surveyor_ticket(struct surveyor *surveyor, struct recorder_now now,
                     const struct recorder_ticket *ticket);
void surveyor_port_closed(struct surveyor *surveyor, struct recorder_now now,
                          const struct recorder_port *port);

/* How the TURN servers are, by worker; NULL: not heard from. The names of those that do not answer are looked up again. */
void surveyor_relays(struct surveyor *surveyor, struct tick now,
                     const struct relay_report *const *reports, size_t count);

/* Calls were (or are not any more) answered with the address that the settings order, and nothing came there. */
void surveyor_disprove(struct surveyor *surveyor, bool is_disproved);

/* A MEDIA_EVENT_FORGOTTEN of a worker's: keepalives are to be sent more often, in the calls that follow too. */
void surveyor_forgotten(struct surveyor *surveyor, struct tick now,
                        const struct media_event *event);

/* ---- What follows --------------------------------------------------------------------------- */

/* True once after something in the profiles differs, if only its age. */
bool surveyor_has_news(struct surveyor *surveyor);
/* IPv4 and IPv6. */
const struct nat_profile *surveyor_profiles(const struct surveyor *surveyor);
/* Those that this host has now, loopback aside; NULL while they are too many to be told. */
enum { SURVEYOR_ADDRESSES = RECORDER_ADDRESSES_MAX };
const struct addr *surveyor_addresses(const struct surveyor *surveyor, size_t *count);
/* Calls should wait: nothing is known yet, and will be in a moment. 3 s at most. */
bool surveyor_is_settling(const struct surveyor *surveyor, struct tick now);

/* What Contact says: our addresses outside and mapped listeners, into network. */
void surveyor_fill_network(const struct surveyor *surveyor, struct network *network);
/* What workers are told: malloc'ed, or NULL when it is what they were told last (or memory is out).
 */
struct worker_network *surveyor_worker_network(struct surveyor *surveyor, struct tick now);

/* A media port's mapping is there, another, or gone (unset): RTP, RTCP. */
struct surveyor_mapping {
    struct recorder_port port;
    struct addr mapped[2];
};
bool surveyor_mapping(struct surveyor *surveyor, struct surveyor_mapping *out);

/* For the report (survey_report.h); all borrowed until the next call. */
struct surveyor_view {
    const struct survey_settings *settings;
    const struct io_links *links;
    const struct survey_place *places;  /* [2] */
    const struct nat_profile *profiles; /* [2] */
    const struct prober *probers[2];
    const struct lookups *lookups;
    struct gateway_status gateways[2];
    bool is_mapping[2]; /* the gateway is asked for mappings */
    enum cloud cloud;
    struct tick updated_at;
};
struct surveyor_view surveyor_view(const struct surveyor *surveyor);

#endif
