/* caller: what an INVITE shows of the SRC that sent it and of the NATs between: addresses in Via and
 * Contact against where it came from, what it called us by.
 * Not here: what earlier calls taught (nat/srcs.h), media's addresses.
 * RFC 3261 §18.2.1, 3581 §4. */
#ifndef RECORDER_CALLER_H
#define RECORDER_CALLER_H

#include "base/addr.h"

struct sip_message;
struct sip_flow;

enum { RECORDER_CALLER_TEXT = 64 };

struct recorder_caller {
    struct addr via, contact; /* the hosts named there; unset: a name, or none */
    struct addr called;       /* the host of the Request-URI; unset: a name */
    char contact_host[RECORDER_CALLER_TEXT];
    char user_agent[RECORDER_CALLER_TEXT];
    uint64_t number; /* stands for the SRC as long as the daemon runs; never 0 */
};

/* flow: what the INVITE came on. */
void recorder_caller_init(struct recorder_caller *caller, const struct sip_message *invite,
                          const struct sip_flow *flow);

/* What is odd about the address that an SDP names. */
enum recorder_oddity {
    RECORDER_NOT_ODD,
    RECORDER_PRIVATE_SDP, /* an address of the SRC's own network, which nobody outside can send to */
    /* o=, Via or Contact are of the SRC's own network, and c= is where its SIP comes from: an
     * application-level gateway wrote it, and may do worse. */
    RECORDER_REWRITTEN_SDP,
};
/* offered: c= and m=; origin: the address in o=. */
enum recorder_oddity recorder_caller_check(const struct recorder_caller *caller,
                                           const struct addr *peer, const struct addr *offered,
                                           struct view origin);

#endif
