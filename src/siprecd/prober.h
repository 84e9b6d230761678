/* prober: what STUN servers see of us, for one address family: our address outside, again every 15
 * seconds, and in the background what the NATs between do, on sockets that nothing else uses.
 * Not here: the tests themselves (nat/discovery.h), what follows (surveyor.h), media ports'
 * mappings (media).
 * RFC 8489, RFC 5780 §4; nat.md 5.5, 5.11 in doc/nat.md's words. */
#ifndef SIPRECD_PROBER_H
#define SIPRECD_PROBER_H

#include "io/loop.h"
#include "nat/discovery.h"
#include "siprecd/outpost.h"

enum { PROBER_SERVERS = DISCOVERY_SERVERS };

struct prober;

struct prober_config {
    struct io_loop *loop; /* borrowed */
    uint64_t token;       /* its sockets' tokens are token + 0..PROBER_TOKENS-1 */
    bool may_relay;       /* a TURN server is configured: prober_offer_relay will name it */
    uint8_t seed[32];
};
enum { PROBER_TOKENS = 2 + DISCOVERY_SOCKETS };

/* NULL when memory is out. Does nothing until prober_start. */
WARN_UNUSED struct prober *prober_create(const struct prober_config *config);
void prober_destroy(struct prober *prober);

/* Begins anew: another network, or other servers. count 0, or local unset: nothing is asked. */
void prober_start(struct prober *prober, struct tick now, const struct addr *local,
                  const struct addr *servers, size_t count);
/* Where discovery may look at us from, when it needs to; address unset: from nowhere. */
void prober_offer_relay(struct prober *prober, struct tick now,
                        const struct outpost_server *server);
/* Something may have changed: ask now, not only when it is due. */
void prober_check(struct prober *prober, struct tick now);
/* What the NAT does is to be found out again. */
void prober_discover(struct prober *prober, struct tick now);

void prober_ready(struct prober *prober, struct tick now, uint64_t token);
void prober_expire(struct prober *prober, struct tick now);
struct tick prober_deadline(const struct prober *prober);

enum prober_event_kind {
    PROBER_EXTERNAL,  /* external; server said so. Another one than before: two have said so */
    PROBER_BEHAVIOUR, /* result */
    PROBER_SILENT,    /* no server answers */
    PROBER_DIFFER,    /* server says external, which another denies */
};
struct prober_event {
    enum prober_event_kind kind;
    struct addr external, server;
    struct discovery_result result;
};
bool prober_event(struct prober *prober, struct prober_event *out);

/* For the report: a server, whether it answers (its breaker is closed), and how fast. False: no
 * such server. */
struct prober_server {
    struct addr address;
    bool was_asked, answers;
    bool is_silent; /* it was asked, and did not answer */
    int64_t rtt_ms; /* of its last answer; -1: none */
};
bool prober_server(const struct prober *prober, size_t index, struct prober_server *out);

#endif
