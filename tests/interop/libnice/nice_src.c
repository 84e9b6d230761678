/* nice_src: the media of an SRC with libnice's ICE: one agent, N streams, each a tone in PCMU once
 * its path is ready. Its SIP is said by test_libnice_src.py, which speaks with this program by lines:
 * out "ufrag I X", "pwd I X", "candidate I a=candidate:...", "described", "ready", "failed",
 * "sent I PACKETS"; in "remote I UFRAG PWD", "candidate I a=candidate:...", "restart", "role 0|1",
 * "quit". Use: nice_src STREAMS COMPONENTS ROLE NOMINATION [OPTION ...]; options: address=IP (of
 * ours; several; 127.0.0.1), stun=IP:PORT, turn=IP:PORT, user=U, password=P, relay-only, tcp
 * Not here: siprecd's own ICE code: nothing of this project is linked. */
#include <agent.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    STREAMS = 4,
    ADDRESSES = 8,
    PACKET_MS = 20,
    SAMPLES = 160,
    LINE = 1024,
    PATIENCE_MS = 60000
};

static struct {
    NiceAgent *agent;
    GMainContext *context;
    guint ids[STREAMS];
    int streams, components;
    bool gathered, ready_told, failed_told;
    unsigned sent[STREAMS];
    uint16_t sequence;
    int64_t next_ms, started_ms;
} d;

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void gathering_done(NiceAgent *agent, guint stream, gpointer data)
{
    (void)agent, (void)stream, (void)data;
    d.gathered = true;
}

static void received(NiceAgent *agent, guint stream, guint component, guint len, gchar *bytes,
                     gpointer data)
{
    (void)agent, (void)stream, (void)component, (void)len, (void)bytes, (void)data;
}

/* ITU-T G.711 by its definition. */
static uint8_t mu_law(int sample)
{
    int sign = sample < 0 ? 0x80 : 0, magnitude = (sample < 0 ? -sample : sample) + 33, segment = 0;
    if (magnitude > 8191)
        magnitude = 8191;
    while (magnitude >> (segment + 6))
        segment++;
    return (uint8_t) ~(sign | segment << 4 | ((magnitude >> (segment + 1)) & 15));
}

static void send_tone(int stream)
{
    uint8_t packet[12 + SAMPLES] = {0x80, 0};
    uint32_t timestamp = (uint32_t)d.sequence * SAMPLES;
    packet[2] = (uint8_t)(d.sequence >> 8);
    packet[3] = (uint8_t)d.sequence;
    for (int i = 0; i < 4; i++)
        packet[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
    packet[8] = 0x4e;
    packet[11] = (uint8_t)stream;
    for (int i = 0; i < SAMPLES; i++)
        packet[12 + i] = mu_law((int)(4000 * sin(2 * G_PI * (440 + 220 * stream) *
                                                 (double)(timestamp + (uint32_t)i) / 8000)));
    if (nice_agent_send(d.agent, d.ids[stream], 1, sizeof packet, (gchar *)packet) > 0)
        d.sent[stream]++;
}

static void send_due(void)
{
    if (!d.ready_told)
        return;
    while (now_ms() >= d.next_ms) {
        for (int i = 0; i < d.streams; i++)
            send_tone(i);
        d.sequence++;
        d.next_ms += PACKET_MS;
    }
}

static void describe(void)
{
    d.started_ms = now_ms();
    for (int i = 0; i < d.streams; i++) {
        gchar *ufrag = NULL, *pwd = NULL;
        nice_agent_get_local_credentials(d.agent, d.ids[i], &ufrag, &pwd);
        printf("ufrag %d %s\npwd %d %s\n", i, ufrag, i, pwd);
        g_free(ufrag);
        g_free(pwd);
        for (int c = 1; c <= d.components; c++) {
            GSList *list = nice_agent_get_local_candidates(d.agent, d.ids[i], (guint)c);
            for (GSList *at = list; at; at = at->next) {
                gchar *line = nice_agent_generate_local_candidate_sdp(d.agent, at->data);
                printf("candidate %d %s\n", i, line);
                g_free(line);
            }
            g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
        }
    }
    puts("described");
    fflush(stdout);
}

static void take_candidate(int stream, const char *line)
{
    NiceCandidate *c = nice_agent_parse_remote_candidate_sdp(d.agent, d.ids[stream], line);
    if (!c) {
        printf("unreadable %s\n", line);
        fflush(stdout);
        return;
    }
    GSList *list = g_slist_append(NULL, c);
    nice_agent_set_remote_candidates(d.agent, d.ids[stream], c->component_id, list);
    g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
}

/* False: quit. */
static bool take_line(char *line)
{
    char a[300], b[300];
    int stream = 0;
    if (sscanf(line, "remote %d %299s %299s", &stream, a, b) == 3)
        nice_agent_set_remote_credentials(d.agent, d.ids[stream], a, b);
    else if (sscanf(line, "candidate %d", &stream) == 1)
        take_candidate(stream, strstr(line, "a=candidate"));
    else if (strcmp(line, "restart") == 0) {
        nice_agent_restart(d.agent);
        d.ready_told = false;
        describe();
    } else if (strcmp(line, "quit") == 0) {
        return false;
    }
    return true;
}

static void look(void)
{
    bool ready = true, failed = false;
    for (int i = 0; i < d.streams; i++) {
        NiceComponentState state = nice_agent_get_component_state(d.agent, d.ids[i], 1);
        ready &= state == NICE_COMPONENT_STATE_READY || state == NICE_COMPONENT_STATE_CONNECTED;
        failed |= state == NICE_COMPONENT_STATE_FAILED;
    }
    if (ready && !d.ready_told) {
        d.ready_told = true;
        d.next_ms = now_ms();
        puts("ready");
        fflush(stdout);
    }
    failed |= !ready && now_ms() - d.started_ms > PATIENCE_MS;
    if (failed && !d.failed_told) {
        d.failed_told = true;
        puts("failed");
        fflush(stdout);
    }
}

static bool read_lines(void)
{
    static char buffer[16 * LINE];
    static size_t len;
    ssize_t n = read(0, buffer + len, sizeof buffer - len - 1);
    if (n == 0)
        return false;
    if (n > 0)
        len += (size_t)n;
    char *end;
    while ((end = memchr(buffer, '\n', len))) {
        *end = 0;
        if (!take_line(buffer))
            return false;
        len -= (size_t)(end + 1 - buffer);
        memmove(buffer, end + 1, len);
    }
    return true;
}

/* Where a server is, of "IP:PORT". */
struct place {
    char ip[64];
    guint port;
};

static struct place place_of(const char *text)
{
    struct place place = {"", 0};
    const char *colon = strrchr(text, ':');
    snprintf(place.ip, sizeof place.ip, "%.*s", (int)(colon - text), text);
    place.port = (guint)atoi(colon + 1);
    return place;
}

static struct {
    bool tcp, relay_only;
    struct place stun, turn;
    const char *user, *password, *addresses[ADDRESSES];
    int address_count;
} o = {.user = "tester", .password = "correct horse"};

static bool read_option(const char *word)
{
    const char *value = strchr(word, '=');
    value = value ? value + 1 : "";
    if (strcmp(word, "tcp") == 0)
        o.tcp = true;
    else if (strcmp(word, "relay-only") == 0)
        o.relay_only = true;
    else if (strncmp(word, "stun=", 5) == 0)
        o.stun = place_of(value);
    else if (strncmp(word, "turn=", 5) == 0)
        o.turn = place_of(value);
    else if (strncmp(word, "user=", 5) == 0)
        o.user = value;
    else if (strncmp(word, "password=", 9) == 0)
        o.password = value;
    else if (strncmp(word, "address=", 8) == 0 && o.address_count < ADDRESSES)
        o.addresses[o.address_count++] = value;
    else
        return false;
    return true;
}

static void gather(int i)
{
    d.ids[i] = nice_agent_add_stream(d.agent, (guint)d.components);
    for (int c = 1; c <= d.components; c++) {
        nice_agent_attach_recv(d.agent, d.ids[i], (guint)c, d.context, received, NULL);
        if (o.turn.port)
            nice_agent_set_relay_info(d.agent, d.ids[i], (guint)c, o.turn.ip, o.turn.port, o.user,
                                      o.password, NICE_RELAY_TYPE_TURN_UDP);
    }
    d.gathered = false;
    nice_agent_gather_candidates(d.agent, d.ids[i]);
    for (int64_t end = now_ms() + 20000; !d.gathered && now_ms() < end;)
        (void)g_main_context_iteration(d.context, TRUE);
}

static void make(char **argv)
{
    NiceAgentOption options = NICE_AGENT_OPTION_CONSENT_FRESHNESS;
    if (strcmp(argv[4], "regular") == 0)
        options |= NICE_AGENT_OPTION_REGULAR_NOMINATION;
    d.streams = atoi(argv[1]);
    d.components = atoi(argv[2]);
    d.context = g_main_context_new();
    d.agent = nice_agent_new_full(d.context, NICE_COMPATIBILITY_RFC5245, options);
    g_object_set(d.agent, "controlling-mode", strcmp(argv[3], "controlling") == 0, "upnp", FALSE,
                 "ice-tcp", o.tcp, "ice-udp", !o.tcp, "force-relay", o.relay_only, NULL);
    if (o.stun.port)
        g_object_set(d.agent, "stun-server", o.stun.ip, "stun-server-port", o.stun.port, NULL);
    g_signal_connect(d.agent, "candidate-gathering-done", G_CALLBACK(gathering_done), NULL);
    if (o.address_count == 0)
        o.addresses[o.address_count++] = "127.0.0.1";
    for (int i = 0; i < o.address_count; i++) {
        NiceAddress address;
        nice_address_init(&address);
        nice_address_set_from_string(&address, o.addresses[i]);
        nice_agent_add_local_address(d.agent, &address);
    }
    for (int i = 0; i < d.streams; i++)
        gather(i);
}

int main(int argc, char **argv)
{
    if (argc < 5 || atoi(argv[1]) > STREAMS)
        return 2;
    for (int i = 5; i < argc; i++) {
        if (!read_option(argv[i]))
            return 2;
    }
    make(argv);
    describe();
    fcntl(0, F_SETFL, O_NONBLOCK);
    for (bool go_on = true; go_on;) {
        while (g_main_context_iteration(d.context, FALSE))
            ;
        look();
        send_due();
        struct pollfd in = {.fd = 0, .events = POLLIN};
        if (poll(&in, 1, 5) > 0)
            go_on = read_lines();
    }
    for (int i = 0; i < d.streams; i++)
        printf("sent %d %u\n", i, d.sent[i]);
    g_object_unref(d.agent);
    g_main_context_unref(d.context);
    return 0;
}
