/* Tests of stun/auth: challenges as RFC 8489 §9.2.5 tells them, one row a rule. */
#include "stun/auth.h"

#include "stun_vectors.h"

static uint8_t bytes[2048];

struct challenge {
    uint16_t code;
    const char *realm, *nonce;
    struct view algorithms;
    struct stun_key *sign; /* NULL: not signed */
    bool sha256;
};

#define PLAIN_NONCE  "nonce-1"
#define SHA256_NONCE "obMatJos2gAAAnonce-1" /* bit 0: password algorithms */
#define ANONYM_NONCE "obMatJos2wAAAnonce-1" /* bits 0 and 1 */
#define LIST_MD5     VIEW_LIT("\0\1\0\0")
#define LIST_BOTH    VIEW_LIT("\0\2\0\0\0\1\0\0")
#define LIST_UNKNOWN VIEW_LIT("\0\7\0\0")

static enum stun_auth_verdict judge(struct stun_auth *auth, const struct challenge *c,
                                    bool was_signed)
{
    static const struct stun_transaction t = {{9}};
    struct stun_message m;
    struct writer w = writer_of(bytes, sizeof bytes);
    stun_begin(&w, c->code ? STUN_ERROR : STUN_SUCCESS, STUN_ALLOCATE, &t);
    if (c->code)
        stun_put_error(&w, c->code, "reason");
    if (c->realm)
        stun_put(&w, STUN_REALM, view_of_string(c->realm));
    if (c->nonce)
        stun_put(&w, STUN_NONCE, view_of_string(c->nonce));
    if (c->algorithms.len)
        stun_put(&w, STUN_PASSWORD_ALGORITHMS, c->algorithms);
    if (c->sign && c->sha256)
        stun_sign_sha256(&w, c->sign);
    else if (c->sign)
        stun_sign(&w, c->sign);
    stun_finish(&w, false);
    CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_DECODED);
    return stun_auth_response(auth, &m, was_signed);
}

static struct stun_message signed_request(struct stun_auth *auth, bool *was_signed)
{
    static const struct stun_transaction t = {{8}};
    struct stun_message m = {0};
    struct writer w = writer_of(bytes, sizeof bytes);
    stun_begin(&w, STUN_REQUEST, STUN_ALLOCATE, &t);
    *was_signed = stun_auth_sign(auth, &w);
    stun_finish(&w, false);
    CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_DECODED);
    return m;
}

static void test_first_request_is_bare(void)
{
    struct stun_auth auth;
    bool was_signed;
    CHECK(stun_auth_init(&auth, VIEW_LIT("user"), VIEW_LIT("pass")));
    CHECK_INT(signed_request(&auth, &was_signed).bytes.len, 20);
    CHECK(!was_signed);
    stun_auth_finish(&auth);
    CHECK(!stun_auth_init(&auth, VIEW_LIT(""), VIEW_LIT("pass")));
}

static void test_md5_challenge(void)
{
    struct stun_auth auth;
    struct view value;
    bool was_signed;
    struct stun_key *key =
        stun_key_create_long(STUN_MD5, VIEW_LIT("user"), VIEW_LIT("realm"), VIEW_LIT("pass"));
    CHECK(stun_auth_init(&auth, VIEW_LIT("user"), VIEW_LIT("pass")));
    CHECK_INT(judge(&auth, &(struct challenge){401, "realm", PLAIN_NONCE}, false), STUN_AUTH_RETRY);
    struct stun_message m = signed_request(&auth, &was_signed);
    CHECK(was_signed);
    CHECK(stun_attribute_find(&m, STUN_USERNAME, &value));
    CHECK_VIEW(value, "user");
    CHECK(stun_attribute_find(&m, STUN_REALM, &value));
    CHECK_VIEW(value, "realm");
    CHECK(stun_attribute_find(&m, STUN_NONCE, &value));
    CHECK_VIEW(value, PLAIN_NONCE);
    CHECK(m.integrity && !m.integrity_sha256);
    CHECK_INT(stun_check(&m, key), STUN_INTEGRITY_GOOD);
    /* 401 again for the same realm: the password is wrong, no second retry */
    CHECK_INT(judge(&auth, &(struct challenge){401, "realm", "nonce-2"}, true), STUN_AUTH_REFUSED);
    /* 438 with a new nonce: again; with the same: no loop */
    CHECK_INT(judge(&auth, &(struct challenge){438, "realm", "nonce-3"}, true), STUN_AUTH_RETRY);
    CHECK_INT(judge(&auth, &(struct challenge){438, "realm", "nonce-3"}, true), STUN_AUTH_REFUSED);
    CHECK_INT(judge(&auth, &(struct challenge){438, NULL, "nonce-4"}, true), STUN_AUTH_RETRY);
    /* success signed by the server, unsigned, and signed by somebody else */
    struct stun_key *other = stun_key_create_short(VIEW_LIT("x"));
    CHECK_INT(judge(&auth, &(struct challenge){.sign = key}, true), STUN_AUTH_ACCEPT);
    CHECK_INT(judge(&auth, &(struct challenge){0}, true), STUN_AUTH_FORGED);
    CHECK_INT(judge(&auth, &(struct challenge){.sign = other}, true), STUN_AUTH_FORGED);
    CHECK_INT(judge(&auth, &(struct challenge){400}, true),
              STUN_AUTH_FORGED); /* §9.2.5: 400 unsigned */
    CHECK_INT(judge(&auth, &(struct challenge){.code = 400, .sign = key}, true), STUN_AUTH_ACCEPT);
    stun_key_destroy(key);
    stun_key_destroy(other);
    stun_auth_finish(&auth);
}

static void test_sha256_challenge(void)
{
    struct stun_auth auth;
    struct view value;
    uint32_t algorithm;
    uint8_t hash[STUN_USERHASH_SIZE];
    bool was_signed;
    struct stun_key *key =
        stun_key_create_long(STUN_SHA256, VIEW_LIT("user"), VIEW_LIT("realm"), VIEW_LIT("pass"));
    CHECK(stun_auth_init(&auth, VIEW_LIT("user"), VIEW_LIT("pass")));
    CHECK_INT(judge(&auth, &(struct challenge){401, "realm", ANONYM_NONCE, LIST_BOTH}, false),
              STUN_AUTH_RETRY);
    struct stun_message m = signed_request(&auth, &was_signed);
    CHECK(!stun_attribute_find(&m, STUN_USERNAME, &value));
    CHECK(stun_attribute_find(&m, STUN_USERHASH, &value));
    stun_userhash(VIEW_LIT("user"), VIEW_LIT("realm"), hash);
    CHECK(view_equal(value, view_of(hash, sizeof hash)));
    CHECK(stun_attribute_find(&m, STUN_PASSWORD_ALGORITHMS, &value));
    CHECK(view_equal(value, LIST_BOTH));
    CHECK(stun_read_u32(&m, STUN_PASSWORD_ALGORITHM, &algorithm));
    CHECK_INT(algorithm, 0x00020000);
    CHECK(m.integrity_sha256 && !m.integrity);
    CHECK_INT(stun_check(&m, key), STUN_INTEGRITY_GOOD);
    CHECK_INT(judge(&auth, &(struct challenge){.sign = key, .sha256 = true}, true),
              STUN_AUTH_ACCEPT);
    CHECK_INT(judge(&auth, &(struct challenge){.sign = key}, true),
              STUN_AUTH_FORGED); /* weaker than agreed */
    CHECK_INT(judge(&auth, &(struct challenge){438, "realm", PLAIN_NONCE}, true),
              STUN_AUTH_BID_DOWN);
    stun_key_destroy(key);
    stun_auth_finish(&auth);
}

static void test_bid_down_and_unknown_algorithms(void)
{
    struct stun_auth auth;
    bool was_signed;
    CHECK(stun_auth_init(&auth, VIEW_LIT("user"), VIEW_LIT("pass")));
    CHECK_INT(judge(&auth, &(struct challenge){401, "realm", SHA256_NONCE}, false),
              STUN_AUTH_BID_DOWN);
    CHECK_INT(judge(&auth, &(struct challenge){401, "realm", SHA256_NONCE, LIST_UNKNOWN}, false),
              STUN_AUTH_REFUSED);
    CHECK_INT(judge(&auth, &(struct challenge){401, "realm", NULL}, false), STUN_AUTH_REFUSED);
    CHECK_INT(judge(&auth, &(struct challenge){401, NULL, PLAIN_NONCE}, false), STUN_AUTH_REFUSED);
    (void)signed_request(&auth, &was_signed);
    CHECK(!was_signed);
    /* MD5 listed: PASSWORD-ALGORITHM is MD5, but the integrity is SHA-256's (§9.2.5's last rule) */
    CHECK_INT(judge(&auth, &(struct challenge){401, "realm", SHA256_NONCE, LIST_MD5}, false),
              STUN_AUTH_RETRY);
    struct stun_message m = signed_request(&auth, &was_signed);
    struct stun_key *key =
        stun_key_create_long(STUN_MD5, VIEW_LIT("user"), VIEW_LIT("realm"), VIEW_LIT("pass"));
    CHECK(m.integrity_sha256 && !m.integrity);
    CHECK_INT(stun_check(&m, key), STUN_INTEGRITY_GOOD);
    stun_key_destroy(key);
    stun_auth_finish(&auth);
}

int main(void)
{
    RUN(test_first_request_is_bare);
    RUN(test_md5_challenge);
    RUN(test_sha256_challenge);
    RUN(test_bid_down_and_unknown_algorithms);
    return tap_done();
}
