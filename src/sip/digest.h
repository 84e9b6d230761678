/* digest: answers to a server's digest challenge: which one is taken, what Authorization says.
 * Not here: when it is sent (register.h), whose password it is.
 * RFC 7616 (and 2617, 2069 where a server knows no more), 8760 (SHA-256 in SIP), 3261 §22. */
#ifndef SIP_DIGEST_H
#define SIP_DIGEST_H

#include "base/writer.h"
#include "sip/message.h"

enum {
    SIP_DIGEST_VALUE_MAX = 512, /* realm, nonce, opaque; longer ones are not taken */
    SIP_DIGEST_CNONCE_LEN = 16,
};

enum sip_digest_algorithm {
    SIP_DIGEST_MD5,
    SIP_DIGEST_SHA256,
    SIP_DIGEST_SHA512_256,
};

/* The challenge in force. All zero: there is none. A nonce is used again, with a rising count,
 * until the server gives another. */
struct sip_digest {
    bool set;
    bool proxy;     /* Proxy-Authenticate: answered by Proxy-Authorization */
    bool qop;       /* auth; else as RFC 2069 */
    bool integrity; /* with qop: auth-int, of a body that is empty; where nothing else is offered */
    bool session;   /* -sess */
    bool stale;     /* the last challenge said that only the nonce was old */
    enum sip_digest_algorithm algorithm;
    bool algorithm_given;
    uint32_t count; /* times the nonce was used */
    char realm[SIP_DIGEST_VALUE_MAX], nonce[SIP_DIGEST_VALUE_MAX], opaque[SIP_DIGEST_VALUE_MAX];
};

/* Takes the topmost challenge of a 401 or 407 that we can answer (RFC 8760 §2.4). False: there is
 * none, *digest is as it was. */
WARN_UNUSED bool sip_digest_take(struct sip_digest *digest, const struct sip_message *response);

/* Takes nextnonce of Authentication-Info, if a success carries one (RFC 7616 §3.5). */
void sip_digest_next(struct sip_digest *digest, const struct sip_message *response);

struct sip_digest_user {
    struct view username, password; /* username without quotes */
};

/* Writes the whole header line for a request without a body; cnonce: SIP_DIGEST_CNONCE_LEN or more random
 * characters. Counts the nonce's use. */
void sip_digest_print(struct writer *w, struct sip_digest *digest,
                      const struct sip_digest_user *user, struct view method, struct view uri,
                      struct view cnonce);

#endif
