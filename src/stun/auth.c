/* auth: challenges and signatures of the long-term credential mechanism.
 * Not here: HMACs, time.
 * RFC 8489 §9.2. */
#include "stun/auth.h"

#include "base/reader.h"

#include <openssl/crypto.h>
#include <string.h>

/* §9.2: "obMatJos2" and four base64 characters of 24 feature bits, bit 0 first. */
#define COOKIE_TEXT_LEN    9
#define COOKIE_LEN         13
#define FEATURE_ALGORITHMS 0x800000u
#define FEATURE_ANONYMITY  0x400000u

bool stun_auth_init(struct stun_auth *auth, struct view username, struct view password)
{
    *auth = (struct stun_auth){.algorithm = STUN_MD5};
    return username.len > 0 && password.len > 0 &&
           view_copy(username, auth->username, sizeof auth->username) &&
           view_copy(password, auth->password, sizeof auth->password);
}

void stun_auth_finish(struct stun_auth *auth)
{
    stun_key_destroy(auth->key);
    OPENSSL_cleanse(auth, sizeof *auth);
}

static bool base64_digit(char c, uint32_t *value)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    if (at)
        *value = *value << 6 | (uint32_t)(at - digits);
    return at;
}

/* The features that the nonce promises; none without a nonce cookie. */
static uint32_t nonce_features(struct view nonce)
{
    uint32_t bits = 0;
    if (nonce.len < COOKIE_LEN || !view_starts_with(nonce, VIEW_LIT("obMatJos2")))
        return 0;
    for (size_t i = COOKIE_TEXT_LEN; i < COOKIE_LEN; i++) {
        if (!base64_digit(nonce.at[i], &bits))
            return 0;
    }
    return bits;
}

/* The first algorithm of the server's list that we have (§9.2.5); false when none. Each entry:
 * number, length of parameters, parameters, padding (§14.11). */
static bool choose_algorithm(struct view list, enum stun_password_algorithm *out)
{
    struct reader r = reader_of(list);
    while (reader_left(&r) > 0) {
        uint16_t algorithm = reader_u16(&r);
        uint16_t len = reader_u16(&r);
        reader_skip(&r, (len + 3u) & ~3u);
        if (r.failed)
            return false;
        if ((algorithm == STUN_MD5 || algorithm == STUN_SHA256) && len == 0) {
            *out = (enum stun_password_algorithm)algorithm;
            return true;
        }
    }
    return false;
}

/* Without quotes and trailing NULs (§9.2.2). */
static struct view bare(struct view v)
{
    while (v.len && v.at[v.len - 1] == '\0')
        v.len--;
    if (v.len >= 2 && v.at[0] == '"' && v.at[v.len - 1] == '"')
        v = view_take(view_skip(v, 1), v.len - 2);
    return v;
}

static bool make_key(struct stun_auth *auth)
{
    struct stun_key *key = stun_key_create_long(auth->algorithm, view_of_string(auth->username),
                                                bare(view_of(auth->realm, auth->realm_len)),
                                                view_of_string(auth->password));
    if (!key)
        return false;
    stun_key_destroy(auth->key);
    auth->key = key;
    return true;
}

static enum stun_auth_verdict take_challenge(struct stun_auth *auth, const struct stun_message *m,
                                             uint16_t code, bool was_signed)
{
    struct view realm, nonce, algorithms;
    enum stun_password_algorithm algorithm = STUN_MD5;
    if (!stun_attribute_find(m, STUN_NONCE, &nonce) || nonce.len > STUN_NONCE_MAX)
        return STUN_AUTH_REFUSED;
    /* A 438 should repeat the realm; where it does not, the known one stands. */
    if (!stun_attribute_find(m, STUN_REALM, &realm) && auth->challenged)
        realm = view_of(auth->realm, auth->realm_len);
    if (realm.len == 0 || realm.len > STUN_REALM_MAX)
        return STUN_AUTH_REFUSED;
    uint32_t features = nonce_features(nonce);
    bool listed = stun_attribute_find(m, STUN_PASSWORD_ALGORITHMS, &algorithms);
    if (((features & FEATURE_ALGORITHMS) && !listed) || (auth->algorithms_len && !listed))
        return STUN_AUTH_BID_DOWN;
    if (listed && (algorithms.len > STUN_ALGORITHMS_MAX || algorithms.len == 0 ||
                   !choose_algorithm(algorithms, &algorithm)))
        return STUN_AUTH_REFUSED;
    bool same_realm = auth->challenged && view_equal(realm, view_of(auth->realm, auth->realm_len));
    bool same_nonce = auth->challenged && view_equal(nonce, view_of(auth->nonce, auth->nonce_len));
    /* 401 to a request that was signed for this realm: the password is wrong (§9.2.5: no retry
     * without a change). A nonce that is stale as soon as it is given makes a loop. */
    if (was_signed && ((code == 401 && same_realm) || (code == 438 && same_nonce)))
        return STUN_AUTH_REFUSED;
    (void)view_copy(realm, auth->realm, sizeof auth->realm);
    (void)view_copy(nonce, auth->nonce, sizeof auth->nonce);
    auth->realm_len = realm.len;
    auth->nonce_len = nonce.len;
    auth->algorithms_len = listed ? algorithms.len : 0;
    if (listed)
        memcpy(auth->algorithms, algorithms.at, algorithms.len);
    auth->anonymous = (features & FEATURE_ANONYMITY) != 0;
    bool same_key = same_realm && auth->key && auth->algorithm == algorithm;
    auth->algorithm = algorithm;
    auth->challenged = true;
    auth->challenges++;
    return same_key || make_key(auth) ? STUN_AUTH_RETRY : STUN_AUTH_NO_MEMORY;
}

enum stun_auth_verdict stun_auth_response(struct stun_auth *auth, const struct stun_message *m,
                                          bool was_signed)
{
    uint16_t code = 0;
    struct view reason, unused;
    bool is_error = m->class == STUN_ERROR && stun_read_error(m, &code, &reason);
    enum stun_integrity integrity =
        auth->key && was_signed ? stun_check(m, auth->key) : STUN_INTEGRITY_ABSENT;
    if (integrity == STUN_INTEGRITY_BAD)
        return STUN_AUTH_FORGED;
    if (is_error && (code == 401 || code == 438))
        return take_challenge(auth, m, code, was_signed);
    if (!was_signed)
        return STUN_AUTH_ACCEPT;
    /* §9.2.5: a nonce that promises algorithms, without them, makes any other response void. */
    if (stun_attribute_find(m, STUN_NONCE, &unused) &&
        (nonce_features(unused) & FEATURE_ALGORITHMS) &&
        !stun_attribute_find(m, STUN_PASSWORD_ALGORITHMS, &unused))
        return STUN_AUTH_FORGED;
    if (integrity == STUN_INTEGRITY_ABSENT)
        return STUN_AUTH_FORGED;
    /* Once SHA-256 was agreed nothing weaker is believed. */
    if (auth->algorithms_len && !m->integrity_sha256)
        return STUN_AUTH_FORGED;
    auth->proven = true;
    return STUN_AUTH_ACCEPT;
}

bool stun_auth_sign(struct stun_auth *auth, struct writer *w)
{
    if (!auth->challenged || !auth->key)
        return false;
    struct view username = view_of_string(auth->username);
    struct view realm = view_of(auth->realm, auth->realm_len);
    if (auth->anonymous) {
        uint8_t hash[STUN_USERHASH_SIZE];
        stun_userhash(username, bare(realm), hash);
        stun_put(w, STUN_USERHASH, view_of(hash, sizeof hash));
    } else {
        stun_put(w, STUN_USERNAME, username);
    }
    stun_put(w, STUN_REALM, realm);
    stun_put(w, STUN_NONCE, view_of(auth->nonce, auth->nonce_len));
    if (auth->algorithms_len) {
        stun_put(w, STUN_PASSWORD_ALGORITHMS, view_of(auth->algorithms, auth->algorithms_len));
        stun_put_u32(w, STUN_PASSWORD_ALGORITHM, (uint32_t)auth->algorithm << 16);
        stun_sign_sha256(w, auth->key);
    } else {
        stun_sign(w, auth->key);
    }
    return true;
}
