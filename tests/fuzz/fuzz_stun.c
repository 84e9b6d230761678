/* Fuzz target: the first byte picks what is done with the message behind it. */
#include "stun/auth.h"
#include "stun/server.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stun_key *key;
    static const uint16_t types[] = {STUN_XOR_MAPPED_ADDRESS, STUN_MAPPED_ADDRESS,
                                     STUN_OTHER_ADDRESS};
    struct stun_message m;
    struct view text;
    struct addr address, from = addr_v4(192, 0, 2, 1, 1);
    uint16_t code;
    if (!key)
        key = stun_key_create_short(VIEW_LIT("VOkJxbRl1RmTxUk/WvJxBt"));
    if (size < 1 || stun_message_decode(view_of(data + 1, size - 1), &m) != STUN_DECODED)
        return 0;
    struct stun_attribute attribute;
    for (size_t at = 0; stun_attribute_next(&m, &at, &attribute);)
        assert(attribute.value.at >= m.bytes.at && attribute.value.len <= m.bytes.len);
    for (size_t i = 0; i < 3; i++)
        (void)!stun_read_address(&m, (enum stun_attribute_type)types[i], &address);
    (void)!stun_read_error(&m, &code, &text);
    (void)stun_check(&m, key);
    uint8_t out[STUN_SERVER_ANSWER_MAX];
    struct writer w = writer_of(out, sizeof out);
    struct stun_server server = {.other = addr_v4(198, 51, 100, 2, 3479), .local = from};
    struct stun_server_answer answer = stun_server_answer(&server, &m, &from, &w);
    assert(!answer.send || !w.failed);
    if (data[0] & 1) {
        struct stun_auth auth;
        bool ok = stun_auth_init(&auth, VIEW_LIT("user"), VIEW_LIT("pass"));
        assert(ok);
        uint8_t big[4096];
        for (int i = 0; i < 2; i++) {
            struct writer request = writer_of(big, sizeof big);
            stun_begin(&request, STUN_REQUEST, STUN_ALLOCATE, &m.transaction);
            bool was_signed = stun_auth_sign(&auth, &request);
            (void)stun_auth_response(&auth, &m, was_signed);
        }
        stun_auth_finish(&auth);
    }
    return 0;
}
