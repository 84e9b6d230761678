/* bench_calls: what bench.py measures siprecd against and with.
 *   send SECONDS START FIRST [ADDRESS:]PORT...
 *                              one RTP stream (G.711, 172 bytes, 50 packets a second) to each port (of loopback), from
 *                              the ports FIRST, FIRST + 1 and so on, beginning with packet number START
 *   bare DIRECTORY SOCKETS     the bare loop: so many UDP sockets, drained every 100 ms with recvmmsg,
 *                              the bytes of every two appended to a file of their own; SIGUSR1: how many so far
 * Not here: siprecd itself, and what the numbers mean (bench.py).
 * RFC 3550. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    PACKET = 172, /* RTP header and 20 ms of G.711 */
    PERIOD_MS = 20,
    TICK_MS = 100,
    BATCH = 64,
};

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void sleep_until(int64_t ns)
{
    struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* ---- send ----------------------------------------------------------------------------------- */

static void fill(unsigned char *packet, uint32_t number, uint32_t ssrc)
{
    uint16_t sequence = htons((uint16_t)number);
    uint32_t timestamp = htonl(number * 160);

    packet[0] = 0x80;
    packet[1] = 0;
    memcpy(packet + 2, &sequence, 2);
    memcpy(packet + 4, &timestamp, 4);
    ssrc = htonl(ssrc);
    memcpy(packet + 8, &ssrc, 4);
}

/* SIGUSR1: one packet a second from now on, so that nobody takes the streams for dead; SIGUSR2: all. */
static volatile sig_atomic_t is_sparse;

static void on_user_signal(int number)
{
    is_sparse = number == SIGUSR1;
}

/* "5060" of loopback, or "192.0.2.1:5060". */
static bool parse_target(const char *text, struct sockaddr_in *to)
{
    const char *colon = strchr(text, ':');
    char address[INET_ADDRSTRLEN] = "127.0.0.1";
    if (colon) {
        if ((size_t)(colon - text) >= sizeof(address))
            return false;
        memcpy(address, text, (size_t)(colon - text));
        address[colon - text] = '\0';
    }
    *to = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)atoi(colon ? colon + 1 : text))};
    return inet_pton(AF_INET, address, &to->sin_addr) == 1;
}

/* Streams are spread over the 20 ms, as those of many calls are; each has a socket (source port)
 * of its own, since siprecd tells senders apart. */
static int run_send(int argc, char **argv)
{
    int seconds = atoi(argv[0]);
    uint32_t start = (uint32_t)atoi(argv[1]);
    int first = atoi(argv[2]);
    int streams = argc - 3;
    int *fds = calloc((size_t)streams, sizeof(*fds));
    static unsigned char packet[PACKET];
    uint64_t sent = 0;
    uint64_t refused = 0;
    int64_t began;
    int64_t late_ns = 0;

    uint32_t skipped = 0;

    (void)signal(SIGUSR1, on_user_signal);
    (void)signal(SIGUSR2, on_user_signal);
    memset(packet, 0x55, sizeof(packet));
    for (int i = 0; i < streams; i++) {
        struct sockaddr_in to;
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(first + i))};
        if (!parse_target(argv[3 + i], &to)) {
            fprintf(stderr, "no address: %s\n", argv[3 + i]);
            return 1;
        }
        if (!strchr(argv[3 + i], ':'))
            from.sin_addr = to.sin_addr;
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0 || bind(fds[i], (struct sockaddr *)&from, sizeof(from)) != 0 ||
            connect(fds[i], (struct sockaddr *)&to, sizeof(to)) != 0) {
            perror("socket");
            return 1;
        }
    }
    began = now_ns();
    /* On a machine that cannot keep up less is sent: what it takes longer for says nothing. */
    for (uint32_t number = 0; number < (uint32_t)seconds * 1000 / PERIOD_MS &&
                              now_ns() - began < (int64_t)seconds * 1000000000;
         number++) {
        bool skips = is_sparse && number % (1000 / PERIOD_MS) != 0;
        skipped += skips;
        for (int part = 0; part < PERIOD_MS; part++) {
            int64_t due = began + ((int64_t)number * PERIOD_MS + part) * 1000000;
            if (now_ns() < due)
                sleep_until(due);
            else if (now_ns() - due > late_ns)
                late_ns = now_ns() - due;
            for (int i = part; i < streams && !skips; i += PERIOD_MS) {
                fill(packet, start + number - skipped, (uint32_t)i + 1);
                if (send(fds[i], packet, sizeof(packet), MSG_DONTWAIT) == PACKET)
                    sent++;
                else
                    refused++;
            }
        }
    }
    printf("{\"sent\": %llu, \"refused\": %llu, \"late_ms\": %lld}\n", (unsigned long long)sent,
           (unsigned long long)refused, (long long)(late_ns / 1000000));
    return 0;
}

/* ---- bare ----------------------------------------------------------------------------------- */

static volatile sig_atomic_t ending;
static volatile sig_atomic_t asked;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        asked = 1;
    else
        ending = 1;
}

struct bare {
    int sockets;
    int *fds;
    int *files;
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    unsigned char bytes[BATCH][2048];
    uint64_t packets;
};

/* Drains two sockets and writes what came to their file: one write, as siprecd does for the two
 * streams of a call. */
static void bare_pair(struct bare *bare, int pair)
{
    int got = 0;

    for (int k = 0; k < 2 && got < BATCH; k++) {
        int more = recvmmsg(bare->fds[2 * pair + k], bare->headers + got, (unsigned)(BATCH - got),
                            MSG_DONTWAIT, NULL);
        if (more > 0)
            got += more;
    }
    for (int i = 0; i < got; i++)
        bare->vectors[i].iov_len = bare->headers[i].msg_len;
    if (got > 0 && writev(bare->files[pair], bare->vectors, got) < 0)
        perror("write");
    for (int i = 0; i < got; i++)
        bare->vectors[i].iov_len = sizeof(bare->bytes[i]);
    bare->packets += (uint64_t)got;
}

static bool bare_open(struct bare *bare, const char *directory)
{
    for (int i = 0; i < bare->sockets; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(at);
        bare->fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (bare->fds[i] < 0 || bind(bare->fds[i], (struct sockaddr *)&at, len) != 0 ||
            getsockname(bare->fds[i], (struct sockaddr *)&at, &len) != 0)
            return false;
        printf("%d\n", ntohs(at.sin_port));
    }
    for (int i = 0; i < bare->sockets / 2; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%d", directory, i);
        bare->files[i] = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
        if (bare->files[i] < 0)
            return false;
    }
    return true;
}

static int run_bare(char **argv)
{
    static struct bare bare;
    struct rlimit limit;
    int64_t next;

    bare.sockets = atoi(argv[1]) / 2 * 2;
    bare.fds = calloc((size_t)bare.sockets, sizeof(int));
    bare.files = calloc((size_t)bare.sockets, sizeof(int));
    for (int i = 0; i < BATCH; i++) {
        bare.vectors[i] = (struct iovec){.iov_base = bare.bytes[i], .iov_len = 2048};
        bare.headers[i].msg_hdr = (struct msghdr){.msg_iov = &bare.vectors[i], .msg_iovlen = 1};
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGTERM, on_signal);
    signal(SIGUSR1, on_signal);
    if (!bare_open(&bare, argv[0])) {
        perror("bare");
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    next = now_ns();
    while (!ending) {
        next += (int64_t)TICK_MS * 1000000;
        sleep_until(next);
        for (int i = 0; i < bare.sockets / 2; i++)
            bare_pair(&bare, i);
        if (asked) {
            asked = 0;
            printf("%llu\n", (unsigned long long)bare.packets);
            fflush(stdout);
        }
    }
    printf("{\"packets\": %llu}\n", (unsigned long long)bare.packets);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 5 && strcmp(argv[1], "send") == 0)
        return run_send(argc - 2, argv + 2);
    if (argc == 4 && strcmp(argv[1], "bare") == 0)
        return run_bare(argv + 2);
    fprintf(
        stderr,
        "usage: bench_calls send SECONDS START FIRST [ADDRESS:]PORT... | bare DIRECTORY SOCKETS\n");
    return 2;
}
