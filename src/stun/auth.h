/* auth: the client's side of the long-term credential mechanism: what a challenge changes, and how
 * the next request is signed.
 * Not here: HMACs (key.h), when to send (client.h), where passwords come from.
 * RFC 8489 §9.2. */
#ifndef STUN_AUTH_H
#define STUN_AUTH_H

#include "stun/key.h"

/* §14.3: under 509 bytes; §14.9, §14.10: at most 763 bytes. */
#define STUN_USERNAME_MAX 508
#define STUN_REALM_MAX    763
#define STUN_NONCE_MAX    763

/* Password algorithms are copied back as they came; servers list one or two. */
#define STUN_ALGORITHMS_MAX 64

struct stun_auth {
    char username[STUN_USERNAME_MAX + 1];
    char password[STUN_USERNAME_MAX + 1];
    char realm[STUN_REALM_MAX + 1];
    char nonce[STUN_NONCE_MAX + 1];
    size_t nonce_len, realm_len;
    uint8_t algorithms[STUN_ALGORITHMS_MAX];
    size_t algorithms_len; /* 0: the server offered none, so MD5 and MESSAGE-INTEGRITY */
    enum stun_password_algorithm algorithm;
    bool anonymous;  /* USERHASH instead of USERNAME */
    bool challenged; /* realm and nonce are known */
    bool proven;     /* the server has answered a signed request of this key well */
    struct stun_key *key;
    uint32_t challenges; /* taken so far: tells a request signed before the last one */
};

/* Copies both. False when one is too long or empty. */
WARN_UNUSED bool stun_auth_init(struct stun_auth *auth, struct view username, struct view password);
void stun_auth_finish(struct stun_auth *auth);

enum stun_auth_verdict {
    STUN_AUTH_ACCEPT,   /* the response stands: give it to whoever asked */
    STUN_AUTH_RETRY,    /* a challenge: send the request again in a new transaction, signed anew */
    STUN_AUTH_REFUSED,  /* wrong credentials, or the server wants an algorithm we do not have */
    STUN_AUTH_BID_DOWN, /* somebody took the password algorithms out: do not retry (§9.2.1) */
    STUN_AUTH_FORGED,   /* integrity does not hold, or is missing: over UDP as if never received */
    STUN_AUTH_NO_MEMORY,
};

/* Judges a response to a request that was signed (was_signed) or not, and takes what a challenge
 * brings (§9.2.5). A 438 with the nonce that was just used is refused, so that no server makes us
 * loop. */
enum stun_auth_verdict stun_auth_response(struct stun_auth *auth, const struct stun_message *m,
                                          bool was_signed);

/* Adds USERNAME or USERHASH, REALM, NONCE, the algorithms and the integrity to a request; nothing
 * before the first challenge (§9.2.3.1). Returns whether it signed. */
bool stun_auth_sign(struct stun_auth *auth, struct writer *w);

#endif
