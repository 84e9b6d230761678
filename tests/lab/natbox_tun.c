/* natbox_tun: the simulator's NAT box between real hosts: a TUN device whose packets it translates.
 * What the kernel's NAT cannot be (every mapping, filtering and pooling of RFC 4787) it can.
 * Not here: what a NAT does (natsim/natbox.h), routes to the device (lab.py).
 * RFC 791, 768, 9293 (headers and checksums), 4787 §11 (fragments), 5508 (ICMP errors are not translated: none is sent). */
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
/* RFC 791 §3.1: flags and offset; what tells one datagram's fragments is its id, protocol and addresses (§3.2). */
enum { MORE_FRAGMENTS = 0x2000, FRAGMENT_OFFSET = 0x1fff, FRAGMENT_KEY = 11 };
enum { FLIGHTS = 64, WAITING = 32, FRAGMENT_SIZE = 2048, FRAGMENT_SECONDS = 30 };

/* UDP and TCP ports are spaces of their own: a box each. */
static struct natbox udp, tcp;
static volatile sig_atomic_t rebooted;
static bool drops_fragments;

/* What was done to the fragment that has the ports is done to the others. */
static struct flight {
    uint8_t key[FRAGMENT_KEY];
    struct addr from, to;
    struct tick until;
} flights[FLIGHTS];
static size_t next_flight;

/* Fragments that came before the one that has the ports (RFC 4787 REQ-14). */
static struct {
    uint8_t packet[FRAGMENT_SIZE];
    size_t len;
} waiting[WAITING];
static size_t next_waiting;

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

/* True when what goes from one end to the other passes, and as what. */
static bool pass(struct natbox *box, struct addr *from, struct addr *to)
{
    struct addr inside = *from;
    bool is_ours = natbox_owns(box, to), is_inside = addr_is_private(from);
    if (natbox_owns(box, from) || (is_ours && is_inside && !box->options.hairpin))
        return false;
    if (is_inside && !natbox_out(box, now(), from, to))
        return false;
    if (is_ours && !natbox_in(box, now(), from, to))
        return false;
    if (is_ours && is_inside && box->options.hairpin == NATBOX_INTERNAL_SOURCE)
        *from = inside;
    return is_ours || is_inside;
}

static void fragment_key(uint8_t key[FRAGMENT_KEY], const uint8_t *packet)
{
    memcpy(key, packet + 4, 2);
    key[2] = packet[9];
    memcpy(key + 3, packet + 12, 8);
}

static void flight_begins(const uint8_t key[FRAGMENT_KEY], struct addr from, struct addr to)
{
    struct flight *f = &flights[next_flight++ % FLIGHTS];
    for (size_t i = 0; i < FLIGHTS; i++) {
        if (memcmp(flights[i].key, key, FRAGMENT_KEY) == 0)
            f = &flights[i];
    }
    f->from = from;
    f->to = to;
    f->until = (struct tick){now().ns + FRAGMENT_SECONDS * INT64_C(1000000000)};
    memcpy(f->key, key, FRAGMENT_KEY);
}

/* A fragment without ports: true when the one with them went before. */
static bool follow(uint8_t *packet)
{
    uint8_t key[FRAGMENT_KEY];
    fragment_key(key, packet);
    for (size_t i = 0; i < FLIGHTS; i++) {
        const struct flight *f = &flights[i];
        if (memcmp(f->key, key, FRAGMENT_KEY) != 0 || f->until.ns < now().ns)
            continue;
        replace(packet + 10, packet + 12, f->from.ip, 4);
        replace(packet + 10, packet + 16, f->to.ip, 4);
        return true;
    }
    return false;
}

/* True when the packet is to go on, translated. Other protocols and IPv6 do not pass. */
static bool translate(uint8_t *packet, size_t len)
{
    size_t head = (size_t)(packet[0] & 15) * 4;
    uint8_t protocol = packet[9], key[FRAGMENT_KEY];
    if (protocol != PROTOCOL_UDP && protocol != PROTOCOL_TCP)
        return false;
    if (len < head + (protocol == PROTOCOL_UDP ? 8 : 20))
        return false;
    uint8_t *ports = packet + head, *sum = ports + (protocol == PROTOCOL_UDP ? 6 : 16);
    struct addr from = end_at(packet + 12, ports), to = end_at(packet + 16, ports + 2);
    fragment_key(key, packet);
    if (!pass(protocol == PROTOCOL_UDP ? &udp : &tcp, &from, &to))
        return false;
    if (get16(packet + 6) & MORE_FRAGMENTS)
        flight_begins(key, from, to);
    put_end(packet, 12, ports, sum, protocol == PROTOCOL_UDP, &from);
    put_end(packet, 16, ports + 2, sum, protocol == PROTOCOL_UDP, &to);
    return true;
}

static void wait_for_ports(const uint8_t *packet, size_t len)
{
    if (len > FRAGMENT_SIZE)
        return;
    size_t at = next_waiting++ % WAITING;
    memcpy(waiting[at].packet, packet, len);
    waiting[at].len = len;
}

/* Those that can follow now go. */
static void release(int fd)
{
    for (size_t i = 0; i < WAITING; i++) {
        if (waiting[i].len == 0 || !follow(waiting[i].packet))
            continue;
        (void)!write(fd, waiting[i].packet, waiting[i].len);
        waiting[i].len = 0;
    }
}

static void take(int fd, uint8_t *packet, size_t len)
{
    size_t head = (size_t)(packet[0] & 15) * 4;
    if (len < 20 || packet[0] >> 4 != 4 || head < 20 || packet[8] <= 1)
        return;
    uint16_t part = get16(packet + 6) & (MORE_FRAGMENTS | FRAGMENT_OFFSET);
    if (part && drops_fragments)
        return;
    if ((part & FRAGMENT_OFFSET) == 0) {
        if (!translate(packet, len))
            return;
    } else if (!follow(packet)) {
        wait_for_ports(packet, len);
        return;
    }
    (void)!write(fd, packet, len);
    if (part & MORE_FRAGMENTS)
        release(fd);
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
    else if (strcmp(name, "fragments") == 0)
        drops_fragments = strcmp(value, "none") == 0;
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
    natbox_forward(&udp, internal, external, TICK_NEVER);
    natbox_forward(&tcp, internal, external, TICK_NEVER);
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
        if (len > 0)
            take(fd, packet, (size_t)len);
    }
    perror("natbox_tun");
    return 1;
}
