/* key: HMAC over STUN messages with OpenSSL.
 * Not here: credentials' policy.
 * RFC 8489 §14.5, §14.6. */
#include "stun/key.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#define SHA1_SIZE       20
#define SHA256_SIZE     32
#define SHA256_CUT_SIZE 16
#define PASSWORD_MAX    1024

/* Each ICE agent has two of these: SHA-256's part is made when it is first asked for,
 * which ICE never does. */
struct stun_key {
    EVP_MAC_CTX *sha1, *sha256;
    size_t len;
    uint8_t bytes[];
};

static EVP_MAC_CTX *hmac_create(const char *digest, const struct stun_key *key)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    char name[16];
    (void)view_copy(view_of_string(digest), name, sizeof name);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                           OSSL_PARAM_construct_end()};
    if (ctx && EVP_MAC_init(ctx, key->bytes, key->len, params) == 1)
        return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

static struct stun_key *key_create(struct view bytes)
{
    struct stun_key *key = bytes.len <= PASSWORD_MAX ? calloc(1, sizeof *key + bytes.len) : NULL;
    if (!key)
        return NULL;
    key->len = bytes.len;
    if (bytes.len)
        memcpy(key->bytes, bytes.at, bytes.len);
    key->sha1 = hmac_create("SHA1", key);
    if (key->sha1)
        return key;
    stun_key_destroy(key);
    return NULL;
}

struct stun_key *stun_key_create_short(struct view password)
{
    return key_create(password);
}

/* Digest of the parts with ":" between them; its length, 0 when OpenSSL failed. */
static size_t digest_joined(const EVP_MD *md, const struct view *parts, size_t count, uint8_t *out)
{
    unsigned len = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, md, NULL) == 1;
    for (size_t i = 0; i < count && ok; i++)
        ok = (i == 0 || EVP_DigestUpdate(ctx, ":", 1) == 1) &&
             EVP_DigestUpdate(ctx, parts[i].at, parts[i].len) == 1;
    ok = ok && EVP_DigestFinal_ex(ctx, out, &len) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? len : 0;
}

struct stun_key *stun_key_create_long(enum stun_password_algorithm algorithm, struct view username,
                                      struct view realm, struct view password)
{
    const struct view parts[] = {username, realm, password};
    uint8_t bytes[EVP_MAX_MD_SIZE];
    size_t len = digest_joined(algorithm == STUN_MD5 ? EVP_md5() : EVP_sha256(), parts, 3, bytes);
    struct stun_key *key = len ? key_create(view_of(bytes, len)) : NULL;
    OPENSSL_cleanse(bytes, sizeof bytes);
    return key;
}

void stun_key_destroy(struct stun_key *key)
{
    if (!key)
        return;
    EVP_MAC_CTX_free(key->sha1);
    EVP_MAC_CTX_free(key->sha256);
    OPENSSL_cleanse(key, sizeof *key + key->len);
    free(key);
}

struct view stun_key_bytes(const struct stun_key *key)
{
    return view_of(key->bytes, key->len);
}

void stun_userhash(struct view username, struct view realm, uint8_t out[STUN_USERHASH_SIZE])
{
    const struct view parts[] = {username, realm};
    uint8_t bytes[EVP_MAX_MD_SIZE];
    size_t len = digest_joined(EVP_sha256(), parts, 2, bytes);
    assert(len ==
           STUN_USERHASH_SIZE); /* SHA-256 over two strings does not fail but for lack of memory */
    memcpy(out, bytes, STUN_USERHASH_SIZE);
}

/* HMAC over covered, but with length in the header's length field: integrity counts up to the end
 * of its own attribute, whatever follows (§14.5). */
static void hmac(EVP_MAC_CTX *ctx, struct view covered, uint16_t length, uint8_t *out)
{
    uint8_t head[512]; /* a check fits: one update of the hash costs less than two */
    size_t size = covered.len < sizeof head ? covered.len : sizeof head, len = 0;
    memcpy(head, covered.at, size);
    head[2] = (uint8_t)(length >> 8);
    head[3] = (uint8_t)length;
    int ok = EVP_MAC_init(ctx, NULL, 0, NULL) == 1 && EVP_MAC_update(ctx, head, size) == 1 &&
             (size == covered.len ||
              EVP_MAC_update(ctx, (const uint8_t *)covered.at + size, covered.len - size) == 1) &&
             EVP_MAC_final(ctx, out, &len, EVP_MAX_MD_SIZE) == 1;
    assert(ok); /* a context that was initialised once: nothing of the peer's can make it fail */
}

/* NULL when memory is out. */
static EVP_MAC_CTX *sha256_of(struct stun_key *key)
{
    if (!key->sha256)
        key->sha256 = hmac_create("SHA256", key);
    return key->sha256;
}

static void sign(struct writer *w, EVP_MAC_CTX *ctx, enum stun_attribute_type type, size_t size)
{
    uint8_t value[EVP_MAX_MD_SIZE];
    stun_settle_length(w, 4 + size);
    w->failed |= !ctx;
    if (w->failed)
        return;
    hmac(ctx, view_of(w->buffer, w->len), (uint16_t)(w->len - STUN_HEADER_SIZE + 4 + size), value);
    stun_put(w, type, view_of(value, size));
}

void stun_sign(struct writer *w, struct stun_key *key)
{
    sign(w, key->sha1, STUN_MESSAGE_INTEGRITY, SHA1_SIZE);
}

void stun_sign_sha256(struct writer *w, struct stun_key *key)
{
    sign(w, sha256_of(key), STUN_MESSAGE_INTEGRITY_SHA256, SHA256_SIZE);
}

static bool holds(const struct stun_message *m, size_t at, EVP_MAC_CTX *ctx, struct view value)
{
    uint8_t want[EVP_MAX_MD_SIZE];
    hmac(ctx, view_take(m->bytes, at), (uint16_t)(at + 4 + value.len - STUN_HEADER_SIZE), want);
    return CRYPTO_memcmp(want, value.at, value.len) == 0;
}

/* The value of the attribute that starts there; the decoder saw to it that it lies inside. */
static struct view value_at(const struct stun_message *m, size_t at)
{
    size_t len = (size_t)(uint8_t)m->bytes.at[at + 2] << 8 | (uint8_t)m->bytes.at[at + 3];
    return view_take(view_skip(m->bytes, at + 4), len);
}

enum stun_integrity stun_check(const struct stun_message *m, struct stun_key *key)
{
    struct view value;
    if (!m->integrity && !m->integrity_sha256)
        return STUN_INTEGRITY_ABSENT;
    if (m->integrity) {
        value = value_at(m, m->integrity);
        if (value.len != SHA1_SIZE || !holds(m, m->integrity, key->sha1, value))
            return STUN_INTEGRITY_BAD;
    }
    if (m->integrity_sha256) {
        value = value_at(m, m->integrity_sha256);
        if (value.len < SHA256_CUT_SIZE || value.len > SHA256_SIZE || value.len % 4 != 0 ||
            !sha256_of(key) || !holds(m, m->integrity_sha256, key->sha256, value))
            return STUN_INTEGRITY_BAD;
    }
    return STUN_INTEGRITY_GOOD;
}
