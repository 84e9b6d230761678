/* Tests of stun/server: RFC 5769's request answered,
 * and each error of RFC 8489 §6.3.1 and §9.1.3. */
#include "stun/server.h"

#include "stun_vectors.h"

static uint8_t request_bytes[512], answer_bytes[STUN_SERVER_ANSWER_MAX];
static const uint16_t ice_attributes[] = {STUN_PRIORITY, STUN_USE_CANDIDATE};

static struct stun_message answered(const struct stun_server *server, struct view request,
                                    uint16_t code)
{
    struct stun_message r, a = {0};
    struct addr from = addr_v4(192, 0, 2, 1, 32853);
    struct writer w = writer_of(answer_bytes, sizeof answer_bytes);
    CHECK_INT(stun_message_decode(request, &r), STUN_DECODED);
    struct stun_server_answer answer = stun_server_answer(server, &r, &from, &w);
    CHECK(answer.send);
    CHECK_INT(answer.code, code);
    CHECK_INT(stun_message_decode(writer_done(&w), &a), STUN_DECODED);
    CHECK_INT(a.class, code ? STUN_ERROR : STUN_SUCCESS);
    CHECK(stun_transaction_equal(&a.transaction, &r.transaction));
    uint16_t got;
    struct view reason;
    CHECK(!code || (stun_read_error(&a, &got, &reason) && got == code));
    return a;
}

static void test_rfc5769_request_is_answered(void)
{
    struct addr mapped;
    struct view request = vector_load("rfc5769-2.1-request", request_bytes, sizeof request_bytes);
    struct stun_server server = {.key = stun_key_create_short(VECTOR_PASSWORD),
                                 .username = VIEW("evtj:h6vY"),
                                 .known = ice_attributes,
                                 .known_count = 2};
    struct stun_message a = answered(&server, request, 0);
    CHECK(stun_read_mapped(&a, &mapped));
    CHECK_TEXT(addr_print(&mapped).s, "192.0.2.1:32853");
    CHECK(a.fingerprint);
    CHECK_INT(stun_check(&a, server.key), STUN_INTEGRITY_GOOD);
    server.username = VIEW_LIT("evtj:other");
    a = answered(&server, request, 401);
    CHECK(!a.integrity);
    server.username = VIEW_LIT("evtj:h6vY");
    server.known_count = 0; /* PRIORITY is not understood then */
    a = answered(&server, request, 420);
    struct view types;
    CHECK(stun_attribute_find(&a, STUN_UNKNOWN_ATTRIBUTES, &types));
    CHECK(view_equal(types, VIEW_LIT("\0\x24")));
    stun_key_destroy(server.key);
    server.key = stun_key_create_short(VIEW_LIT("wrong"));
    (void)answered(&server, request, 401);
    stun_key_destroy(server.key);
}

static struct view plain_request(enum stun_attribute_type type, struct view value)
{
    static const struct stun_transaction t = {{7}};
    struct writer w = writer_of(request_bytes, sizeof request_bytes);
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &t);
    if (type)
        stun_put(&w, type, value);
    stun_finish(&w, false);
    return writer_done(&w);
}

static void test_no_credentials(void)
{
    struct stun_server server = {0};
    struct addr mapped;
    struct stun_message a = answered(&server, plain_request(0, VIEW_NONE), 0);
    CHECK(stun_read_address(&a, STUN_XOR_MAPPED_ADDRESS, &mapped));
    CHECK(!stun_read_address(&a, STUN_OTHER_ADDRESS, &mapped));
    server.key = stun_key_create_short(VIEW_LIT("k"));
    (void)answered(&server, plain_request(0, VIEW_NONE), 400);
    stun_key_destroy(server.key);
    server.key = NULL;
    /* CHANGE-REQUEST without a second address: RFC 5780 §6.1, 420 */
    (void)answered(&server, plain_request(STUN_CHANGE_REQUEST, VIEW_LIT("\0\0\0\6")), 420);
}

static void test_behaviour_discovery(void)
{
    struct stun_server server = {.local = addr_v4(198, 51, 100, 1, 3478),
                                 .other = addr_v4(198, 51, 100, 2, 3479)};
    struct stun_message m;
    struct addr a, from = addr_v4(192, 0, 2, 1, 1);
    static const struct {
        const char flags;
        const char *origin;
    } rows[] = {{0, "198.51.100.1:3478"},
                {2, "198.51.100.1:3479"},
                {4, "198.51.100.2:3478"},
                {6, "198.51.100.2:3479"}};
    for (size_t i = 0; i < 4; i++) {
        char value[4] = {0, 0, 0, rows[i].flags};
        m = answered(&server, plain_request(STUN_CHANGE_REQUEST, view_of(value, 4)), 0);
        CHECK(stun_read_address(&m, STUN_RESPONSE_ORIGIN, &a));
        CHECK_TEXT(addr_print(&a).s, rows[i].origin);
        CHECK(stun_read_address(&m, STUN_OTHER_ADDRESS, &a));
        CHECK_TEXT(addr_print(&a).s, "198.51.100.2:3479");
    }
    struct writer w = writer_of(answer_bytes, sizeof answer_bytes);
    CHECK_INT(stun_message_decode(plain_request(STUN_RESPONSE_PORT, VIEW_LIT("\x12\x34\0\0")), &m),
              STUN_DECODED);
    CHECK_INT(stun_server_answer(&server, &m, &from, &w).to_port, 0x1234);
}

static void test_what_gets_no_answer(void)
{
    struct stun_server server = {0};
    struct stun_message m;
    struct addr from = addr_v4(192, 0, 2, 1, 1);
    struct stun_transaction t = {{7}};
    for (int class = STUN_INDICATION; class <= STUN_ERROR; class ++) {
        struct writer w = writer_of(request_bytes, sizeof request_bytes);
        struct writer out = writer_of(answer_bytes, sizeof answer_bytes);
        stun_begin(&w, (enum stun_class) class, STUN_BINDING, &t);
        stun_finish(&w, false);
        CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_DECODED);
        CHECK(!stun_server_answer(&server, &m, &from, &out).send);
        CHECK_INT(out.len, 0);
    }
}

static void test_a_classic_client_gets_mapped_address(void)
{
    struct stun_server server = {0};
    struct stun_message a = answered(&server,
                                     VIEW_LIT("\0\1\0\0"
                                              "abcdefghijklmnop"),
                                     0);
    struct addr mapped;
    CHECK(a.classic);
    CHECK(stun_read_address(&a, STUN_MAPPED_ADDRESS, &mapped));
    CHECK_TEXT(addr_print(&mapped).s, "192.0.2.1:32853");
    CHECK(!stun_read_address(&a, STUN_XOR_MAPPED_ADDRESS, &mapped));
}

int main(void)
{
    RUN(test_rfc5769_request_is_answered);
    RUN(test_no_credentials);
    RUN(test_behaviour_discovery);
    RUN(test_what_gets_no_answer);
    RUN(test_a_classic_client_gets_mapped_address);
    return tap_done();
}
