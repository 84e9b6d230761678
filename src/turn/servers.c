/* servers: up, down, elsewhere.
 * Not here: what is made at them (pool.c).
 * RFC 8656 §7.4, RFC 8489 §10. */
#include "turn/servers.h"

#include "base/target.h"

#define DOWN_FIRST_MS  5000
#define DOWN_MOST_MS   60000
#define ALTERNATE_HOPS 2

void turn_server_init(struct turn_server *s, const struct addr *address, bool stream)
{
    *s = (struct turn_server){.given = *address,
                              .address = *address,
                              .stream = stream,
                              .expires = TICK_NEVER,
                              .delivered_at = TICK_NEVER,
                              .pause_ms = DOWN_FIRST_MS};
}

bool turn_server_set_credentials(struct turn_server *s, struct view username, struct view password,
                                 struct tick expires)
{
    if (username.len >= sizeof s->username || password.len >= sizeof s->password)
        return false;
    (void)view_copy(username, s->username, sizeof s->username);
    (void)view_copy(password, s->password, sizeof s->password);
    s->expires = expires;
    return true;
}

bool turn_server_down(struct turn_server *s, struct tick now, int32_t pause_ms, uint16_t code)
{
    bool is_news = !s->told_down;
    s->is_down = s->told_down = true;
    s->is_proven = false;
    s->is_dead |= code == 0;
    s->code = code;
    s->again = tick_add_ms(now, pause_ms);
    s->address = s->given;
    s->hops = s->mismatches = 0;
    return is_news;
}

bool turn_server_works(struct turn_server *s)
{
    bool is_news = s->told_down;
    s->told_down = s->is_dead = s->is_down = false;
    s->is_proven = true;
    s->pause_ms = DOWN_FIRST_MS;
    s->mismatches = 0;
    return is_news;
}

/* Where the server sends us: not into our own network from outside of it, nowhere that an SRC may not
 * make us send to either, not for ever. */
static bool may_follow(const struct turn_server *s, const struct addr *to)
{
    struct target_rule rule = {.signalled = s->address, .listed = true};
    return s->hops < ALTERNATE_HOPS && to->port != 0 && to->family == s->address.family &&
           addr_is_loopback(to) == addr_is_loopback(&s->address) &&
           target_may_get(&rule, to, false);
}

bool turn_server_judge(struct turn_server *s, struct tick now, const struct turn_event *lost)
{
    switch (lost->action) {
    case TURN_ALTERNATE:
        if (!may_follow(s, &lost->alternate))
            return turn_server_down(s, now, TURN_PAUSE_MS, lost->code);
        s->address = lost->alternate;
        s->hops++;
        return false;
    case TURN_NEW_SOCKET: /* §7.4: not for ever from one client */
        return ++s->mismatches >= TURN_MISMATCH_TRIES &&
               turn_server_down(s, now, TURN_MISMATCH_PAUSE_MS, lost->code);
    case TURN_SIMPLER:
        if (s->is_simple)
            return turn_server_down(s, now, TURN_PAUSE_MS, lost->code);
        s->is_simple = true;
        return false;
    case TURN_GONE: /* it has forgotten this one (437); without a code, it answers no more */
        if (lost->code != 0)
            return false;
        break;
    default:
        break;
    }
    if (lost->code != 0)
        return turn_server_down(s, now, TURN_PAUSE_MS, lost->code);
    if (s->is_dead &&
        !tick_due(s->again, now)) /* each of its allocations tells of the same death */
        return false;
    int32_t pause_ms = s->pause_ms;
    s->pause_ms = 2 * s->pause_ms > DOWN_MOST_MS ? DOWN_MOST_MS : 2 * s->pause_ms;
    return turn_server_down(s, now, pause_ms, 0);
}
