/* peers: tables of permissions and channels.
 * Not here: requests.
 * RFC 8656 §9, §12. */
#include "turn/peers.h"

#include "turn/frame.h"

void turn_peers_init(struct turn_peers *p, uint16_t first_number)
{
    *p = (struct turn_peers){.next_number = (uint16_t)(TURN_CHANNEL_MIN | (first_number & 0x0fff))};
}

struct turn_permission *turn_permission_find(struct turn_peers *p, const struct addr *peer)
{
    for (size_t i = 0; i < TURN_PERMISSIONS; i++) {
        struct turn_permission *at = &p->permissions[i];
        if (addr_is_set(&at->ip) && addr_equal_ip(&at->ip, peer))
            return at;
    }
    return NULL;
}

struct turn_permission *turn_permission_want(struct turn_peers *p, struct tick now,
                                             const struct addr *peer)
{
    struct turn_permission *found = turn_permission_find(p, peer);
    for (size_t i = 0; i < TURN_PERMISSIONS && !found; i++) {
        struct turn_permission *at = &p->permissions[i];
        if (addr_is_set(&at->ip))
            continue;
        *at = (struct turn_permission){
            .ip = addr_with_port(*peer, 0), .due = now, .expires = {INT64_MIN}};
        found = at;
    }
    return found;
}

uint32_t turn_permissions_due(const struct turn_peers *p, struct tick now, size_t max)
{
    uint32_t set = 0;
    size_t count = 0;
    for (size_t i = 0; i < TURN_PERMISSIONS && count < max; i++) {
        const struct turn_permission *at = &p->permissions[i];
        if (!addr_is_set(&at->ip) || !tick_due(at->due, now))
            continue;
        if (at->alone && count > 0)
            continue; /* its turn comes with the next request */
        set |= UINT32_C(1) << i;
        count++;
        if (at->alone)
            break;
    }
    return set;
}

void turn_permissions_installed(struct turn_peers *p, struct tick now, uint32_t set)
{
    for (size_t i = 0; i < TURN_PERMISSIONS; i++) {
        struct turn_permission *at = &p->permissions[i];
        if (!(set >> i & 1) || !addr_is_set(&at->ip))
            continue;
        at->expires = tick_add_ms(now, TURN_PERMISSION_MS);
        at->due = tick_add_ms(now, TURN_PERMISSION_REFRESH_MS);
        at->alone = at->denied = false;
    }
}

struct turn_channel *turn_channel_find(struct turn_peers *p, const struct addr *peer)
{
    for (size_t i = 0; i < TURN_CHANNELS; i++) {
        if (p->channels[i].number && addr_equal(&p->channels[i].peer, peer))
            return &p->channels[i];
    }
    return NULL;
}

struct turn_channel *turn_channel_by_number(struct turn_peers *p, uint16_t number)
{
    for (size_t i = 0; i < TURN_CHANNELS; i++) {
        if (p->channels[i].number == number)
            return &p->channels[i];
    }
    return NULL;
}

static uint16_t take_number(struct turn_peers *p)
{
    uint16_t number;
    /* 4096 numbers for 16 places: by the time one comes round again its rest is long over. */
    do {
        number = p->next_number;
        p->next_number = number == TURN_CHANNEL_MAX ? TURN_CHANNEL_MIN : (uint16_t)(number + 1);
    } while (turn_channel_by_number(p, number));
    return number;
}

struct turn_channel *turn_channel_want(struct turn_peers *p, struct tick now,
                                       const struct addr *peer)
{
    struct turn_channel *found = turn_channel_find(p, peer), *place = NULL;
    if (found) {
        if (tick_is_never(found->due) && !found->asked && !found->denied)
            found->due = now; /* let go and wanted again: the same number may be bound (§12) */
        return found;
    }
    for (size_t i = 0; i < TURN_CHANNELS && !place; i++) {
        struct turn_channel *at = &p->channels[i];
        bool rested = at->number && tick_is_never(at->due) && !at->asked &&
                      tick_due(tick_add_ms(at->expires, TURN_CHANNEL_REST_MS), now);
        if (!at->number || rested)
            place = at;
    }
    if (!place)
        return NULL;
    *place = (struct turn_channel){.peer = *peer, .due = now, .expires = {INT64_MIN}};
    place->number = take_number(p);
    return place;
}

struct turn_channel *turn_channel_due(struct turn_peers *p, struct tick now)
{
    for (size_t i = 0; i < TURN_CHANNELS; i++) {
        if (p->channels[i].number && tick_due(p->channels[i].due, now))
            return &p->channels[i];
    }
    return NULL;
}

void turn_peers_renew(struct turn_peers *p, struct tick now)
{
    for (size_t i = 0; i < TURN_PERMISSIONS; i++) {
        if (addr_is_set(&p->permissions[i].ip) && !p->permissions[i].denied)
            p->permissions[i].due = now;
    }
    for (size_t i = 0; i < TURN_CHANNELS; i++) {
        if (p->channels[i].number && !p->channels[i].denied)
            p->channels[i].due = now;
    }
}

struct tick turn_peers_deadline(const struct turn_peers *p)
{
    struct tick first = TICK_NEVER;
    for (size_t i = 0; i < TURN_PERMISSIONS; i++) {
        if (addr_is_set(&p->permissions[i].ip))
            first = tick_min(first, p->permissions[i].due);
    }
    for (size_t i = 0; i < TURN_CHANNELS; i++) {
        if (p->channels[i].number)
            first = tick_min(first, p->channels[i].due);
    }
    return first;
}
