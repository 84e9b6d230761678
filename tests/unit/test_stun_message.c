/* Tests of stun/message: RFC 5769's messages read and built, and what must not be read. */
#include "stun/message.h"

#include "stun_vectors.h"

static uint8_t buffer[2048];

static struct stun_message decoded(const char *name)
{
    struct stun_message m = {0};
    CHECK_INT(stun_message_decode(vector_load(name, buffer, sizeof buffer), &m), STUN_DECODED);
    return m;
}

static void test_rfc5769_request(void)
{
    struct stun_message m = decoded("rfc5769-2.1-request");
    struct view value;
    uint32_t priority;
    uint64_t tie_breaker;
    CHECK_INT(m.class, STUN_REQUEST);
    CHECK_INT(m.method, STUN_BINDING);
    CHECK(!m.classic && m.integrity && m.fingerprint && !m.integrity_sha256);
    CHECK(stun_attribute_find(&m, STUN_SOFTWARE, &value));
    CHECK_VIEW(value, "STUN test client");
    CHECK(stun_attribute_find(&m, STUN_USERNAME, &value));
    CHECK_VIEW(value, "evtj:h6vY");
    CHECK(stun_read_u32(&m, STUN_PRIORITY, &priority));
    CHECK_INT(priority, 0x6e0001ff);
    CHECK(stun_read_u64(&m, STUN_ICE_CONTROLLED, &tie_breaker));
    CHECK(tie_breaker == 0x932ff9b151263b36);
}

static void test_rfc5769_responses(void)
{
    struct addr a;
    struct stun_message m = decoded("rfc5769-2.2-response-ipv4");
    CHECK_INT(m.class, STUN_SUCCESS);
    CHECK(stun_read_mapped(&m, &a));
    CHECK_TEXT(addr_print(&a).s, "192.0.2.1:32853");
    m = decoded("rfc5769-2.3-response-ipv6");
    CHECK(stun_read_mapped(&m, &a));
    CHECK_TEXT(addr_print(&a).s, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

/* The vectors pad with blanks, we with zero (RFC 8489 §14: MUST): equal but for that. */
static void test_built_as_the_vector(void)
{
    uint8_t want[256], out[256];
    struct view vector = vector_load("rfc5769-2.3-response-ipv6", want, sizeof want);
    struct stun_message m;
    struct addr a;
    CHECK_INT(stun_message_decode(vector, &m), STUN_DECODED);
    CHECK(addr_parse(VIEW_LIT("[2001:db8:1234:5678:11:2233:4455:6677]:32853"), 0, &a));
    struct writer w = writer_of(out, sizeof out);
    stun_begin(&w, STUN_SUCCESS, STUN_BINDING, &m.transaction);
    stun_put(&w, STUN_SOFTWARE, VIEW_LIT("test vector"));
    stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, &a);
    stun_settle_length(&w, 32);
    CHECK_INT(w.len, 20 + 16 + 24);
    out[35] = ' ';
    CHECK(memcmp(out, want, w.len) == 0);
}

static void test_types_of_every_method_and_class(void)
{
    /* RFC 8489 appendix A: M11..M7 C1 M6..M4 C0 M3..M0 */
    static const uint16_t class_bits[] = {0x000, 0x010, 0x100, 0x110};
    struct stun_transaction t = {{1}};
    for (uint16_t method = 0; method <= 0xfff; method++) {
        for (int class = STUN_REQUEST; class <= STUN_ERROR; class ++) {
            struct writer w = writer_of(buffer, sizeof buffer);
            struct stun_message m = {0};
            stun_begin(&w, (enum stun_class) class, (enum stun_method)method, &t);
            stun_finish(&w, true);
            uint16_t type = (uint16_t)((method & 0xf80) << 2 | (method & 0x70) << 1 |
                                       (method & 0xf) | class_bits[class]);
            if (!CHECK(buffer[0] == type >> 8 && buffer[1] == (type & 0xff)) ||
                !CHECK(stun_message_decode(writer_done(&w), &m) == STUN_DECODED) ||
                !CHECK(m.method == method && (int)m.class == class))
                return;
        }
    }
}

static void test_what_is_not_stun(void)
{
    struct stun_message m;
    struct view good = vector_load("rfc5769-2.1-request", buffer, sizeof buffer);
    CHECK_INT(stun_message_decode(VIEW_NONE, &m), STUN_NOT_STUN);
    for (size_t len = 0; len < good.len; len++)
        CHECK_INT(stun_message_decode(view_take(good, len), &m), STUN_NOT_STUN);
    buffer[0] = 0x80; /* RTP */
    CHECK_INT(stun_message_decode(good, &m), STUN_NOT_STUN);
    buffer[0] = 0x40; /* ChannelData */
    CHECK_INT(stun_message_decode(good, &m), STUN_NOT_STUN);
    buffer[0] = 0;
    buffer[3] ^= 1; /* a length that is no multiple of 4 */
    CHECK_INT(stun_message_decode(good, &m), STUN_NOT_STUN);
    buffer[3] ^= 1;
    buffer[good.len - 1] ^= 1;
    CHECK_INT(stun_message_decode(good, &m), STUN_BAD_FINGERPRINT);
    buffer[good.len - 1] ^= 1;
    buffer[23] =
        0x60; /* SOFTWARE claims 96 bytes: runs over what follows, and over the end at last */
    CHECK(stun_message_decode(good, &m) != STUN_DECODED);
    /* RFC 8489 B.1 is printed with a length that is not its own. */
    CHECK_INT(stun_message_decode(vector_load("rfc8489-b.1-sha256", buffer, sizeof buffer), &m),
              STUN_NOT_STUN);
}

static void test_what_follows_integrity_is_ignored(void)
{
    static const uint8_t zero[32];
    struct stun_transaction t = {{2}};
    struct stun_message m;
    struct view value;
    uint32_t number;
    struct writer w = writer_of(buffer, sizeof buffer);
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &t);
    stun_put_u32(&w, STUN_PRIORITY, 1);
    stun_put(&w, STUN_MESSAGE_INTEGRITY, view_of(zero, 20));
    stun_put_u32(&w, STUN_PRIORITY, 2);
    stun_put(&w, STUN_USE_CANDIDATE, VIEW_NONE);
    stun_put(&w, STUN_MESSAGE_INTEGRITY_SHA256, view_of(zero, 32));
    stun_put(&w, STUN_NONCE, VIEW_LIT("late"));
    stun_finish(&w, true);
    CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_DECODED);
    CHECK(stun_read_u32(&m, STUN_PRIORITY, &number));
    CHECK_INT(number, 1);
    CHECK(!stun_attribute_find(&m, STUN_USE_CANDIDATE, &value));
    CHECK(!stun_attribute_find(&m, STUN_NONCE, &value));
    CHECK(stun_attribute_find(&m, STUN_MESSAGE_INTEGRITY_SHA256, &value));
    CHECK(stun_attribute_find(&m, STUN_FINGERPRINT, &value));
    /* FINGERPRINT must be the last (§14.7) */
    w = writer_of(buffer, sizeof buffer);
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &t);
    stun_finish(&w, true);
    stun_put_u32(&w, STUN_PRIORITY, 1);
    stun_settle_length(&w, 0);
    CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_MALFORMED);
}

static void test_values_of_the_wrong_form(void)
{
    struct stun_transaction t = {{3}};
    struct stun_message m;
    struct addr a;
    uint16_t code;
    uint32_t number;
    struct view reason;
    struct writer w = writer_of(buffer, sizeof buffer);
    stun_begin(&w, STUN_ERROR, STUN_BINDING, &t);
    stun_put(&w, STUN_XOR_MAPPED_ADDRESS, VIEW_LIT("\0\1\1\1\1\1\1")); /* 7 bytes */
    stun_put(&w, STUN_OTHER_ADDRESS, VIEW_LIT("\0\3\1\1\1\1\1\1"));    /* family 3 */
    stun_put(&w, STUN_ALTERNATE_SERVER, VIEW_LIT("\0\1\1\1\1\1\1\1\1"));
    stun_put(&w, STUN_PRIORITY, VIEW_LIT("\0\0\0"));
    stun_put(&w, STUN_ERROR_CODE, VIEW_LIT("\0\0\7\0")); /* 700 */
    stun_finish(&w, false);
    CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_DECODED);
    CHECK(!stun_read_address(&m, STUN_XOR_MAPPED_ADDRESS, &a));
    CHECK(!stun_read_address(&m, STUN_OTHER_ADDRESS, &a));
    CHECK(!stun_read_address(&m, STUN_ALTERNATE_SERVER, &a));
    CHECK(!stun_read_u32(&m, STUN_PRIORITY, &number));
    CHECK(!stun_read_error(&m, &code, &reason));
    w = writer_of(buffer, sizeof buffer);
    stun_begin(&w, STUN_ERROR, STUN_BINDING, &t);
    stun_put_error(&w, 438, "Stale Nonce");
    stun_finish(&w, false);
    CHECK(memcmp(buffer + 20, "\0\x09\0\x0f\0\0\4\x26Stale Nonce\0", 20) == 0); /* §14.8 by hand */
    CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_DECODED);
    CHECK(stun_read_error(&m, &code, &reason));
    CHECK_INT(code, 438);
    CHECK_VIEW(reason, "Stale Nonce");
}

static void test_unknown_attributes_each_once(void)
{
    static const uint16_t known[] = {STUN_USERNAME};
    struct stun_transaction t = {{4}};
    struct stun_message m;
    uint16_t out[2];
    struct writer w = writer_of(buffer, sizeof buffer);
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &t);
    stun_put(&w, (enum stun_attribute_type)0x7001, VIEW_LIT("a"));
    stun_put(&w, STUN_USERNAME, VIEW_LIT("b"));
    stun_put(&w, (enum stun_attribute_type)0x7001, VIEW_LIT("c"));
    stun_put(&w, (enum stun_attribute_type)0x7002, VIEW_NONE);
    stun_put(&w, (enum stun_attribute_type)0xf001, VIEW_NONE); /* comprehension-optional */
    stun_finish(&w, false);
    CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_DECODED);
    CHECK_INT(stun_unknown_attributes(&m, known, 1, out, 2), 2);
    CHECK_INT(out[0], 0x7001);
    CHECK_INT(out[1], 0x7002);
}

static void test_a_classic_message_is_told_apart(void)
{
    /* RFC 3489 §11.1: type, length, 128-bit transaction id. */
    struct stun_message m;
    struct addr a;
    CHECK_INT(stun_message_decode(VIEW_LIT("\x01\x01\0\x0c"
                                           "abcdefghijklmnop"
                                           "\0\1\0\x08\0\1\x80\x55\xc0\0\2\1"),
                                  &m),
              STUN_DECODED);
    CHECK(m.classic);
    CHECK(stun_read_mapped(&m, &a));
    CHECK_TEXT(addr_print(&a).s, "192.0.2.1:32853");
}

int main(void)
{
    RUN(test_rfc5769_request);
    RUN(test_rfc5769_responses);
    RUN(test_built_as_the_vector);
    RUN(test_types_of_every_method_and_class);
    RUN(test_what_is_not_stun);
    RUN(test_what_follows_integrity_is_ignored);
    RUN(test_values_of_the_wrong_form);
    RUN(test_unknown_attributes_each_once);
    RUN(test_a_classic_message_is_told_apart);
    return tap_done();
}
