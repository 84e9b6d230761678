/* Tests of reading the API's own documents, and of the answer, read back by another's parser. */
#include "doctor/evidence.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

static const char recording[] =
    "{\"id\":\"x\",\"warnings\":[{\"code\":\"disk-full\",\"text\":\"t\"}],\"streams\":["
    "{\"label\":\"1\",\"packets\":5,\"direction\":\"recvonly\",\"offered\":\"192.0.2.1:4000\","
    "\"advertised\":\"198.51.100.1:10000\",\"bound\":\"10.0.0.5:10000\",\"observed\":null,"
    "\"path\":\"static\",\"verdict\":{\"trail\":[{\"event\":\"punched\",\"peer\":\"192.0.2.1:"
    "4000\"}],"
    "\"security\":[\"alg-suspected\"]}},"
    "{\"label\":\"2\",\"packets\":0,\"direction\":\"inactive\",\"path\":\"relay\",\"verdict\":"
    "{\"trail\":[{\"t_ms\":4,\"event\":\"denied\",\"peer\":\"192.0.2.9:0\"}],\"security\":[],"
    "\"ice\":"
    "true}}]}";
static const char network[] =
    "{\"state\":\"known\",\"interfaces\":[{\"name\":\"docker0\",\"default\":false,\"addresses\":"
    "[\"172.17.0.1\"]},{\"name\":\"eth0\",\"default\":true,\"addresses\":[\"10.0.0.5\",\"fe80::1\"]"
    "}],\"external\":[{\"address\":\"203.0.113.5\",\"source\":\"setting\",\"age_s\":1},"
    "{\"address\":\"198.51.100.1\",\"source\":\"stun\",\"age_s\":1}],\"behind_nat\":true,"
    "\"levels\":2,\"mapping\":\"address-dependent\",\"filtering\":\"address-and-port-dependent\","
    "\"hairpin\":false,\"portmap\":{\"external\":\"100.64.0.7\"},\"relays\":[{\"server\":"
    "\"192.0.2.40:3478\",\"state\":\"refuses\",\"code\":401},{\"server\":\"192.0.2.41:3478\","
    "\"state\":"
    "\"silent\"}],\"stun_servers\":[{\"answers\":false},{\"answers\":true}]}";

static bool is_text(const struct addr *a, const char *want)
{
    return strcmp(addr_print_ip(a).s, want) == 0;
}

static void test_recording(void)
{
    struct doctor_evidence e = {0};
    doctor_read_recording(recording, &e);
    CHECK(e.has_call && e.disk_is_full && e.alg_is_suspected);
    CHECK_INT(e.stream_count, 2);
    CHECK_INT(e.streams[0].packets, 5);
    CHECK(e.streams[0].expects_media && !e.streams[1].expects_media);
    CHECK(is_text(&e.streams[0].advertised, "198.51.100.1"));
    CHECK_INT(e.streams[0].path, PATH_MAPPED);
    CHECK_INT(e.streams[1].path, PATH_RELAY);
    CHECK(!e.streams[0].is_ice && e.streams[1].is_ice);
    CHECK(is_text(&e.streams[1].denied, "192.0.2.9"));
    CHECK(e.streams[0].is_punched && !e.streams[1].is_punched);
    doctor_read_recording("{\"streams\":[{\"packets\":0,\"verdict\":{\"first_packet_ms\":3}},"
                          "{\"packets\":0,\"verdict\":{\"first_packet_ms\":null}}]}",
                          &e);
    CHECK(e.streams[2].packets > 0 && e.streams[3].packets == 0);
}

/* One stream that was answered otherwise at first, and where it came from then on; verdict: what else that says. */
static void read_detour(struct doctor_evidence *e, const char *advertised, const char *bound,
                        const char *path, const char *verdict)
{
    char text[512];
    snprintf(
        text, sizeof text,
        "{\"streams\":[{\"label\":\"1\",\"packets\":500,\"direction\":\"recvonly\","
        "\"offered\":\"192.0.2.1:4000\",\"advertised\":\"%s\",\"bound\":\"%s\",\"path\":\"%s\","
        "\"verdict\":{%s,\"trail\":[{\"t_ms\":2000,\"event\":\"retried\"}]}}]}",
        advertised, bound, path, verdict);
    doctor_read_recording(text, e);
    doctor_read_network(network, e);
}

static void read_relayed(struct doctor_evidence *e, const char *verdict)
{
    read_detour(e, "192.0.2.40:50000", "10.0.0.5:10000", "relay", verdict);
}

static void read_opened(struct doctor_evidence *e, const char *verdict)
{
    read_detour(e, "203.0.113.5:10010", "10.0.0.5:10010", "static", verdict);
}

/* Before us stands one NAT, and it has the address that the settings name. */
static void have_one_nat(struct doctor_evidence *e)
{
    e->external = e->ordered;
    e->levels = 1;
    e->gateway = (struct addr){0};
}

/* The settings' address is not STUN's. */
static void test_misled(void)
{
    struct doctor_evidence e = {0};
    read_relayed(&e, "\"our_class\":\"EIM+APDF\",\"external_differs\":true");
    doctor_take_detours(&e);
    CHECK(e.streams[0].was_misled && !e.streams[0].is_detour);
    CHECK(!doctor_stream_is_dead(&e.streams[0]));
    CHECK_TEXT(addr_print(&e.streams[0].advertised).s, "192.0.2.40:50000");
}

/* The settings' address was told first, and nothing came there (the trail says "retried"). */
static void test_detour(void)
{
    struct doctor_evidence e = {0};
    struct doctor_diagnosis d;
    read_relayed(&e, "\"our_class\":\"1:1\",\"external_differs\":false");
    doctor_take_detours(&e);
    CHECK(!e.streams[0].was_misled && e.streams[0].is_detour);
    CHECK(doctor_stream_is_dead(&e.streams[0]));
    CHECK_TEXT(addr_print(&e.streams[0].advertised).s, "203.0.113.5:10000");
    /* Seen from outside nothing gets in there, and our own rules drop nothing. */
    have_one_nat(&e);
    e.streams[0].probe = e.streams[0].firewall = PATH_NO;
    doctor_diagnose(&e, &d);
    CHECK(!d.is_healthy && d.count == 1 && d.findings[0].cause == DOCTOR_NOT_FORWARDED);
    CHECK_INT(d.findings[0].certainty, DOCTOR_CERTAIN);
    /* It gets in: then the SRC was late. */
    e.streams[0].probe = PATH_YES;
    doctor_diagnose(&e, &d);
    CHECK(d.is_healthy);
}

/* It comes to the settings' address, at a port that was sent from before the SRC was told, and had
 * not sent before: it may have been late. */
static void test_opened_for_nothing(void)
{
    struct doctor_evidence e = {0};
    struct doctor_diagnosis d;
    read_opened(&e, "\"our_class\":\"1:1\",\"path\":\"M+H(ip:port)\",\"lost_before_first\":0");
    have_one_nat(&e);
    doctor_take_detours(&e);
    doctor_diagnose(&e, &d);
    CHECK(d.is_healthy);
}

/* It had sent before: other ports are not forwarded. */
static void test_opened(void)
{
    struct doctor_evidence e = {0};
    struct doctor_diagnosis d;
    read_opened(&e, "\"our_class\":\"1:1\",\"path\":\"M+H(ip:port)\",\"lost_before_first\":99");
    have_one_nat(&e);
    doctor_take_detours(&e);
    doctor_diagnose(&e, &d);
    CHECK(!d.is_healthy && d.findings[0].cause == DOCTOR_NOT_FORWARDED &&
          d.findings[0].certainty != DOCTOR_CERTAIN);
    char *report = doctor_print_report(&e, &d, "x");
    CHECK(strstr(report, "Media comes by another way than was answered, and") != NULL);
    free(report);
    e.streams[0].firewall = PATH_NO;
    doctor_diagnose(&e, &d);
    CHECK(d.count == 1 && d.findings[0].certainty == DOCTOR_CERTAIN);
    /* Behind two NATs it may be either's doing. */
    e.levels = 2;
    doctor_diagnose(&e, &d);
    CHECK(d.count >= 2 && d.findings[0].certainty != DOCTOR_CERTAIN);
    CHECK(d.findings[0].cause == DOCTOR_DOUBLE_NAT && d.findings[1].cause == DOCTOR_NOT_FORWARDED);
    /* Without a NAT a firewall before this host lets in what answers, and nothing else. */
    e.levels = 0;
    e.streams[0].firewall = PATH_UNKNOWN;
    e.local = e.ordered;
    doctor_diagnose(&e, &d);
    CHECK(d.findings[0].cause == DOCTOR_ROUTER_FIREWALL &&
          d.findings[0].certainty == DOCTOR_LIKELY);
    e.streams[0].firewall = PATH_NO;
    doctor_diagnose(&e, &d);
    CHECK(d.count == 1 && d.findings[0].cause == DOCTOR_ROUTER_FIREWALL &&
          d.findings[0].certainty == DOCTOR_CERTAIN);
}

/* It came otherwise than answered first, and stopped there a minute ago, as the SRC says by its own doing. */
static void stops(struct doctor_evidence *e)
{
    struct doctor_diagnosis d;
    e->streams[0].silent_ms = 60000;
    e->streams[0].src_sends = PATH_NO;
    e->streams[0].rtcp = 7;
    have_one_nat(e);
    e->relay = DOCTOR_RELAY_READY;
    e->streams[0].firewall = PATH_NO;
    doctor_take_detours(e);
    CHECK(!e->streams[0].is_detour && e->streams[0].rtcp == 7);
    doctor_diagnose(e, &d);
    CHECK(d.count == 1 && d.findings[0].cause == DOCTOR_SRC_SILENT &&
          d.findings[0].certainty == DOCTOR_CERTAIN);
    char *report = doctor_print_report(e, &d, "x");
    CHECK(strstr(report, "Media stopped for stream 1 at ") && !strstr(report, "answered first"));
    free(report);
}

static void test_relayed_that_stopped(void)
{
    struct doctor_evidence e = {0};
    read_relayed(&e, "\"our_class\":\"1:1\",\"path\":\"Rw\",\"lost_before_first\":99");
    CHECK(e.streams[0].was_elsewhere && !e.streams[0].is_opened);
    stops(&e);
}

static void test_opened_that_stopped(void)
{
    struct doctor_evidence e = {0};
    struct doctor_diagnosis d;
    read_opened(&e, "\"our_class\":\"1:1\",\"path\":\"M+H(ip:port)\",\"lost_before_first\":99");
    CHECK(e.streams[0].was_elsewhere && e.streams[0].is_opened);
    stops(&e);
    /* It says that it sends: what let it in may have forgotten it, and it had never been forwarded. */
    e.streams[0].src_sends = PATH_YES;
    e.streams[0].is_readdressed = true;
    doctor_diagnose(&e, &d);
    CHECK(d.count == 1 && d.findings[0].cause == DOCTOR_NAT_FORGOT);
    /* A stranger's probe is not let in, as from the first. */
    e.streams[0].src_sends = PATH_UNKNOWN;
    e.streams[0].is_readdressed = false;
    e.streams[0].probe = PATH_NO;
    doctor_diagnose(&e, &d);
    CHECK(d.count >= 2 && d.findings[0].certainty != DOCTOR_CERTAIN);
}

/* "1 causes" are none, and what the firewall's rules have shown is no question any more. */
static void test_one_cause_is_left(void)
{
    struct doctor_evidence e = {.has_call = true, .stream_count = 1, .port_min = 1, .port_max = 2};
    struct doctor_diagnosis d = {.findings = {{DOCTOR_ROUTER_FIREWALL, DOCTOR_LIKELY, 1}},
                                 .count = 1};
    e.streams[0] = (struct doctor_stream){.expects_media = true, .firewall = PATH_NO};
    char *report = doctor_print_report(&e, &d, "x");
    CHECK(strstr(report, "No media comes, and from here one cause is left; one command tells "));
    CHECK(strstr(report, "RTP to another port than 0, and") &&
          !strstr(report, "firewall drops it"));
    free(report);
    d.findings[d.count++] = (struct doctor_finding){DOCTOR_HOST_FIREWALL, DOCTOR_POSSIBLE, 1};
    e.streams[0].firewall = PATH_UNKNOWN;
    report = doctor_print_report(&e, &d, "x");
    CHECK(strstr(report, "2 causes are left") && strstr(report, "this host's firewall drops it"));
    free(report);
}

static void test_network(void)
{
    struct doctor_evidence e = {0};
    doctor_read_network(network, &e);
    CHECK(is_text(&e.local, "10.0.0.5"));
    CHECK(is_text(&e.external, "198.51.100.1"));
    CHECK(is_text(&e.gateway, "100.64.0.7"));
    CHECK(e.external_is_set && e.stun_is_asked && !e.stun_is_silent);
    CHECK_INT(e.behind_nat, PATH_YES);
    CHECK_INT(e.levels, 2);
    CHECK_INT(e.behaviour.mapping, NAT_MAPPING_ADDRESS);
    CHECK_INT(e.behaviour.filtering, NAT_FILTERING_ADDRESS_PORT);
    CHECK_INT(e.behaviour.hairpin, NAT_HAIRPIN_NONE);
    CHECK_INT(e.relay, DOCTOR_RELAY_REFUSED);
    CHECK_TEXT(e.relay_server, "192.0.2.40:3478");
    struct addr ours[] = {addr_v4(203, 0, 113, 5, 1), addr_v4(198, 51, 100, 1, 2),
                          addr_v4(172, 17, 0, 1, 3), addr_v4(100, 64, 0, 7, 4)};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        CHECK(doctor_is_ours(&e, &ours[i]));
    CHECK(!doctor_is_ours(&e, &(struct addr){.family = ADDR_V4, .ip = {198, 51, 100, 2}}));
}

/* Of an IPv6 call the other family's NAT says nothing. */
static void test_the_calls_own_family(void)
{
    struct doctor_evidence e = {0};
    doctor_read_recording("{\"streams\":[{\"advertised\":\"[2001:db8::5]:10000\"}]}", &e);
    doctor_read_network(
        "{\"behind_nat\":true,\"mapping\":\"address-dependent\",\"levels\":2,\"portmap\":{"
        "\"external\":"
        "\"100.64.0.7\"},\"interfaces\":[{\"default\":true,\"addresses\":[\"10.0.0.5\","
        "\"2001:db8::5\"]}],\"external\":[{\"address\":\"198.51.100.1\",\"source\":\"stun\"},"
        "{\"address\":\"2001:db8::6\",\"source\":\"stun\"}],\"ipv6\":{\"behind_nat\":false,"
        "\"mapping\":\"none\",\"filtering\":\"address-dependent\",\"levels\":null}}",
        &e);
    CHECK(e.is_v6 && is_text(&e.local, "2001:db8::5") && is_text(&e.external, "2001:db8::6"));
    CHECK_INT(e.behind_nat, PATH_NO);
    CHECK_INT(e.levels, -1);
    CHECK_INT(e.behaviour.mapping, NAT_MAPPING_NONE);
    CHECK_INT(e.behaviour.filtering, NAT_FILTERING_ADDRESS);
    CHECK(!addr_is_set(&e.gateway));
}

static void test_rubbish(void)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{\"streams\":7}",
                                        "{\"streams\":[7,null]}",
                                        "{\"interfaces\":[{\"default\":true,\"addresses\":[7]}]}",
                                        "{\"relays\":[null],\"external\":[1]}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct doctor_evidence e = {0};
        doctor_read_recording(texts[i], &e);
        doctor_read_network(texts[i], &e);
        CHECK(e.stream_count <= 2);
    }
}

static void test_report(void)
{
    struct doctor_evidence e = {.invites = 1, .refused_status = 488};
    struct doctor_diagnosis d;
    doctor_diagnose(&e, &d);
    char *text = doctor_print_report(&e, &d, "a\"b");
    json_t *root = json_loads(text, 0, NULL);
    const json_t *finding = json_array_get(json_object_get(root, "findings"), 0);
    CHECK_TEXT(json_string_value(json_object_get(root, "call_id")), "a\"b");
    CHECK(json_is_false(json_object_get(root, "healthy")));
    CHECK_TEXT(json_string_value(json_object_get(finding, "cause")), "codec");
    CHECK_TEXT(json_string_value(json_object_get(finding, "certainty")), "certain");
    CHECK(strstr(json_string_value(json_object_get(root, "verdict")), "codec") != NULL);
    json_decref(root);
    free(text);
}

int main(void)
{
    RUN(test_recording);
    RUN(test_misled);
    RUN(test_detour);
    RUN(test_opened_for_nothing);
    RUN(test_opened);
    RUN(test_relayed_that_stopped);
    RUN(test_opened_that_stopped);
    RUN(test_one_cause_is_left);
    RUN(test_network);
    RUN(test_the_calls_own_family);
    RUN(test_rubbish);
    RUN(test_report);
    return tap_done();
}
