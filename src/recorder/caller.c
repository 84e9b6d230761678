/* caller: see caller.h.
 * Not here: what follows from it (way.c).
 * RFC 3261 §18.2.1, 3581 §4. */
#include "recorder/caller.h"

#include "sip/flow.h"
#include "sip/message.h"

static struct addr host_of(struct view host)
{
    struct addr address;
    if (!addr_parse_ip(host, &address))
        return (struct addr){0};
    return addr_unmap(address);
}

static void mix(uint64_t *hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++)
        *hash = (*hash ^ at[i]) * UINT64_C(1099511628211); /* FNV-1a */
}

void recorder_caller_init(struct recorder_caller *caller, const struct sip_message *invite,
                          const struct sip_flow *flow)
{
    struct sip_uri uri;
    struct view agent = sip_message_header(invite, VIEW_LIT("User-Agent"));
    *caller = (struct recorder_caller){.via = host_of(invite->via.host),
                                       .contact = host_of(invite->contact_uri.host)};
    if (sip_uri_parse(invite->uri, &uri))
        caller->called = host_of(uri.host);
    (void)view_copy(invite->contact_uri.host, caller->contact_host, sizeof caller->contact_host);
    (void)view_copy(agent.at ? agent : VIEW_NONE, caller->user_agent, sizeof caller->user_agent);
    uint64_t hash = UINT64_C(14695981039346656037);
    mix(&hash, &flow->listener, sizeof flow->listener);
    mix(&hash, flow->peer.ip, sizeof flow->peer.ip);
    mix(&hash, caller->contact_host, sizeof caller->contact_host);
    mix(&hash, caller->user_agent, sizeof caller->user_agent);
    caller->number = hash | 1;
}

/* Its own addresses in SIP are not the one that its SIP comes from: a NAT stands on its side. */
static bool recorder_caller_is_translated(const struct recorder_caller *caller,
                                          const struct addr *peer)
{
    struct addr source = addr_unmap(*peer);
    const struct addr *named[] = {&caller->via, &caller->contact};
    for (size_t i = 0; i < 2; i++) {
        if (addr_is_set(named[i]) && addr_is_private(named[i]) && !addr_equal_ip(named[i], &source))
            return true;
    }
    return false;
}

static bool is_inside(const struct addr *a)
{
    return addr_is_set(a) && (addr_is_private(a) || addr_is_link_local(a));
}

enum recorder_oddity recorder_caller_check(const struct recorder_caller *caller,
                                           const struct addr *peer, const struct addr *offered,
                                           struct view origin)
{
    struct addr source = addr_unmap(*peer), wrote = host_of(origin);
    if (!addr_is_set(offered) || is_inside(&source) || addr_is_loopback(&source))
        return RECORDER_NOT_ODD;
    if (is_inside(offered))
        return RECORDER_PRIVATE_SDP;
    /* An SRC that knows its address outside writes it everywhere. One that does not writes it
     * nowhere. */
    bool translated = recorder_caller_is_translated(caller, peer);
    return addr_equal_ip(offered, &source) && is_inside(&wrote) && translated
               ? RECORDER_REWRITTEN_SDP
               : RECORDER_NOT_ODD;
}
