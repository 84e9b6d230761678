/* error: the table of a TURN client's answers to errors.
 * Not here: carrying them out (allocation.c).
 * RFC 8656. */
#include "turn/error.h"

#include "turn/allocation.h"

/* First match wins; method 0 is any, code 0 is any. */
static const struct {
    uint16_t method, code;
    enum turn_action action;
} table[] = {
    {STUN_ALLOCATE, 300, TURN_ALTERNATE},   /* §7.4, RFC 8489 §10 */
    {STUN_ALLOCATE, 405, TURN_SIMPLER},     /* RFC 8016 §3.1.4: without mobility */
    {STUN_ALLOCATE, 420, TURN_SIMPLER},     /* §7.4: without what it does not know */
    {STUN_ALLOCATE, 437, TURN_NEW_SOCKET},  /* §7.4 */
    {STUN_ALLOCATE, 440, TURN_SIMPLER},     /* without that family; with none left, give up */
    {STUN_ALLOCATE, 486, TURN_WAIT_SERVER}, /* quota of this username */
    {STUN_ALLOCATE, 508, TURN_SIMPLER},     /* without EVEN-PORT at once, else pause */
    {STUN_ALLOCATE, 500, TURN_WAIT_SERVER},
    {STUN_ALLOCATE, 0, TURN_GIVE_UP}, /* 400, 401 again, 403, 441, 442 */

    {STUN_REFRESH, 437, TURN_GONE},   /* §5: it MUST be assumed that it no longer exists */
    {STUN_REFRESH, 405, TURN_GONE},   /* RFC 8016 §3.2.2: starts afresh */
    {STUN_REFRESH, 400, TURN_GONE},   /* a ticket that is not taken (RFC 8016 §3.2.2) */
    {STUN_REFRESH, 441, TURN_GONE},   /* not ours: the username changed */
    {STUN_REFRESH, 443, TURN_IGNORE}, /* §8.2: that family was never there */
    {STUN_REFRESH, 0, TURN_GONE},

    {STUN_CREATE_PERMISSION, 437, TURN_GONE},
    {STUN_CREATE_PERMISSION, 441, TURN_GONE},
    {STUN_CREATE_PERMISSION, 508, TURN_PEER_LATER}, /* §10.1: capacity */
    {STUN_CREATE_PERMISSION, 500, TURN_PEER_LATER},
    {STUN_CREATE_PERMISSION, 0, TURN_PEER_REFUSED}, /* 400, 403, 443 */

    {STUN_CHANNEL_BIND, 437, TURN_GONE},
    {STUN_CHANNEL_BIND, 441, TURN_GONE},
    {STUN_CHANNEL_BIND, 508, TURN_PEER_LATER},
    {STUN_CHANNEL_BIND, 500, TURN_PEER_LATER},
    /* A channel only saves bytes: without it Send indications do. coturn once answered 400 for 437;
     * the next Refresh finds that out. */
    {STUN_CHANNEL_BIND, 0, TURN_PEER_REFUSED},
};

enum turn_action turn_error_action(uint16_t method, uint16_t code)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].method == method && (table[i].code == code || table[i].code == 0))
            return table[i].action;
    }
    return TURN_IGNORE;
}

bool turn_error_is_beyond_us(const struct stun_message *m)
{
    static const uint16_t known[] = {
        STUN_MAPPED_ADDRESS,
        STUN_USERNAME,
        STUN_MESSAGE_INTEGRITY,
        STUN_ERROR_CODE,
        STUN_UNKNOWN_ATTRIBUTES,
        STUN_CHANNEL_NUMBER,
        STUN_LIFETIME,
        STUN_XOR_PEER_ADDRESS,
        STUN_REALM,
        STUN_NONCE,
        STUN_XOR_RELAYED_ADDRESS,
        STUN_REQUESTED_ADDRESS_FAMILY,
        STUN_EVEN_PORT,
        STUN_REQUESTED_TRANSPORT,
        STUN_DONT_FRAGMENT,
        STUN_MESSAGE_INTEGRITY_SHA256,
        STUN_PASSWORD_ALGORITHM,
        STUN_USERHASH,
        STUN_XOR_MAPPED_ADDRESS,
        STUN_RESERVATION_TOKEN,
    };
    uint16_t unknown;
    return stun_unknown_attributes(m, known, sizeof known / sizeof *known, &unknown, 1) > 0;
}

bool turn_error_simplify(struct turn_options *o, uint16_t code)
{
    switch (code) {
    case 405:
        return o->mobility && !(o->mobility = false);
    case 440:
        return o->want_v4 && o->want_v6 && !(o->want_v6 = false);
    case 508:
        return o->even_port && !(o->even_port = false);
    case 420:
        if (o->even_port)
            return !(o->even_port = false);
        return o->want_v4 && o->want_v6 && !(o->want_v6 = false);
    default:
        return false;
    }
}
