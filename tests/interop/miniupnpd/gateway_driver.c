/* gateway_driver: the gateway engine on two sockets, told what to do on stdin, one line for each
 * event on stdout. Use: gateway_driver SERVER OWN [no-pcp]. Commands: map PORT, unmap PORT, deaf,
 * hear, retry, status, quit.
 * Not here: the gateway and the networks (test_miniupnpd.py). no-pcp loses what is PCP,
 * as an older path would. */
#include "nat/gateway.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MEDIA = 8, ANNOUNCE_PORT = 5350 };

static struct {
    struct gateway *gateway;
    int fd, announce_fd;
    struct addr server, own;
    bool no_pcp, deaf, done;
    int media[MEDIA]; /* a socket on each mapped port: shows what comes through */
    uint16_t media_port[MEDIA];
    size_t media_count;
    char line[256]; /* of stdin, until its end has come */
    size_t line_len;
} d;

static struct tick now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (struct tick){ts.tv_sec * NS_PER_S + ts.tv_nsec};
}

static struct sockaddr_in socket_address(struct addr a)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a.port)};
    memcpy(&in.sin_addr, a.ip, 4);
    return in;
}

static int open_udp(struct addr at)
{
    struct sockaddr_in in = socket_address(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof in)) {
        perror("bind");
        exit(2);
    }
    return fd;
}

static void tell_events(void)
{
    static const char *const names[] = {"mapped", "lost", "refused", "silent", "restarted"};
    struct gateway_event e;
    while (gateway_event(d.gateway, &e))
        printf("%s %u %s %s\n", names[e.kind], e.internal_port, addr_print(&e.external).s,
               portmap_result_name(e.result));
}

static void send_due(void)
{
    struct sockaddr_in to = socket_address(d.server);
    struct view out;
    gateway_expire(d.gateway, now());
    while (gateway_output(d.gateway, now(), &out)) {
        bool is_pcp = out.len > 0 && out.at[0] == 2;
        if (!d.deaf && !(d.no_pcp && is_pcp))
            sendto(d.fd, out.at, out.len, 0, (struct sockaddr *)&to, sizeof to);
    }
}

static void receive(int fd)
{
    uint8_t bytes[PORTMAP_MESSAGE_MAX];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t n = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_len);
    if (n < 0 || d.deaf || memcmp(&from.sin_addr, d.server.ip, 4) != 0 ||
        (d.no_pcp && bytes[0] == 2))
        return;
    gateway_input(d.gateway, now(), view_of(bytes, (size_t)n));
}

static void receive_media(size_t i)
{
    char text[256];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t n = recvfrom(d.media[i], text, sizeof text, 0, (struct sockaddr *)&from, &from_len);
    if (n >= 0)
        printf("data %u %s %.*s\n", d.media_port[i], inet_ntoa(from.sin_addr), (int)n, text);
}

static void say_status(void)
{
    static const char *const speech[] = {"unknown", "pcp", "nat-pmp", "mute"};
    struct gateway_status s = gateway_status(d.gateway);
    printf("status %s %s %zu/%zu\n", speech[s.speech], addr_print_ip(&s.external).s, s.mapped,
           s.wanted);
}

static void obey(const char *line)
{
    unsigned port = 0;
    if (sscanf(line, "map %u", &port) == 1) {
        if (d.media_count < MEDIA) {
            d.media_port[d.media_count] = (uint16_t)port;
            d.media[d.media_count++] = open_udp(addr_with_port(d.own, (uint16_t)port));
        }
        gateway_map(d.gateway, now(), PORTMAP_UDP, (uint16_t)port);
    } else if (sscanf(line, "unmap %u", &port) == 1) {
        gateway_unmap(d.gateway, now(), PORTMAP_UDP, (uint16_t)port);
    } else if (strcmp(line, "deaf") == 0 || strcmp(line, "hear") == 0) {
        d.deaf = line[0] == 'd';
    } else if (strcmp(line, "retry") == 0) {
        gateway_retry(d.gateway, now());
    } else if (strcmp(line, "status") == 0) {
        say_status();
    } else {
        d.done = true;
    }
}

static void read_commands(void)
{
    ssize_t n = read(STDIN_FILENO, d.line + d.line_len, sizeof d.line - 1 - d.line_len);
    if (n <= 0) {
        d.done = true;
        return;
    }
    d.line_len += (size_t)n;
    d.line[d.line_len] = 0;
    for (char *end; (end = strchr(d.line, '\n'));) {
        *end = 0;
        obey(d.line);
        d.line_len -= (size_t)(end + 1 - d.line);
        memmove(d.line, end + 1, d.line_len + 1);
    }
}

static void turn_once(void)
{
    struct pollfd p[3 + MEDIA] = {
        {STDIN_FILENO, POLLIN, 0}, {d.fd, POLLIN, 0}, {d.announce_fd, POLLIN, 0}};
    for (size_t i = 0; i < d.media_count; i++)
        p[3 + i] = (struct pollfd){d.media[i], POLLIN, 0};
    struct tick due = gateway_deadline(d.gateway);
    int64_t wait = tick_is_never(due) ? 1000 : tick_diff_ms(due, now()) + 1;
    poll(p, 3 + d.media_count, wait < 1 ? 1 : wait > 1000 ? 1000 : (int)wait);
    if (p[0].revents)
        read_commands();
    if (p[1].revents)
        receive(d.fd);
    if (p[2].revents)
        receive(d.announce_fd);
    for (size_t i = 0; i < d.media_count; i++)
        if (p[3 + i].revents)
            receive_media(i);
    send_due();
    tell_events();
}

int main(int argc, char **argv)
{
    struct gateway_options options = {0};
    if (argc < 3 || !addr_parse(view_of_string(argv[1]), PORTMAP_SERVER_PORT, &d.server) ||
        !addr_parse_ip(view_of_string(argv[2]), &d.own))
        return 2;
    d.no_pcp = argc > 3;
    setvbuf(stdout, NULL, _IOLBF, 0);
    d.fd = open_udp(d.own);
    /* Announcements go to all hosts of the link, port 5350 (RFC 6886 §3.2.1, RFC 6887 §14.1). */
    d.announce_fd = open_udp(addr_v4(0, 0, 0, 0, ANNOUNCE_PORT));
    options.server = d.server;
    options.internal = d.own;
    if (getrandom(options.seed, sizeof options.seed, 0) != sizeof options.seed)
        return 2;
    d.gateway = gateway_create(&options);
    while (!d.done)
        turn_once();
    gateway_destroy(d.gateway);
    return 0;
}
