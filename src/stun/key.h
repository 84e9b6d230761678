/* key: the HMAC keys of STUN credentials; signing and checking messages with them.
 * Not here: whom to ask for a credential and when (auth.h).
 * RFC 8489 §9.1.1, §9.2.2, §14.4-14.6, §18.5.1. */
#ifndef STUN_KEY_H
#define STUN_KEY_H

#include "stun/message.h"

/* A key with both HMACs ready: a signature or check allocates nothing. One owner thread. */
struct stun_key;

/* Short-term: the password itself (§9.1.1). NULL when memory is out. OpaqueString preparation (RFC
 * 8265) is the caller's: what comes in is what is hashed. */
WARN_UNUSED struct stun_key *stun_key_create_short(struct view password);

enum stun_password_algorithm {
    STUN_MD5 = 1,
    STUN_SHA256 = 2,
};
/* Long-term: algorithm(username ":" realm ":" password) (§9.2.2, §18.5.1). */
WARN_UNUSED struct stun_key *stun_key_create_long(enum stun_password_algorithm algorithm,
                                                  struct view username, struct view realm,
                                                  struct view password);
void stun_key_destroy(struct stun_key *key);
/* The raw key, for tests against vectors. Borrows. */
struct view stun_key_bytes(const struct stun_key *key);

/* USERHASH = SHA-256(username ":" realm) (§14.4). */
#define STUN_USERHASH_SIZE 32
void stun_userhash(struct view username, struct view realm, uint8_t out[STUN_USERHASH_SIZE]);

/* Appends MESSAGE-INTEGRITY (20 bytes) or MESSAGE-INTEGRITY-SHA256 (32 bytes). Nothing but the
 * other and FINGERPRINT may follow. */
void stun_sign(struct writer *w, struct stun_key *key);
void stun_sign_sha256(struct writer *w, struct stun_key *key);

enum stun_integrity {
    STUN_INTEGRITY_ABSENT,
    STUN_INTEGRITY_GOOD,
    STUN_INTEGRITY_BAD,
};
/* Where both attributes stand both must hold. A SHA-256 value may be cut to 16..32 bytes in steps
 * of 4 (§14.6). Compared in constant time. */
enum stun_integrity stun_check(const struct stun_message *m, struct stun_key *key);

#endif
