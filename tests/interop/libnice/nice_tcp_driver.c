/* nice_tcp_driver: our ICE agent and a libnice agent with TCP candidates alone, over real
 * connections on loopback: they connect, and carry data both ways. Use: nice_tcp_driver ROLE MODE,
 * with ROLE what we are (controlling, controlled) and MODE which candidates we have (active,
 * passive, both). Not here: UDP (nice_driver.c). */
#include "ice/framing.h"
#include "ice/ice.h"

#include "tap.h"

#include <agent.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LISTENER = 1, INTERFACE = 2, CONNECTIONS = 16 };

struct connection {
    int fd; /* 0: free */
    bool is_open;
    struct ice_path path;
    uint8_t in[4096], out[4096];
    size_t in_len, out_len;
};

static struct {
    struct ice *ice;
    int listener;
    struct connection connections[CONNECTIONS];
    NiceAgent *nice;
    guint stream;
    GMainContext *context;
    bool gathered;
    int completed, lost, got_ours, got_theirs;
} d;

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
    (void)agent, (void)stream, (void)component, (void)data;
    d.got_ours += len == 4 && memcmp(bytes, "ours", 4) == 0;
}

/* ---- connections ---------------------------------------------------------------------------- */

static struct addr addr_of(const struct sockaddr_in *in)
{
    struct addr a = {.family = ADDR_V4, .port = ntohs(in->sin_port)};
    memcpy(a.ip, &in->sin_addr, 4);
    return a;
}

static struct connection *add_connection(int fd, struct ice_path path, bool is_open)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &d.connections[i];
        if (c->fd)
            continue;
        *c = (struct connection){.fd = fd, .path = path, .is_open = is_open};
        CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
        return c;
    }
    close(fd);
    return NULL;
}

static struct connection *find_connection(const struct ice_path *path)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &d.connections[i];
        if (c->fd && c->path.base.number == path->base.number &&
            addr_equal(&c->path.peer, &path->peer))
            return c;
    }
    return NULL;
}

static void drop(struct connection *c)
{
    struct ice_path path = c->path;
    close(c->fd);
    c->fd = 0;
    ice_path_failed(d.ice, now(), &path);
}

static struct connection *open_connection(const struct ice_path *path)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(path->peer.port)};
    memcpy(&to.sin_addr, path->peer.ip, 4);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct connection *c = fd > 0 ? add_connection(fd, *path, false) : NULL;
    if (c && connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
        drop(c);
        return NULL;
    }
    return c;
}

static void flush(struct connection *c)
{
    ssize_t n = c->out_len ? send(c->fd, c->out, c->out_len, MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN && errno != ENOTCONN) {
        drop(c);
    } else if (n > 0) {
        memmove(c->out, c->out + n, c->out_len - (size_t)n);
        c->out_len -= (size_t)n;
    }
}

static void send_packet(const struct ice_path *path, struct view packet)
{
    struct connection *c = find_connection(path);
    if (!c && path->base.number == INTERFACE)
        c = open_connection(path);
    if (!c)
        return;
    struct writer w = writer_of(c->out + c->out_len, sizeof c->out - c->out_len);
    ice_framing_encode(&w, packet);
    if (!w.failed)
        c->out_len += w.len;
    if (c->is_open)
        flush(c);
}

static void receive(struct connection *c)
{
    struct view packet;
    size_t used;
    ssize_t n = recv(c->fd, c->in + c->in_len, sizeof c->in - c->in_len, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        drop(c);
        return;
    }
    c->in_len += n > 0 ? (size_t)n : 0;
    while (ice_framing_next(view_of(c->in, c->in_len), &packet, &used)) {
        if (ice_input(d.ice, now(), &c->path, packet) != ICE_TAKEN && packet.len == 6 &&
            memcmp(packet.at, "theirs", 6) == 0)
            d.got_theirs++;
        memmove(c->in, c->in + used, c->in_len - used);
        c->in_len -= used;
    }
}

/* ---- one step of both worlds ---------------------------------------------------------------- */

static void step_ice(void)
{
    struct ice_packet packet;
    struct ice_event e;
    ice_expire(d.ice, now());
    while (ice_output(d.ice, now(), &packet))
        send_packet(&packet.path, packet.bytes);
    while (ice_event(d.ice, &e)) {
        d.completed += e.kind == ICE_COMPLETED;
        d.lost += e.kind == ICE_FAILED || e.kind == ICE_CONSENT_LOST;
    }
}

static void accept_one(void)
{
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    int fd = accept(d.listener, (struct sockaddr *)&from, &len);
    if (fd > 0)
        (void)add_connection(fd, (struct ice_path){{LISTENER}, addr_of(&from)}, true);
}

static void step_sockets(void)
{
    struct pollfd fds[CONNECTIONS + 1] = {{.fd = d.listener ? d.listener : -1, .events = POLLIN}};
    for (int i = 0; i < CONNECTIONS; i++) {
        const struct connection *c = &d.connections[i];
        fds[i + 1] = (struct pollfd){.fd = c->fd ? c->fd : -1,
                                     .events = (short)(POLLIN | (c->out_len ? POLLOUT : 0))};
    }
    if (poll(fds, CONNECTIONS + 1, 5) <= 0)
        return;
    for (int i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &d.connections[i];
        if (c->fd && fds[i + 1].revents & POLLOUT) {
            c->is_open = true;
            flush(c);
        }
        if (c->fd && fds[i + 1].revents & (POLLIN | POLLHUP | POLLERR))
            receive(c);
    }
    if (fds[0].revents & POLLIN)
        accept_one();
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
        step_sockets();
    }
    return true;
}

static bool has_gathered(void)
{
    return d.gathered;
}

static bool both_are_ready(void)
{
    return d.completed > 0 &&
           nice_agent_get_component_state(d.nice, d.stream, 1) == NICE_COMPONENT_STATE_READY;
}

static bool all_data_came(void)
{
    struct ice_path path;
    if (!ice_selected(d.ice, 1, &path))
        return false;
    send_packet(&path, VIEW_LIT("ours"));
    nice_agent_send(d.nice, d.stream, 1, 6, "theirs");
    return d.got_ours > 0 && d.got_theirs > 0;
}

/* ---- descriptions --------------------------------------------------------------------------- */

static void tell_nice(void)
{
    struct candidate ours[ICE_LOCALS];
    GSList *list = NULL;
    size_t count = ice_local_candidates(d.ice, ours, ICE_LOCALS);
    CHECK(nice_agent_set_remote_credentials(d.nice, d.stream, ice_ufrag(d.ice), ice_pwd(d.ice)));
    for (size_t i = 0; i < count; i++) {
        NiceCandidate *n = nice_candidate_new(NICE_CANDIDATE_TYPE_HOST);
        n->component_id = 1;
        n->stream_id = d.stream;
        n->transport = ours[i].transport == CANDIDATE_TCP_ACTIVE
                           ? NICE_CANDIDATE_TRANSPORT_TCP_ACTIVE
                           : NICE_CANDIDATE_TRANSPORT_TCP_PASSIVE;
        n->priority = ours[i].priority;
        g_strlcpy(n->foundation, ours[i].foundation, sizeof n->foundation);
        nice_address_set_from_string(&n->addr, addr_print_ip(&ours[i].address).s);
        nice_address_set_port(&n->addr, ours[i].address.port);
        list = g_slist_append(list, n);
    }
    CHECK(nice_agent_set_remote_candidates(d.nice, d.stream, 1, list) > 0);
    g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
}

static void tell_ice(void)
{
    static const enum candidate_transport transports[] = {
        [NICE_CANDIDATE_TRANSPORT_UDP] = CANDIDATE_UDP,
        [NICE_CANDIDATE_TRANSPORT_TCP_ACTIVE] = CANDIDATE_TCP_ACTIVE,
        [NICE_CANDIDATE_TRANSPORT_TCP_PASSIVE] = CANDIDATE_TCP_PASSIVE,
        [NICE_CANDIDATE_TRANSPORT_TCP_SO] = CANDIDATE_TCP_SIMULTANEOUS};
    gchar *ufrag = NULL, *pwd = NULL;
    CHECK(nice_agent_get_local_credentials(d.nice, d.stream, &ufrag, &pwd));
    CHECK(ice_set_remote(d.ice, now(), view_of_string(ufrag), view_of_string(pwd), false));
    GSList *list = nice_agent_get_local_candidates(d.nice, d.stream, 1);
    for (GSList *at = list; at; at = at->next) {
        const NiceCandidate *n = at->data;
        char text[NICE_ADDRESS_STRING_LEN];
        struct candidate c = {
            .transport = transports[n->transport], .component = 1, .priority = n->priority};
        nice_address_to_string(&n->addr, text);
        CHECK(addr_parse_ip(view_of_string(text), &c.address));
        c.address.port = (uint16_t)nice_address_get_port(&n->addr);
        if (c.transport == CANDIDATE_TCP_ACTIVE)
            c.address.port = 9; /* as its SDP has it */
        g_strlcpy(c.foundation, n->foundation, sizeof c.foundation);
        CHECK(c.transport != CANDIDATE_UDP);
        (void)ice_add_remote(d.ice, now(), &c);
    }
    ice_end_remote(d.ice, now());
    g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
    g_free(ufrag);
    g_free(pwd);
}

/* ---- set-up --------------------------------------------------------------------------------- */

static void create_ice(const char *role, const char *mode)
{
    struct ice_options options = {.role = strcmp(role, "controlled") == 0 ? ICE_CONTROLLED
                                                                          : ICE_CONTROLLING,
                                  .components = 1};
    struct candidate c = {.component = 1, .address = addr_v4(127, 0, 0, 1, 9)};
    CHECK(getrandom(options.seed, sizeof options.seed, 0) == sizeof options.seed);
    d.ice = ice_create(&options);
    if (strcmp(mode, "passive") != 0) {
        c.transport = CANDIDATE_TCP_ACTIVE;
        CHECK(ice_add_local(d.ice, c, (struct ice_base){INTERFACE}, 65535));
    }
    if (strcmp(mode, "active") != 0) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof in;
        d.listener = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(bind(d.listener, (struct sockaddr *)&in, sizeof in) == 0 &&
              listen(d.listener, 8) == 0);
        getsockname(d.listener, (struct sockaddr *)&in, &len);
        c.transport = CANDIDATE_TCP_PASSIVE;
        c.address = addr_of(&in);
        CHECK(ice_add_local(d.ice, c, (struct ice_base){LISTENER}, 65535));
    }
}

static void create_nice(const char *role)
{
    NiceAddress loopback;
    d.context = g_main_context_new();
    d.nice = nice_agent_new_full(d.context, NICE_COMPATIBILITY_RFC5245,
                                 NICE_AGENT_OPTION_CONSENT_FRESHNESS |
                                     NICE_AGENT_OPTION_REGULAR_NOMINATION);
    g_object_set(d.nice, "controlling-mode", strcmp(role, "controlling") != 0, "upnp", FALSE,
                 "ice-tcp", TRUE, "ice-udp", FALSE, NULL);
    g_signal_connect(d.nice, "candidate-gathering-done", G_CALLBACK(gathering_done), NULL);
    nice_address_init(&loopback);
    nice_address_set_from_string(&loopback, "127.0.0.1");
    nice_agent_add_local_address(d.nice, &loopback);
    d.stream = nice_agent_add_stream(d.nice, 1);
    nice_agent_attach_recv(d.nice, d.stream, 1, d.context, nice_received, NULL);
    CHECK(nice_agent_gather_candidates(d.nice, d.stream));
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    create_ice(argv[1], argv[2]);
    create_nice(argv[1]);
    CHECK(run(has_gathered));
    tell_ice();
    tell_nice();
    CHECK(run(both_are_ready));
    CHECK(run(all_data_came));
    CHECK_INT(d.lost, 0);
    ice_destroy(d.ice);
    g_object_unref(d.nice);
    g_main_context_unref(d.context);
    return tap_failed_checks ? 1 : 0;
}
