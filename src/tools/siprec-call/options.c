/* options: reads the command line; see options.h.
 * Not here: doing what it says.
 * RFC 3261 §19.1 (the URI). */
#include "tools/siprec-call/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/siprec-call/embedded.h"
#include "tools/siprec-call/profile.h"
#include "tools/siprec-call/script.h"

#define CALLS_MAX 100000

static const char help[] =
    "usage: siprec-call URI [options]\n"
    "A test SRC (RFC 7866): calls a recording server and sends it one RTP stream a party.\n\n"
    "  --streams N           streams a call (default: the profile's, else 2; at most 16)\n"
    "  --seconds S           how long a call lasts after its answer (default 10)\n"
    "  --transport udp|tcp|tls   default: the URI's ;transport=, else udp; tls for sips:\n"
    "  --tls-ca FILE         who must have signed the server's certificate; else any will do\n"
    "  --tls-certificate FILE   shown to a server that asks (PEM, with its key)\n"
    "  --audio tone|FILE     tones of 440, 660, 880 ... Hz, or a file in a loop: channel i of one "
    "file feeds stream i;\n"
    "                        given again: one file a stream\n"
    "  --codec NAME[,NAME]   PCMU PCMA L16 G722 GSM OPUS AMR AMR-WB, as far as this machine can "
    "encode them\n"
    "  --profile NAME|FILE   speaks as a vendor's SRC does; --list names them\n"
    "  --script NAME|FILE    hold, resume, transfer, add ...; --list names the ready ones\n"
    "  --ice full|lite|trickle   offers ICE candidates, or tells them later by INFO, and sends "
    "where "
    "checks lead\n"
    "  --dtx                 talk and pause in turns, with comfort noise\n"
    "  --loss P --reorder P --dup P   percent of the packets\n"
    "  --drift PPM           clock of every second stream is that much fast\n"
    "  --calls N --rate R --hold S    N calls, R a second, each S seconds long\n"
    "  --expect CODE         the INVITE's answer that counts as good (default any 2xx)\n"
    "  --strict              whatever is wrong with an answer fails the call\n"
    "  --timeout S           for an answer (default 32)\n"
    "  --local ADDRESS       call from there\n"
    "  --rtp-ports MIN-MAX   local media ports (default 20002-32767)\n"
    "  --say ADDRESS         the SDP names it instead\n"
    "  --send-from port|ADDRESS   RTP leaves from another port, or from that address\n"
    "  --latch               RTP follows the source of what comes to the stream's port\n"
    "  --seed N              the same chances again\n"
    "  --json                report in JSON\n"
    "  --list, --help, --version\n\n"
    "exit status: 0 all is well, 1 a call failed, 2 wrong usage, 3 nobody was reached\n";

enum option_code {
    OPTION_STREAMS = 256,
    OPTION_SECONDS,
    OPTION_TRANSPORT,
    OPTION_TLS_CA,
    OPTION_TLS_CERTIFICATE,
    OPTION_AUDIO,
    OPTION_CODEC,
    OPTION_PROFILE,
    OPTION_SCRIPT,
    OPTION_SRTP,
    OPTION_ICE,
    OPTION_CALLS,
    OPTION_RATE,
    OPTION_HOLD,
    OPTION_LOSS,
    OPTION_REORDER,
    OPTION_DUP,
    OPTION_DRIFT,
    OPTION_DTX,
    OPTION_SEED,
    OPTION_JSON,
    OPTION_STRICT,
    OPTION_EXPECT,
    OPTION_TIMEOUT,
    OPTION_LOCAL,
    OPTION_PORTS,
    OPTION_SAY,
    OPTION_SEND_FROM,
    OPTION_LATCH,
    OPTION_LIST,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option long_options[] = {
    {"streams", required_argument, NULL, OPTION_STREAMS},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"transport", required_argument, NULL, OPTION_TRANSPORT},
    {"tls-ca", required_argument, NULL, OPTION_TLS_CA},
    {"tls-certificate", required_argument, NULL, OPTION_TLS_CERTIFICATE},
    {"audio", required_argument, NULL, OPTION_AUDIO},
    {"codec", required_argument, NULL, OPTION_CODEC},
    {"profile", required_argument, NULL, OPTION_PROFILE},
    {"script", required_argument, NULL, OPTION_SCRIPT},
    {"srtp", required_argument, NULL, OPTION_SRTP},
    {"ice", required_argument, NULL, OPTION_ICE},
    {"calls", required_argument, NULL, OPTION_CALLS},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"hold", required_argument, NULL, OPTION_HOLD},
    {"loss", required_argument, NULL, OPTION_LOSS},
    {"reorder", required_argument, NULL, OPTION_REORDER},
    {"dup", required_argument, NULL, OPTION_DUP},
    {"drift", required_argument, NULL, OPTION_DRIFT},
    {"dtx", no_argument, NULL, OPTION_DTX},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"json", no_argument, NULL, OPTION_JSON},
    {"strict", no_argument, NULL, OPTION_STRICT},
    {"expect", required_argument, NULL, OPTION_EXPECT},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"local", required_argument, NULL, OPTION_LOCAL},
    {"rtp-ports", required_argument, NULL, OPTION_PORTS},
    {"say", required_argument, NULL, OPTION_SAY},
    {"send-from", required_argument, NULL, OPTION_SEND_FROM},
    {"latch", no_argument, NULL, OPTION_LATCH},
    {"list", no_argument, NULL, OPTION_LIST},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static bool number_parse(const char *text, uint32_t least, uint32_t most, unsigned *out)
{
    uint32_t number = 0;
    if (!view_parse_u32(view_of_string(text), &number) || number < least || number > most)
        return false;
    *out = number;
    return true;
}

static bool real_parse(const char *text, double least, double most, double *out)
{
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !(number >= least && number <= most))
        return false;
    *out = number;
    return true;
}

static bool percent_parse(const char *text, double *out)
{
    double percent = 0;
    char copy[32];
    struct view v = view_of_string(text);
    if (v.len > 1 && v.at[v.len - 1] == '%')
        v.len--;
    if (!view_copy(v, copy, sizeof copy) || !real_parse(copy, 0, 100, &percent))
        return false;
    *out = percent / 100;
    return true;
}

static bool codecs_parse(struct call_options *options, const char *text)
{
    struct view rest = view_of_string(text), one;
    options->codec_count = 0;
    while (view_cut(&rest, ',', &one)) {
        const struct call_codec *codec = call_codec_find(view_trim(one));
        if (!codec || options->codec_count >= CALL_CODECS)
            return false;
        options->codecs[options->codec_count++] = codec;
    }
    return options->codec_count > 0;
}

static bool ports_parse(struct call_options *options, const char *text)
{
    struct view rest = view_of_string(text), low;
    uint16_t min = 0, max = 0;
    view_cut(&rest, '-', &low);
    if (!view_parse_u16(low, &min) || !view_parse_u16(rest, &max) || min < 1024)
        return false;
    min = (uint16_t)(min + min % 2);
    options->ports = (struct call_net_range){min, max, min};
    return max > min;
}

static bool audio_add(struct call_options *options, const char *text)
{
    if (strcmp(text, "tone") == 0) {
        options->audio_count = 0;
        return true;
    }
    if (options->audio_count >= CALL_AUDIO_FILES)
        return false;
    options->audio[options->audio_count++] = text;
    return true;
}

static bool ice_parse(struct call_options *options, struct view name)
{
    if (view_equal_nocase(name, VIEW_LIT("full")))
        options->ice = CALL_ICE_FULL;
    else if (view_equal_nocase(name, VIEW_LIT("lite")))
        options->ice = CALL_ICE_LITE;
    else if (view_equal_nocase(name, VIEW_LIT("trickle")))
        options->ice = CALL_ICE_TRICKLE;
    else if (view_equal_nocase(name, VIEW_LIT("none")))
        options->ice = CALL_ICE_NONE;
    else
        return false;
    return true;
}

static bool transport_parse(struct call_options *options, struct view name)
{
    if (view_equal_nocase(name, VIEW_LIT("udp")))
        options->transport = CALL_UDP;
    else if (view_equal_nocase(name, VIEW_LIT("tcp")))
        options->transport = CALL_TCP;
    else if (view_equal_nocase(name, VIEW_LIT("tls")))
        options->transport = CALL_TLS;
    else
        return false;
    return true;
}

/* What a media option says; false: a value it does not take. */
static bool media_option(struct call_options *options, int code, const char *value)
{
    double number = 0;
    switch (code) {
    case OPTION_STREAMS:
        return number_parse(value, 1, CALL_STREAMS_MAX, &options->streams);
    case OPTION_AUDIO:
        return audio_add(options, value);
    case OPTION_CODEC:
        return codecs_parse(options, value);
    case OPTION_LOSS:
        return percent_parse(value, &options->impairment.loss);
    case OPTION_REORDER:
        return percent_parse(value, &options->impairment.reorder);
    case OPTION_DUP:
        return percent_parse(value, &options->impairment.duplicate);
    case OPTION_DRIFT:
        if (!real_parse(value, -10000, 10000, &number))
            return false;
        options->impairment.drift_ppm = (int)number;
        return true;
    case OPTION_DTX:
        return options->impairment.dtx = true;
    case OPTION_ICE:
        return ice_parse(options, view_of_string(value));
    case OPTION_PORTS:
        return ports_parse(options, value);
    case OPTION_SAY:
        return addr_parse_ip(view_of_string(value), &options->say);
    case OPTION_SEND_FROM:
        options->send_from_port = strcmp(value, "port") == 0;
        return options->send_from_port || addr_parse_ip(view_of_string(value), &options->send_from);
    case OPTION_LATCH:
        return options->latch = true;
    default:
        return false;
    }
}

static bool call_option(struct call_options *options, int code, const char *value)
{
    switch (code) {
    case OPTION_SECONDS:
    case OPTION_HOLD:
        return call_duration_parse(view_of_string(value), &options->hold_ms);
    case OPTION_TRANSPORT:
        return transport_parse(options, view_of_string(value));
    case OPTION_TLS_CA:
        options->tls_ca = value;
        return true;
    case OPTION_TLS_CERTIFICATE:
        options->tls_certificate = value;
        return true;
    case OPTION_PROFILE:
        options->profile = value;
        return true;
    case OPTION_SCRIPT:
        options->script = value;
        return true;
    case OPTION_CALLS:
        return number_parse(value, 1, CALLS_MAX, &options->calls);
    case OPTION_RATE:
        return real_parse(value, 0.001, 10000, &options->rate);
    case OPTION_SEED:
        options->seed_given = true;
        return view_parse_u64(view_of_string(value), &options->seed);
    case OPTION_EXPECT:
        return number_parse(value, 200, 699, &options->expect);
    case OPTION_TIMEOUT:
        return call_duration_parse(view_of_string(value), &options->timeout_ms) &&
               options->timeout_ms > 0;
    case OPTION_LOCAL:
        return addr_parse_ip(view_of_string(value), &options->local);
    default:
        return media_option(options, code, value);
    }
}

/* "sip:user@host:port;transport=tcp". */
static bool uri_parse(struct call_options *options, bool transport_given)
{
    struct view uri = view_of_string(options->uri), part;
    bool secure = view_starts_with_nocase(uri, VIEW_LIT("sips:"));
    if (!secure && !view_starts_with_nocase(uri, VIEW_LIT("sip:")))
        return false;
    if (secure && !transport_given)
        options->transport = CALL_TLS;
    uri = view_skip(uri, secure ? 5 : 4);
    size_t at = view_find_char(uri, '@');
    if (at < uri.len)
        uri = view_skip(uri, at + 1);
    struct view parameters = uri;
    view_cut(&parameters, ';', &uri);
    while (view_cut(&parameters, ';', &part)) {
        if (!transport_given && !secure && view_starts_with_nocase(part, VIEW_LIT("transport=")) &&
            !transport_parse(options, view_skip(part, 10)))
            return false;
    }
    options->port = options->transport == CALL_TLS ? 5061 : 5060; /* RFC 3261 §19.1.2 */
    struct view host = uri, port = VIEW_NONE;
    if (uri.len > 0 && uri.at[0] == '[') {
        size_t close = view_find_char(uri, ']');
        host = view_take(view_skip(uri, 1), close - 1);
        port = view_skip(uri, close + 1);
        if (close >= uri.len || (port.len > 0 && port.at[0] != ':'))
            return false;
        port = view_skip(port, 1);
    } else {
        view_cut(&port, ':', &host);
        port = uri;
        view_cut(&port, ':', &host);
    }
    if (port.len > 0 && !view_parse_u16(port, &options->port))
        return false;
    return host.len > 0 && options->port > 0 &&
           view_copy(host, options->host, sizeof options->host);
}

static void lists_print(void)
{
    char error[128];
    struct call_profile profile;
    puts("profiles:");
    for (const struct call_embedded *e = call_profiles; e->name; e++) {
        if (!call_profile_load(&profile, e->name, error, sizeof error))
            continue;
        printf("  %-18s " VIEW_FMT "\n", e->name, VIEW_ARG(profile.about));
        call_profile_finish(&profile);
    }
    puts("scripts:");
    for (const struct call_embedded *e = call_scripts; e->name; e++) {
        /* A ready script's first line is a comment that says what it is. */
        struct view text = view_of_string(e->text), line;
        view_cut_line(&text, &line);
        printf("  %-18s " VIEW_FMT "\n", e->name, VIEW_ARG(view_trim(view_skip(line, 1))));
    }
}

static enum call_usage complain(const char *what, const char *value)
{
    fprintf(stderr, "siprec-call: %s%s%s (--help shows the usage)\n", what, value ? ": " : "",
            value ? value : "");
    return CALL_USAGE_WRONG;
}

/* Options that end the program, and those it must refuse; CALL_USAGE_RUN: neither. */
static enum call_usage special_option(int code)
{
    switch (code) {
    case OPTION_HELP:
        fputs(help, stdout);
        return CALL_USAGE_DONE;
    case OPTION_VERSION:
        puts("siprec-call " SIPRECD_VERSION);
        return CALL_USAGE_DONE;
    case OPTION_LIST:
        lists_print();
        return CALL_USAGE_DONE;
    case OPTION_SRTP:
        return complain("--srtp: this version sends plain RTP only, it has no SRTP", NULL);
    default:
        return CALL_USAGE_RUN;
    }
}

static bool flag_option(struct call_options *options, int code)
{
    if (code == OPTION_JSON)
        return options->json = true;
    if (code == OPTION_STRICT)
        return options->strict = true;
    return false;
}

enum call_usage call_options_parse(struct call_options *options, int argc, char **argv)
{
    *options = (struct call_options){.hold_ms = 10000,
                                     .calls = 1,
                                     .rate = 1000,
                                     .expect = 200,
                                     .timeout_ms = 32000,
                                     .profile = "generic",
                                     .ports = {20002, 32767, 20002}};
    bool transport_given = false;
    int code, at = 0;
    while ((code = getopt_long(argc, argv, "h", long_options, &at)) != -1) {
        if (code == '?')
            return CALL_USAGE_WRONG; /* getopt has said why */
        enum call_usage special = special_option(code == 'h' ? OPTION_HELP : code);
        if (special != CALL_USAGE_RUN)
            return special;
        if (!flag_option(options, code) && !call_option(options, code, optarg))
            return complain(long_options[at].name, optarg);
        transport_given = transport_given || code == OPTION_TRANSPORT;
    }
    if (optind + 1 != argc)
        return complain(optind == argc ? "no URI" : "more than one URI", NULL);
    options->uri = argv[optind];
    if (!uri_parse(options, transport_given))
        return complain("not a SIP URI such as sip:127.0.0.1:5060", options->uri);
    return CALL_USAGE_RUN;
}
