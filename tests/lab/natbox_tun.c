/* natbox_tun: the simulator's NAT box between real hosts: a TUN device whose packets it translates.
 * What the kernel's NAT cannot be (every mapping, filtering and pooling of RFC 4787) it can.
 * Not here: what a NAT does (natsim/natbox.h), routes to the device (lab.py).
 * RFC 791, 768, 9293 (headers and checksums), 5508 (ICMP errors are not translated: none is sent). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "natsim/natbox.h"

enum { PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PACKET_SIZE = 65536, TCP_HOURS = 2 };

/* UDP and TCP ports are spaces of their own: a box each. */
static struct natbox udp, tcp;
static volatile sig_atomic_t rebooted;

static struct tick now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct tick){t.tv_sec * 1000000000 + t.tv_nsec};
}

static void on_hangup(int number)
{
    (void)number;
    rebooted = 1;
}

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* RFC 1624: the sum after the bytes at `at` became those of `with`. */
static void replace(uint8_t *sum, uint8_t *at, const uint8_t *with, size_t len)
{
    uint32_t s = (uint16_t)~get16(sum);
    for (size_t i = 0; i < len; i += 2)
        s += (uint32_t)(uint16_t)~get16(at + i) + get16(with + i);
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    put16(sum, (uint16_t)~s);
    memcpy(at, with, len);
}

static struct addr end_at(const uint8_t *ip, const uint8_t *port)
{
    struct addr a = {.family = ADDR_V4, .port = get16(port)};
    memcpy(a.ip, ip, 4);
    return a;
}

/* Writes an end into the headers. The checksum of UDP may be absent, and is never made 0. */
static void put_end(uint8_t *packet, size_t ip_at, uint8_t *port, uint8_t *sum, bool is_udp,
                    const struct addr *a)
{
    uint8_t to[2], keep[4];
    put16(to, a->port);
    memcpy(keep, packet + ip_at, 4);
    if (!is_udp || get16(sum) != 0) {
        replace(sum, packet + ip_at, a->ip, 4);
        memcpy(packet + ip_at, keep, 4);
        replace(sum, port, to, 2);
        if (is_udp && get16(sum) == 0)
            put16(sum, 0xffff);
    } else {
        memcpy(port, to, 2);
    }
    replace(packet + 10, packet + ip_at, a->ip, 4);
}

/* True when the packet is to go on, translated. Fragments, other protocols and IPv6 do not pass. */
static bool translate(uint8_t *packet, size_t len)
{
    size_t head = (size_t)(packet[0] & 15) * 4;
    uint8_t protocol = packet[9];
    if (len < 20 || packet[0] >> 4 != 4 || head < 20 || (get16(packet + 6) & 0x3fff) != 0)
        return false;
    if (protocol != PROTOCOL_UDP && protocol != PROTOCOL_TCP)
        return false;
    if (len < head + (protocol == PROTOCOL_UDP ? 8 : 20) || packet[8] <= 1)
        return false;
    struct natbox *box = protocol == PROTOCOL_UDP ? &udp : &tcp;
    uint8_t *ports = packet + head, *sum = ports + (protocol == PROTOCOL_UDP ? 6 : 16);
    struct addr from = end_at(packet + 12, ports), to = end_at(packet + 16, ports + 2);
    struct addr inside = from;
    bool is_ours = natbox_owns(box, &to), is_inside = addr_is_private(&from);
    if (natbox_owns(box, &from) || (is_ours && is_inside && !box->options.hairpin))
        return false;
    if (is_inside && !natbox_out(box, now(), &from, &to))
        return false;
    if (is_ours && !natbox_in(box, now(), &from, &to))
        return false;
    if (is_ours && is_inside && box->options.hairpin == NATBOX_INTERNAL_SOURCE)
        from = inside;
    if (!is_ours && !is_inside)
        return false;
    put_end(packet, 12, ports, sum, protocol == PROTOCOL_UDP, &from);
    put_end(packet, 16, ports + 2, sum, protocol == PROTOCOL_UDP, &to);
    return true;
}

static int open_tun(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static const char *const dependences[] = {"independent", "address", "address-port"};
static const char *const hairpins[] = {"none", "external", "internal"};
static const char *const ports_words[] = {"kept", "overloaded", "parity", "sequential", "random"};

static int word_at(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0)
            return (int)i;
    }
    fprintf(stderr, "natbox_tun: unknown word %s\n", word);
    exit(2);
}

static struct addr addr_of(const char *text)
{
    struct addr a;
    if (!addr_parse(view_of_string(text), 0, &a)) {
        fprintf(stderr, "natbox_tun: no address: %s\n", text);
        exit(2);
    }
    return a;
}

/* NAME=VALUE words; "forward=EXTERNAL-PORT>INTERNAL:PORT" forwards both protocols. */
static void set(struct natbox_options *o, const char *name, const char *value)
{
    if (strcmp(name, "mapping") == 0)
        o->mapping = (enum natbox_dependence)word_at(value, dependences, 3);
    else if (strcmp(name, "filtering") == 0)
        o->filtering = (enum natbox_dependence)word_at(value, dependences, 3);
    else if (strcmp(name, "scope") == 0)
        o->scope = strcmp(value, "mapping") == 0 ? NATBOX_PER_MAPPING : NATBOX_PER_ENDPOINT;
    else if (strcmp(name, "ports") == 0)
        o->ports = (enum natbox_ports)word_at(value, ports_words, 5);
    else if (strcmp(name, "hairpin") == 0)
        o->hairpin = (enum natbox_hairpin)word_at(value, hairpins, 3);
    else if (strcmp(name, "external") == 0)
        o->external = addr_of(value);
    else if (strcmp(name, "pool") == 0)
        o->pool = (uint8_t)atoi(value);
    else if (strcmp(name, "arbitrary") == 0)
        o->arbitrary = atoi(value) != 0;
    else if (strcmp(name, "inbound") == 0)
        o->inbound_refreshes = atoi(value) != 0;
    else if (strcmp(name, "initial") == 0)
        o->initial_ms = atoi(value) * 1000;
    else if (strcmp(name, "established") == 0)
        o->established_ms = atoi(value) * 1000;
    else if (strcmp(name, "quota") == 0)
        o->quota = (size_t)atoi(value);
    else {
        fprintf(stderr, "natbox_tun: unknown option %s\n", name);
        exit(2);
    }
}

static void forward(const char *value)
{
    const char *inner = strchr(value, '>');
    struct addr external = udp.options.external, internal;
    if (!inner)
        exit(2);
    external.port = (uint16_t)atoi(value);
    internal = addr_of(inner + 1);
    natbox_forward(&udp, internal, external);
    natbox_forward(&tcp, internal, external);
}

/* main has cut the words at their "=". */
static void forward_all(int count, char **words)
{
    for (int i = 2; i < count; i++) {
        if (strcmp(words[i], "forward") == 0)
            forward(words[i] + sizeof "forward");
    }
}

int main(int count, char **words)
{
    struct natbox_options options = {
        .initial_ms = 30000, .established_ms = 180000, .inbound_refreshes = true};
    static uint8_t packet[PACKET_SIZE];
    struct sigaction action = {.sa_handler = on_hangup};
    if (count < 3) {
        fprintf(stderr, "usage: natbox_tun DEVICE NAME=VALUE ...\n");
        return 2;
    }
    for (int i = 2; i < count; i++) {
        char *value = strchr(words[i], '=');
        if (!value)
            return 2;
        *value++ = 0;
        if (strcmp(words[i], "forward") != 0)
            set(&options, words[i], value);
    }
    natbox_init(&udp, &options, (uint64_t)getpid());
    options.initial_ms = options.established_ms = (int64_t)TCP_HOURS * 3600 * 1000;
    natbox_init(&tcp, &options, (uint64_t)getpid() + 1);
    forward_all(count, words);
    sigaction(SIGHUP, &action, NULL);
    int fd = open_tun(words[1]);
    if (fd < 0) {
        perror("natbox_tun");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        ssize_t len = read(fd, packet, sizeof packet);
        if (rebooted) {
            rebooted = 0;
            natbox_reboot(&udp);
            natbox_reboot(&tcp);
            forward_all(count, words);
        }
        if (len < 0 && errno != EINTR)
            break;
        if (len >= 20 && translate(packet, (size_t)len))
            (void)!write(fd, packet, (size_t)len);
    }
    perror("natbox_tun");
    return 1;
}
