/* nice_driver: our ICE agent and a libnice agent, on loopback, in one program: they exchange
 * descriptions as two SIP peers would, connect, and carry data both ways. Use: nice_driver ROLE
 * COMPONENTS MODE [TURN-PORT], with ROLE what we are (controlling, controlled, conflict), MODE
 * full, nice-lite, lite (we are), trickle, aggressive, restart, relay.
 * Not here: the TURN server of relay (test_libnice.py). */
#include "ice/ice.h"

#include "tap.h"

#include <agent.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
    struct ice *ice;
    int sockets[ICE_COMPONENTS];
    int components;
    const char *mode;
    NiceAgent *nice;
    guint stream;
    GMainContext *context;
    bool gathered;
    int completed, lost;
    int got_ours[ICE_COMPONENTS], got_theirs[ICE_COMPONENTS];
} d;

static bool mode_is(const char *mode)
{
    return strcmp(d.mode, mode) == 0;
}

static struct tick now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (struct tick){ts.tv_sec * NS_PER_S + ts.tv_nsec};
}

static void gathering_done(NiceAgent *agent, guint stream, gpointer data)
{
    (void)agent, (void)stream, (void)data;
    d.gathered = true;
}

static void nice_received(NiceAgent *agent, guint stream, guint component, guint len, gchar *bytes,
                          gpointer data)
{
    (void)agent, (void)stream, (void)data;
    if (len == 4 && memcmp(bytes, "ours", 4) == 0)
        d.got_ours[component - 1]++;
}

/* ---- one step of both worlds ---------------------------------------------------------------- */

static void step_ice(void)
{
    struct ice_packet packet;
    struct ice_event e;
    ice_expire(d.ice, now());
    while (ice_output(d.ice, now(), &packet)) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(packet.path.peer.port)};
        memcpy(&to.sin_addr, packet.path.peer.ip, 4);
        (void)!sendto(d.sockets[packet.path.base.number], packet.bytes.at, packet.bytes.len, 0,
                      (struct sockaddr *)&to, sizeof to);
    }
    while (ice_event(d.ice, &e)) {
        d.completed += e.kind == ICE_COMPLETED;
        d.lost += e.kind == ICE_FAILED || e.kind == ICE_CONSENT_LOST;
    }
}

static void receive_ours(int component)
{
    uint8_t bytes[2048];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t n;
    while ((n = recvfrom(d.sockets[component], bytes, sizeof bytes, MSG_DONTWAIT,
                         (struct sockaddr *)&from, &from_len)) > 0) {
        struct ice_path via = {.base = {(uint32_t)component}};
        via.peer.family = ADDR_V4;
        via.peer.port = ntohs(from.sin_port);
        memcpy(via.peer.ip, &from.sin_addr, 4);
        if (ice_input(d.ice, now(), &via, view_of(bytes, (size_t)n)) != ICE_TAKEN && n == 6 &&
            memcmp(bytes, "theirs", 6) == 0)
            d.got_theirs[component]++;
    }
}

/* Until done() or 20 s. */
static bool run(bool (*done)(void))
{
    int64_t end = now().ns + 20 * NS_PER_S;
    while (!done()) {
        if (now().ns > end)
            return false;
        while (g_main_context_iteration(d.context, FALSE))
            ;
        step_ice();
        struct pollfd fds[ICE_COMPONENTS] = {{.fd = d.sockets[0], .events = POLLIN},
                                             {.fd = d.sockets[1], .events = POLLIN}};
        if (poll(fds, (nfds_t)d.components, 5) > 0) {
            for (int c = 0; c < d.components; c++)
                receive_ours(c);
        }
    }
    return true;
}

static bool has_gathered(void)
{
    return d.gathered;
}

static bool nice_is_ready(void)
{
    for (int c = 1; c <= d.components; c++) {
        NiceComponentState state = nice_agent_get_component_state(d.nice, d.stream, (guint)c);
        /* A lite libnice sends no check, so it stays CONNECTED. */
        if (state != NICE_COMPONENT_STATE_READY &&
            !(mode_is("nice-lite") && state == NICE_COMPONENT_STATE_CONNECTED))
            return false;
    }
    return true;
}

static int wanted_completed = 1;

static bool both_are_ready(void)
{
    return d.completed >= wanted_completed && nice_is_ready();
}

/* Sends one datagram each way a step, until all have come. */
static bool all_data_came(void)
{
    bool all = true;
    for (int c = 0; c < d.components; c++) {
        struct ice_path path;
        if (!ice_selected(d.ice, (uint8_t)(c + 1), &path))
            return false;
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(path.peer.port)};
        memcpy(&to.sin_addr, path.peer.ip, 4);
        (void)!sendto(d.sockets[path.base.number], "ours", 4, 0, (struct sockaddr *)&to, sizeof to);
        nice_agent_send(d.nice, d.stream, (guint)c + 1, 6, "theirs");
        all &= d.got_ours[c] > 0 && d.got_theirs[c] > 0;
    }
    return all;
}

/* ---- descriptions --------------------------------------------------------------------------- */

static void tell_nice(void)
{
    struct candidate ours[ICE_LOCALS];
    size_t count = ice_local_candidates(d.ice, ours, ICE_LOCALS);
    CHECK(nice_agent_set_remote_credentials(d.nice, d.stream, ice_ufrag(d.ice), ice_pwd(d.ice)));
    for (int c = 1; c <= d.components; c++) {
        GSList *list = NULL;
        for (size_t i = 0; i < count; i++) {
            if (ours[i].component != c)
                continue;
            NiceCandidate *n = nice_candidate_new(NICE_CANDIDATE_TYPE_HOST);
            n->component_id = (guint)c;
            n->stream_id = d.stream;
            n->transport = NICE_CANDIDATE_TRANSPORT_UDP;
            n->priority = ours[i].priority;
            g_strlcpy(n->foundation, ours[i].foundation, sizeof n->foundation);
            nice_address_set_from_string(&n->addr, addr_print_ip(&ours[i].address).s);
            nice_address_set_port(&n->addr, ours[i].address.port);
            list = g_slist_append(list, n);
        }
        CHECK(nice_agent_set_remote_candidates(d.nice, d.stream, (guint)c, list) > 0);
        g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
    }
}

static struct candidate candidate_of(const NiceCandidate *n)
{
    static const enum candidate_type types[] = {
        [NICE_CANDIDATE_TYPE_HOST] = CANDIDATE_HOST,
        [NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE] = CANDIDATE_SERVER_REFLEXIVE,
        [NICE_CANDIDATE_TYPE_PEER_REFLEXIVE] = CANDIDATE_PEER_REFLEXIVE,
        [NICE_CANDIDATE_TYPE_RELAYED] = CANDIDATE_RELAYED};
    char text[NICE_ADDRESS_STRING_LEN];
    struct candidate c = {
        .type = types[n->type], .component = (uint16_t)n->component_id, .priority = n->priority};
    nice_address_to_string(&n->addr, text);
    CHECK(addr_parse_ip(view_of_string(text), &c.address));
    c.address.port = (uint16_t)nice_address_get_port(&n->addr);
    g_strlcpy(c.foundation, n->foundation, sizeof c.foundation);
    return c;
}

static void tell_ice_candidates(void)
{
    for (int c = 1; c <= d.components; c++) {
        GSList *list = nice_agent_get_local_candidates(d.nice, d.stream, (guint)c);
        for (GSList *at = list; at; at = at->next) {
            struct candidate candidate = candidate_of(at->data);
            if (mode_is("relay") && candidate.type != CANDIDATE_RELAYED)
                continue;
            CHECK(ice_add_remote(d.ice, now(), &candidate));
        }
        g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
    }
    ice_end_remote(d.ice, now());
}

static void tell_ice(void)
{
    gchar *ufrag = NULL, *pwd = NULL;
    CHECK(nice_agent_get_local_credentials(d.nice, d.stream, &ufrag, &pwd));
    CHECK(ice_set_remote(d.ice, now(), view_of_string(ufrag), view_of_string(pwd),
                         mode_is("nice-lite")));
    g_free(ufrag);
    g_free(pwd);
}

static void connect_agents(void)
{
    if (mode_is("trickle")) {
        tell_nice(); /* its checks come before we know anything of it */
        for (int i = 0; i < 40; i++) {
            while (g_main_context_iteration(d.context, FALSE))
                ;
            for (int c = 0; c < d.components; c++)
                receive_ours(c);
            step_ice();
            poll(NULL, 0, 5);
        }
        tell_ice();
        tell_ice_candidates();
    } else {
        tell_ice();
        tell_ice_candidates();
        tell_nice();
    }
    CHECK(run(both_are_ready));
    memset(d.got_ours, 0, sizeof d.got_ours);
    memset(d.got_theirs, 0, sizeof d.got_theirs);
    CHECK(run(all_data_came));
}

/* ---- set-up --------------------------------------------------------------------------------- */

static void create_ice(const char *role)
{
    struct ice_options options = {.role = strcmp(role, "controlled") == 0 ? ICE_CONTROLLED
                                                                          : ICE_CONTROLLING,
                                  .lite = mode_is("lite"),
                                  .components = (uint8_t)d.components};
    CHECK(getrandom(options.seed, sizeof options.seed, 0) == sizeof options.seed);
    d.ice = ice_create(&options);
    for (int c = 0; c < d.components; c++) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof in;
        d.sockets[c] = socket(AF_INET, SOCK_DGRAM, 0);
        CHECK(bind(d.sockets[c], (struct sockaddr *)&in, sizeof in) == 0);
        getsockname(d.sockets[c], (struct sockaddr *)&in, &len);
        CHECK(
            ice_add_local(d.ice,
                          (struct candidate){.component = (uint16_t)(c + 1),
                                             .address = addr_v4(127, 0, 0, 1, ntohs(in.sin_port))},
                          (struct ice_base){(uint32_t)c}, 65535));
    }
}

static void create_nice(const char *role, int turn_port)
{
    NiceAgentOption options = NICE_AGENT_OPTION_CONSENT_FRESHNESS;
    NiceAddress loopback;
    if (!mode_is("aggressive"))
        options |= NICE_AGENT_OPTION_REGULAR_NOMINATION;
    if (mode_is("nice-lite"))
        options |= NICE_AGENT_OPTION_LITE_MODE;
    d.context = g_main_context_new();
    d.nice = nice_agent_new_full(d.context, NICE_COMPATIBILITY_RFC5245, options);
    g_object_set(d.nice, "controlling-mode", strcmp(role, "controlling") != 0, "upnp", FALSE,
                 "ice-tcp", FALSE, "force-relay", mode_is("relay"), NULL);
    g_signal_connect(d.nice, "candidate-gathering-done", G_CALLBACK(gathering_done), NULL);
    nice_address_init(&loopback);
    nice_address_set_from_string(&loopback, "127.0.0.1");
    nice_agent_add_local_address(d.nice, &loopback);
    d.stream = nice_agent_add_stream(d.nice, (guint)d.components);
    for (int c = 1; c <= d.components; c++) {
        nice_agent_attach_recv(d.nice, d.stream, (guint)c, d.context, nice_received, NULL);
        if (turn_port)
            CHECK(nice_agent_set_relay_info(d.nice, d.stream, (guint)c, "127.0.0.1",
                                            (guint)turn_port, "tester", "correct horse",
                                            NICE_RELAY_TYPE_TURN_UDP));
    }
    CHECK(nice_agent_gather_candidates(d.nice, d.stream));
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    d.components = atoi(argv[2]);
    d.mode = argv[3];
    create_ice(argv[1]);
    create_nice(argv[1], argc > 4 ? atoi(argv[4]) : 0);
    CHECK(run(has_gathered));
    connect_agents();
    if (mode_is("restart")) {
        wanted_completed = 2;
        ice_restart(d.ice);
        CHECK(nice_agent_restart_stream(d.nice, d.stream));
        connect_agents();
    }
    CHECK_INT(d.lost, 0);
    ice_destroy(d.ice);
    g_object_unref(d.nice);
    g_main_context_unref(d.context);
    return tap_failed_checks ? 1 : 0;
}
