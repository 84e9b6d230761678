/* second: the port of the other address family that a stream with ICE has beside its own.
 * Not here: candidates (ice.h), the stream's own port (call.h).
 * RFC 8421 §4, §5; 8445 §5.1.1. */
#ifndef RECORDER_SECOND_H
#define RECORDER_SECOND_H

#include "recorder/call.h"

/* A port of the other family than the stream's own, where the SRC offers candidates of both. */
struct recorder_second {
    bool held;
    bool fresh;  /* not posted yet: it goes back if nothing comes of the answer, ... */
    bool named;  /* ...to its worker, if an offer of ours has told the SRC of it */
    bool lost;   /* its address is not on this host any more, ... */
    bool closed; /* ...and its socket is gone, too: nothing brings it back */
    struct recorder_ticket ticket;
};

/* The other family than that of the stream's own port. */
uint8_t recorder_second_family(const struct recorder_lease *lease);
/* media has candidates of the family that may be checked. */
bool recorder_second_offered(const struct recorder *recorder, const struct recorder_call *call,
                             const struct sdp_media *media, uint8_t family);
/* Takes one out of stock, if media has candidates of that family that may be checked and there is a
 * port with an address to name. */
void recorder_second_take(struct recorder *recorder, const struct recorder_call *call,
                          const struct sdp_media *media, const struct recorder_lease *lease,
                          struct recorder_ice *ice);
void recorder_second_give_back(struct recorder *recorder, struct recorder_ice *ice);
/* It as a lease, with what is known of it. False: there is none that can be used. */
bool recorder_second_lease(const struct recorder *recorder, const struct recorder_call *call,
                           struct recorder_now now, const struct recorder_ice *ice,
                           struct recorder_lease *out);
void recorder_second_fill(const struct recorder *recorder, const struct recorder_call *call,
                          struct recorder_ice *ice, struct media_stream_facts *facts);
/* The stream's ticket of the other family; NULL: it has none. */
struct recorder_ticket *recorder_second_ticket(struct recorder_call *call, unsigned number);
/* Its address is not on this host any more, or is another one: ICE begins anew, with another port if it
 * is lost and there is one. */
void recorder_second_lost(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now, unsigned number);
void recorder_second_moved(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now, unsigned number);
/* The worker has closed it. */
void recorder_second_closed(struct recorder *recorder, struct recorder_call *call,
                            struct recorder_now now, unsigned number);
/* Its address is back. */
void recorder_second_found(struct recorder_call *call, unsigned number);

#endif
