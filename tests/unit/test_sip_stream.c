/* test_sip_stream: cutting a connection's bytes into messages.
 * Not here: what is in them.
 * RFC 3261 §7.5, 18.3, 20.14; RFC 5626 §4.4.1. */
#include "sip/stream.h"
#include "tap.h"

#define HEAD "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n"
#define ONE  HEAD "Content-Length: 4\r\n\r\nbody"
#define TWO  HEAD "l:0\r\n\r\n"
#define LF   "BYE sip:a@b SIP/2.0\nVia: SIP/2.0/TCP h\ncontent-length : 3\n\nabc"

static void test_pipelined(void)
{
    struct sip_stream s = {0};
    struct view rest = VIEW(ONE "\r\n" TWO LF), message;
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MESSAGE);
    CHECK_VIEW(message, ONE);
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MESSAGE);
    CHECK_VIEW(message, TWO);
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MESSAGE);
    CHECK_VIEW(message, LF);
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MORE);
    CHECK(s.buffer == NULL); /* whole messages are not copied */
    sip_stream_finish(&s);
}

static void test_byte_by_byte(void)
{
    struct sip_stream s = {0};
    static const char bytes[] = ONE LF TWO;
    static const char *const want[] = {ONE, LF, TWO};
    int found = 0;
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        struct view rest = view_of(bytes + i, 1), message;
        while (sip_stream_next(&s, &rest, 100, &message) == SIP_STREAM_MESSAGE) {
            CHECK_VIEW(message, want[found]);
            found++;
        }
    }
    CHECK_INT(found, 3);
    sip_stream_finish(&s);
}

static void test_ping(void)
{
    struct sip_stream s = {0};
    struct view rest = VIEW("\r\n\r"), message;
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MORE);
    rest = VIEW_LIT("\n" TWO);
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_PING);
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MESSAGE);
    /* one line end between messages asks for nothing */
    rest = VIEW_LIT("\r\n" TWO "\r\n" TWO);
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MESSAGE);
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MESSAGE);
    sip_stream_finish(&s);
}

static void test_too_large(void)
{
    for (size_t piece = 1; piece < 200; piece += 33) {
        struct sip_stream s = {0};
        static const char bytes[] = HEAD "Content-Length: 11\r\n\r\n0123456789A" TWO;
        struct view all = view_of_string(bytes), message;
        int large = 0, messages = 0;
        while (all.len > 0) {
            struct view part = view_take(all, piece);
            all = view_skip(all, piece);
            enum sip_stream_result result;
            while ((result = sip_stream_next(&s, &part, 10, &message)) != SIP_STREAM_MORE) {
                large += result == SIP_STREAM_TOO_LARGE;
                messages += result == SIP_STREAM_MESSAGE;
                if (result == SIP_STREAM_MESSAGE)
                    CHECK_VIEW(message, TWO);
                else
                    CHECK_VIEW(message, HEAD "Content-Length: 11\r\n\r\n");
            }
        }
        CHECK_INT(large, 1);
        CHECK_INT(messages, 1); /* the connection goes on */
        sip_stream_finish(&s);
    }
}

static void check_broken(const char *text)
{
    struct sip_stream s = {0};
    struct view rest = view_of_string(text), message;
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_BROKEN);
    rest = VIEW_LIT(TWO);
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MORE);
    CHECK_INT(rest.len, 0);
    sip_stream_finish(&s);
}

static void test_broken(void)
{
    check_broken(HEAD "Content-Length: x\r\n\r\n");
    check_broken(HEAD "Content-Length: -1\r\n\r\n");
    check_broken(HEAD "Content-Length: 1\r\nl: 2\r\n\r\nab");
    check_broken(HEAD "Content-Type: application/sdp\r\n\r\nv=0\r\n");
    check_broken(HEAD "Content-Length: 99999999999999999999999\r\n\r\n");
}

/* §20.14 makes it a MUST, but without a Content-Type there can be no body. */
static void test_no_length_no_body(void)
{
    struct sip_stream s = {0};
    struct view rest = VIEW(HEAD "\r\n" TWO), message;
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MESSAGE);
    CHECK_VIEW(message, HEAD "\r\n");
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_MESSAGE);
    sip_stream_finish(&s);
}

static void test_endless_header(void)
{
    struct sip_stream s = {0};
    static char junk[70000];
    memset(junk, 'x', sizeof(junk));
    struct view rest = view_of(junk, sizeof(junk)), message;
    CHECK_INT(sip_stream_next(&s, &rest, 100, &message), SIP_STREAM_BROKEN);
    sip_stream_finish(&s);
}

int main(void)
{
    RUN(test_pipelined);
    RUN(test_byte_by_byte);
    RUN(test_ping);
    RUN(test_too_large);
    RUN(test_broken);
    RUN(test_no_length_no_body);
    RUN(test_endless_header);
    return tap_done();
}
