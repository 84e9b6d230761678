/* Log lines as text and as JSON; what a peer wrote cannot forge a line.
 * Not here: levels (test_base_log.c).
 * RFC 3339, 3629, 8259. */
#include "io/logger.h"

#include "tap.h"

static const struct wall at = {INT64_C(1772366400123000000)}; /* 2026-03-01T12:00:00.123Z */

static void check(enum io_logger_format format, const char *call_id, const char *text,
                  const char *wanted)
{
    struct log_line line = {.level = LOG_LEVEL_WARN,
                            .module = "sip",
                            .call_id = view_of_string(call_id),
                            .text = view_of_string(text)};
    char out[1024];
    size_t len = io_logger_format_line(format, at, &line, out, sizeof(out) - 1);

    out[len] = '\0';
    CHECK_TEXT(out, wanted);
}

static void test_text(void)
{
    check(IO_LOGGER_TEXT, "abc@192.0.2.1", "bye sent reason=expired",
          "2026-03-01T12:00:00.123Z warn  sip: [abc@192.0.2.1] bye sent reason=expired\n");
    check(IO_LOGGER_TEXT, "", "start", "2026-03-01T12:00:00.123Z warn  sip: start\n");
}

static void test_json(void)
{
    check(IO_LOGGER_JSON, "a\"b", "x=\"y\" z=\\",
          "{\"time\":\"2026-03-01T12:00:00.123Z\",\"level\":\"warn\",\"module\":\"sip\","
          "\"call_id\":\"a\\\"b\",\"text\":\"x=\\\"y\\\" z=\\\\\"}\n");
    check(IO_LOGGER_JSON, "", "x",
          "{\"time\":\"2026-03-01T12:00:00.123Z\",\"level\":\"warn\",\"module\":\"sip\","
          "\"text\":\"x\"}\n");
}

static void test_nothing_is_forged(void)
{
    check(IO_LOGGER_TEXT, "a\nb", "x\r\n2026 fake\x1b[2J",
          "2026-03-01T12:00:00.123Z warn  sip: [a\\x0ab] x\\x0d\\x0a2026 fake\\x1b[2J\n");
    check(IO_LOGGER_JSON, "a\n", "\xff\xc3\xa9\xe0\x80\x80",
          "{\"time\":\"2026-03-01T12:00:00.123Z\",\"level\":\"warn\",\"module\":\"sip\","
          "\"call_id\":\"a\\u000a\",\"text\":\"\\u00ff\xc3\xa9\\u00e0\\u0080\\u0080\"}\n");
}

/* Controls that are no single byte: C1 (CSI is U+009B) and those that turn the direction of writing. */
static void test_terminals_are_not_commanded(void)
{
    check(
        IO_LOGGER_TEXT,
        "a\xc2\x9b"
        "2J",
        "x\xe2\x80\xaey\xe2\x81\xa6 \xc2\xa0\xe2\x82\xac",
        "2026-03-01T12:00:00.123Z warn  sip: [a\\u009b2J] x\\u202ey\\u2066 \xc2\xa0\xe2\x82\xac\n");
    check(IO_LOGGER_JSON, "", "x\xc2\x85y",
          "{\"time\":\"2026-03-01T12:00:00.123Z\",\"level\":\"warn\",\"module\":\"sip\","
          "\"text\":\"x\\u0085y\"}\n");
}

/* A Call-ID of 10,000 bytes and a line that does not fit: cut, still one whole line. */
static void test_long(void)
{
    static char long_text[10001];
    struct log_line line = {.level = LOG_LEVEL_INFO, .module = "sip"};
    char out[512];

    memset(long_text, 'x', 10000);
    line.call_id = view_of_string(long_text);
    line.text = view_of_string(long_text);
    for (int format = 0; format < 2; format++) {
        size_t len = io_logger_format_line((enum io_logger_format)format, at, &line, out, 512);
        CHECK(len <= 512 && len > 400 && out[len - 1] == '\n');
        CHECK(format == 0 || memcmp(out + len - 3, "\"}\n", 3) == 0);
    }
}

int main(void)
{
    RUN(test_text);
    RUN(test_json);
    RUN(test_nothing_is_forged);
    RUN(test_terminals_are_not_commanded);
    RUN(test_long);
    return tap_done();
}
