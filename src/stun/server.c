/* server: one answer to one Binding request.
 * Not here: sockets; which of several addresses an answer leaves from.
 * RFC 8489 §6.3.1, RFC 5780 §7. */
#include "stun/server.h"

#include "base/reader.h"

#include <string.h>

static const char *reason_of(uint16_t code)
{
    switch (code) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthenticated";
    case 420:
        return "Unknown Attribute";
    case 487:
        return "Role Conflict"; /* RFC 8445 §16.2 */
    default:
        return "Server Error";
    }
}

/* An integrity attribute of the kind the request had; SHA-256 alone where only that was there. */
static void finish_signed(const struct stun_message *request, struct stun_key *key,
                          struct writer *w)
{
    if (key && request->integrity)
        stun_sign(w, key);
    if (key && request->integrity_sha256)
        stun_sign_sha256(w, key);
    stun_finish(w, request->fingerprint != 0);
}

void stun_server_error(const struct stun_message *request, uint16_t code, struct stun_key *key,
                       struct writer *w)
{
    stun_begin_answer(w, STUN_ERROR, request);
    stun_put_error(w, code, reason_of(code));
    finish_signed(request, key, w);
}

/* §9.1.3: no integrity or no username 400, the wrong one 401, neither signed. 0: all well. */
static uint16_t judge_credentials(const struct stun_server *server, const struct stun_message *m)
{
    struct view username;
    if (!server->key)
        return 0;
    if ((!m->integrity && !m->integrity_sha256) ||
        !stun_attribute_find(m, STUN_USERNAME, &username))
        return 400;
    if (!view_equal(username, server->username) ||
        stun_check(m, server->key) != STUN_INTEGRITY_GOOD)
        return 401;
    return 0;
}

#define UNKNOWN_MAX 16

static size_t find_unknown(const struct stun_server *server, const struct stun_message *m,
                           uint16_t out[UNKNOWN_MAX])
{
    static const uint16_t ours[] = {
        STUN_USERNAME,      STUN_MESSAGE_INTEGRITY, STUN_REALM,
        STUN_NONCE,         STUN_USERHASH,          STUN_MESSAGE_INTEGRITY_SHA256,
        STUN_RESPONSE_PORT, STUN_PADDING,           STUN_CHANGE_REQUEST};
    uint16_t known[64];
    size_t count = sizeof ours / sizeof *ours;
    memcpy(known, ours, sizeof ours);
    if (!addr_is_set(&server->other))
        count--; /* no second address: CHANGE-REQUEST is not understood (RFC 5780 §6.1) */
    for (size_t i = 0; i < server->known_count && count < sizeof known / sizeof *known; i++)
        known[count++] = server->known[i];
    size_t found = stun_unknown_attributes(m, known, count, out, UNKNOWN_MAX);
    return found < UNKNOWN_MAX ? found : UNKNOWN_MAX;
}

/* CHANGE-REQUEST and RESPONSE-PORT; false when one is not of its form, or both stand with PADDING
 * (RFC 5780 §7.5, §7.6: RESPONSE-PORT and PADDING must not stand together). */
static bool read_wishes(const struct stun_message *m, struct stun_server_answer *answer)
{
    struct view value, padding;
    if (stun_attribute_find(m, STUN_CHANGE_REQUEST, &value) &&
        !stun_read_u32(m, STUN_CHANGE_REQUEST, &answer->change))
        return false;
    answer->change &= STUN_CHANGE_IP | STUN_CHANGE_PORT;
    if (stun_attribute_find(m, STUN_RESPONSE_PORT, &value)) {
        struct reader r = reader_of(value);
        answer->to_port = reader_u16(&r);
        if (r.failed || stun_attribute_find(m, STUN_PADDING, &padding))
            return false;
    }
    return true;
}

/* Where an answer leaves from when CHANGE-REQUEST asked for another address or port. */
static struct addr origin_of(const struct stun_server *server, uint32_t change)
{
    struct addr origin = change & STUN_CHANGE_IP ? server->other : server->local;
    origin.port = change & STUN_CHANGE_PORT ? server->other.port : server->local.port;
    return origin;
}

struct stun_server_answer stun_server_answer(const struct stun_server *server,
                                             const struct stun_message *request,
                                             const struct addr *from, struct writer *w)
{
    struct stun_server_answer answer = {.send = true};
    uint16_t unknown[UNKNOWN_MAX];
    if (request->class != STUN_REQUEST)
        return (struct stun_server_answer){.send = false};
    answer.code = request->method != STUN_BINDING ? 400 : judge_credentials(server, request);
    if (answer.code) {
        stun_server_error(request, answer.code, NULL, w);
        return answer;
    }
    size_t unknown_count = find_unknown(server, request, unknown);
    if (unknown_count) {
        answer.code = 420;
        stun_begin_answer(w, STUN_ERROR, request);
        stun_put_error(w, 420, reason_of(420));
        stun_put_unknown(w, unknown, unknown_count);
        finish_signed(request, server->key, w);
        return answer;
    }
    if (!read_wishes(request, &answer)) {
        answer = (struct stun_server_answer){.send = true, .code = 400};
        stun_server_error(request, 400, server->key, w);
        return answer;
    }
    stun_begin_answer(w, STUN_SUCCESS, request);
    stun_put_address(w, request->classic ? STUN_MAPPED_ADDRESS : STUN_XOR_MAPPED_ADDRESS, from);
    if (addr_is_set(&server->other)) {
        struct addr origin = origin_of(server, answer.change);
        stun_put_address(w, STUN_RESPONSE_ORIGIN, &origin);
        stun_put_address(w, STUN_OTHER_ADDRESS, &server->other);
    }
    finish_signed(request, server->key, w);
    return answer;
}
