/* server: answers to Binding requests, plain (RFC 8489 §12), with the behaviour discovery of RFC
 * 5780, or to the credentials of an ICE agent. No state: one request in, one answer out.
 * Not here: ICE's own errors beyond building them (ice), TURN.
 * RFC 8489 §6.3.1, §9.1.3; RFC 5780 §7. */
#ifndef STUN_SERVER_H
#define STUN_SERVER_H

#include "stun/key.h"

struct stun_server {
    struct stun_key *key;  /* NULL: anyone is answered. Borrowed */
    struct view username;  /* what USERNAME must be, with key */
    struct addr local;     /* where the request arrived */
    struct addr other;     /* OTHER-ADDRESS, when set: then CHANGE-REQUEST is understood */
    const uint16_t *known; /* comprehension-required types the caller understands besides ours */
    size_t known_count;
};

struct stun_server_answer {
    uint16_t code;    /* 0: success; else the error that was answered */
    uint32_t change;  /* STUN_CHANGE_IP | STUN_CHANGE_PORT: from where it must leave */
    uint16_t to_port; /* RESPONSE-PORT; 0: where it came from */
    bool send;        /* false: no answer at all (not a request, or none is due) */
};

/* Writes the answer to request, which came from `from`, into w (empty). Reads nothing beyond the
 * message, and an answer is never longer than STUN_SERVER_ANSWER_MAX. */
#define STUN_SERVER_ANSWER_MAX 160
struct stun_server_answer stun_server_answer(const struct stun_server *server,
                                             const struct stun_message *request,
                                             const struct addr *from, struct writer *w);
/* An error response of the caller's choosing (487, 500): code and the RFC's reason phrase, signed
 * with key if any. */
void stun_server_error(const struct stun_message *request, uint16_t code, struct stun_key *key,
                       struct writer *w);

#endif
