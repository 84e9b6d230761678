/* target: may our media ports send to an address that somebody else named?
 * Not here: how many packets and bytes (keepalive.h, media).
 * DESIGN.md, sip.allow; RFC 6890, RFC 6052 §2.2 (NAT64), RFC 3056 §2 (6to4), RFC 4291 §2.5.5. Pure. */
#ifndef BASE_TARGET_H
#define BASE_TARGET_H

#include "base/addr.h"

/* Who asks. */
struct target_rule {
    struct addr signalled; /* where its SIP came from */
    bool listed;           /* it stands in sip.allow, or has authenticated */
};

/* True when packets, and permissions, may be aimed at `to`. named: sip.allow has `to` itself in it.
 * An unlisted SRC: only the IP of its SIP. Nobody: unspecified, loopback (unless SIP came over it), link-local,
 * multicast, broadcast, reserved and metadata addresses, in their mapped, NAT64 and 6to4 forms as well. Private ones only
 * for an SRC whose SIP came from such, or where named. The port is not looked at. */
bool target_may_get(const struct target_rule *rule, const struct addr *to, bool named);

/* True when packets could come to what a server or gateway says is our address: of the family of `own`, from where it was
 * asked, and nothing that is nobody's. Loopback only where own is such, or not known. The port is not looked at. */
bool target_may_be_ours(const struct addr *told, const struct addr *own);

#endif
