/* What the nat settings mean to surveyor: hosts and ports taken apart, in the order they are tried.
 * Not here: their form (test_siprecd_settings.c).
 * RFC 7064, RFC 7065. */
#include "siprecd/survey_settings.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static struct survey_settings parsed;

static const struct survey_settings *of(const char *file)
{
    struct settings_source source = {.file = "f", .file_text = view_of_string(file)};
    struct settings *settings = settings_read(&source);
    CHECK_INT(settings_errors(settings), 0);
    survey_settings_of(settings, &parsed);
    settings_destroy(settings);
    return &parsed;
}

static void test_defaults(void)
{
    const struct survey_settings *s = of("");
    CHECK_INT(s->behind_nat, PATH_UNKNOWN);
    CHECK_INT(s->stun_count, 2);
    CHECK_TEXT(s->stun[0].name, "stun.l.google.com");
    CHECK_INT(s->stun[0].port, 19302);
    CHECK_INT(s->services_count, 3);
    CHECK_TEXT(s->services[0], "https://api.ipify.org");
    CHECK(s->metadata && s->portmap && s->turn_count == 0);
    CHECK(!survey_settings_suffice(s));
}

static void test_stun(void)
{
    const struct survey_settings *s = of("[nat]\nstun_servers = stun:stun.example.com, "
                                         "192.0.2.9:19302, [2001:db8::9]:3479, a.example\n");
    CHECK_INT(s->stun_count, 4);
    CHECK_TEXT(s->stun[0].name, "stun.example.com");
    CHECK_INT(s->stun[0].port, 3478); /* RFC 7064 §3.2 */
    CHECK_TEXT(s->stun[1].name, "192.0.2.9");
    CHECK_INT(s->stun[1].port, 19302);
    CHECK_TEXT(s->stun[2].name, "2001:db8::9");
    CHECK_INT(s->stun[2].port, 3479);
    CHECK_INT(of("[nat]\nstun_servers=none\n")->stun_count, 0);
}

static void test_turn(void)
{
    const struct survey_settings *s =
        of("[nat]\nturn_servers = turns:t1.example, turn:t2.example:3479?transport=tcp,"
           "turn:192.0.2.7, turns:t3.example:443, turn:t4.example?transport=udp\n"
           "turn_username = u\nturn_password = p\n");
    static const struct {
        const char *name;
        uint16_t port;
        enum survey_transport transport;
    } expected[] = {{"192.0.2.7", 3478, SURVEY_UDP},  {"t4.example", 3478, SURVEY_UDP},
                    {"t2.example", 3479, SURVEY_TCP}, {"192.0.2.7", 3478, SURVEY_TCP},
                    {"t1.example", 5349, SURVEY_TLS}, {"t3.example", 443, SURVEY_TLS}};
    CHECK_INT(s->turn_count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        CHECK_TEXT(s->turn[i].host.name, expected[i].name);
        CHECK_INT(s->turn[i].host.port, expected[i].port);
        CHECK_INT(s->turn[i].transport, expected[i].transport);
    }
    CHECK(!s->turn_is_secret);
    CHECK_TEXT(s->turn_password, "p");
    s = of("[nat]\nturn_servers=turn:t\nturn_secret=s3cret\nturn_password=p\n");
    CHECK(s->turn_is_secret);
    CHECK_TEXT(s->turn_password, "s3cret");
}

static void test_rest(void)
{
    const struct survey_settings *s =
        of("[nat]\nbehind_nat=true\nexternal_ip=203.0.113.7,2001:db8::7\ninternal_ip=10.0.0.5\n"
           "portmap=false\nmetadata=false\nip_services=none\nproxy=none\n");
    CHECK_INT(s->behind_nat, PATH_YES);
    CHECK(survey_settings_suffice(s));
    CHECK_TEXT(addr_print_ip(&s->external[0]).s, "203.0.113.7");
    CHECK_TEXT(addr_print_ip(&s->external[1]).s, "2001:db8::7");
    CHECK_TEXT(addr_print_ip(&s->internal[0]).s, "10.0.0.5");
    CHECK(!s->metadata && !s->portmap && s->services_count == 0 && s->proxy[0] == '\0');
    CHECK(survey_settings_suffice(of("[nat]\nbehind_nat=false\n")));
    CHECK(!survey_settings_suffice(of("[nat]\nexternal_ip=203.0.113.7\n")));
    CHECK(!survey_settings_suffice(of("[nat]\nbehind_nat=true\n")));
    setenv("https_proxy", "http://user:word@proxy.example:3128", 1);
    CHECK_TEXT(of("")->proxy, "http://user:word@proxy.example:3128");
    CHECK_TEXT(of("[nat]\nproxy=http://other.example:80\n")->proxy, "http://other.example:80");
    CHECK_TEXT(of("[nat]\nproxy=none\n")->proxy, "");
    unsetenv("https_proxy");
    CHECK_TEXT(of("")->proxy, "");
}

static void test_bind(void)
{
    const struct survey_settings *s = of("[rtp]\nbind=10.0.0.5\n");
    CHECK_TEXT(addr_print_ip(&s->bind[0]).s, "10.0.0.5");
    CHECK(!addr_is_set(&s->bind[1]));
    CHECK(!addr_is_set(&of("[rtp]\nbind=0.0.0.0\n")->bind[0]));
    CHECK(!addr_is_set(&of("[rtp]\nbind=10.0.0.5,10.0.0.6\n")->bind[0]));
}

int main(void)
{
    unsetenv("https_proxy");
    unsetenv("HTTPS_PROXY");
    RUN(test_defaults);
    RUN(test_stun);
    RUN(test_turn);
    RUN(test_rest);
    RUN(test_bind);
    return tap_done();
}
