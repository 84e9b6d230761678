/* rest: the password of a time-limited username.
 * Not here: when to make a new one (its owner has the clock), signing (stun).
 * RFC: none; draft-uberti-behave-turn-rest-00 §2.2. */
#include "turn/allocation.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

bool turn_rest_password(struct view secret, struct view username, char out[TURN_REST_PASSWORD_SIZE])
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (secret.len > INT32_MAX || !HMAC(EVP_sha1(), secret.at, (int)secret.len,
                                        (const uint8_t *)username.at, username.len, mac, &len))
        return false;
    return EVP_EncodeBlock((uint8_t *)out, mac, (int)len) == TURN_REST_PASSWORD_SIZE - 1;
}
