/* siprecd/worker, the thread with its sockets on loopback: what it does when signalling's commands come
 * too late for a port, and when signalling takes no mail.
 * RFC 7866 §7.2; 3550 §11. */
#include "siprecd/worker.h"

#include "io/clock.h"
#include "io/udp.h"
#include "tap.h"

#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

enum { WAIT_MS = 10000, MAILS = 256 };

struct scene {
    struct worker_config config;
    _Atomic uint64_t written;
    char root[64];
    struct worker *worker;
};

static void scene_open(struct scene *s)
{
    *s = (struct scene){.root = "/tmp/siprecd-worker-XXXXXX"};
    if (!CHECK(mkdtemp(s->root)))
        exit(1);
    s->config = (struct worker_config){
        .workers = 1,
        .root = s->root,
        .port_min = 61000,
        .port_max = 61999,
        .binds_count = 1,
        .binds = {addr_v4(127, 0, 0, 1, 0)},
        .recordings = 4,
        .streams = 8,
        .ready = 4,
        .tls_ca = "",
        .signalling = io_mailbox_create(sizeof(struct signalling_mail), MAILS),
        .written = &s->written,
    };
    s->worker = worker_create(&s->config);
    if (!CHECK(s->worker))
        exit(1);
}

static void post(struct scene *s, struct worker_mail mail)
{
    CHECK(io_mailbox_post(worker_mailbox(s->worker), &mail));
}

static void scene_close(struct scene *s)
{
    char command[128];
    struct signalling_mail mail;
    post(s, (struct worker_mail){.kind = WORKER_STOP});
    worker_destroy(s->worker);
    while (io_mailbox_take(s->config.signalling, &mail)) {
        if (mail.kind == SIGNALLING_RELAYS)
            free(mail.relays);
    }
    io_mailbox_destroy(s->config.signalling);
    (void)snprintf(command, sizeof command, "rm -r '%s'", s->root);
    CHECK_INT(system(command), 0);
}

/* The next mail of the kind, and of the event if it is SIGNALLING_MEDIA. */
static bool next(struct scene *s, enum signalling_mail_kind kind, enum media_event_kind event,
                 struct signalling_mail *out)
{
    struct io_mailbox *mailbox = s->config.signalling;
    struct tick end = tick_add_ms(io_clock_tick(), WAIT_MS);
    while (tick_before(io_clock_tick(), end)) {
        while (io_mailbox_take(mailbox, out)) {
            if (out->kind == SIGNALLING_RELAYS)
                free(out->relays);
            if (out->kind == kind && (kind != SIGNALLING_MEDIA || out->event.kind == event))
                return true;
        }
        struct pollfd fd = {.fd = io_mailbox_fd(mailbox), .events = POLLIN};
        if (io_mailbox_sleep(mailbox))
            (void)poll(&fd, 1, WAIT_MS);
        io_mailbox_awake(mailbox);
    }
    return FAIL("no such mail came");
}

static bool next_ticket(struct scene *s, struct recorder_ticket *ticket)
{
    struct signalling_mail mail;
    bool came = next(s, SIGNALLING_TICKET, 0, &mail);
    *ticket = mail.ticket;
    return came;
}

static void command(struct scene *s, uint64_t recording, struct media_command command)
{
    command.recording.value = recording;
    command.at = io_clock_moment().wall;
    post(s, (struct worker_mail){.kind = WORKER_COMMAND, .command = command});
}

static void open_recording(struct scene *s, uint64_t recording,
                           const struct recorder_ticket *ticket)
{
    struct media_command open = {.kind = MEDIA_OPEN}, stream = {.kind = MEDIA_STREAM};
    (void)snprintf(open.open.directory, sizeof open.open.directory, "r%u", (unsigned)recording);
    command(s, recording, open);
    stream.stream = (struct media_stream_facts){
        .port = ticket->port,
        .generation = ticket->generation,
        .bound = ticket->bound,
        .bound_rtcp = ticket->bound_rtcp,
        .advertised = ticket->bound,
        .signalled = addr_v4(127, 0, 0, 1, 5060),
        .codec_count = 1,
        .codecs = {{.payload_type = 0, .clock_hz = 8000}},
    };
    command(s, recording, stream);
}

/* RTP, so many packets of so many bytes. */
static void talk(const struct addr *to, uint16_t first, unsigned count, size_t size)
{
    static char bytes[2048];
    static int fd = -1;
    struct addr any = addr_v4(127, 0, 0, 1, 0), bound;
    if (fd < 0)
        fd = io_udp_open(&any, &(struct io_udp_options){0}, &bound);
    bytes[0] = (char)0x80;
    for (unsigned i = 0; i < count; i++) {
        unsigned seq = first + i;
        bytes[2] = (char)(seq >> 8);
        bytes[3] = (char)seq;
        CHECK_INT(io_udp_send(fd, NULL, to, view_of(bytes, size)), 0);
    }
}

/* A port's address goes just as a call takes the port: the call's stream comes to be without one, and
 * signalling hears which; the port's number may serve another call. */
static void test_a_port_is_closed_as_it_is_taken(void)
{
    struct scene s;
    struct recorder_ticket gone, other, again;
    struct signalling_mail mail;
    scene_open(&s);
    if (!next_ticket(&s, &gone) || !next_ticket(&s, &other))
        exit(1);
    post(&s, (struct worker_mail){.kind = WORKER_TICKET_BACK, .ticket = gone});
    do {
        if (!next_ticket(&s, &again))
            exit(1);
    } while (again.port != gone.port || again.generation == gone.generation);
    open_recording(&s, 1, &gone);
    open_recording(&s, 2, &again);
    CHECK(next(&s, SIGNALLING_PORT_CLOSED, 0, &mail));
    CHECK_INT(mail.port.port, gone.port);
    CHECK_INT(mail.port.generation, gone.generation);
    talk(&again.bound, 100, 10, 172);
    CHECK(next(&s, SIGNALLING_MEDIA, MEDIA_EVENT_FIRST, &mail));
    CHECK_INT(mail.event.recording.value, 2);

    /* And a port that is there makes up for it. */
    open_recording(&s, 1, &other);
    talk(&other.bound, 100, 10, 172);
    CHECK(next(&s, SIGNALLING_MEDIA, MEDIA_EVENT_FIRST, &mail));
    CHECK_INT(mail.event.recording.value, 1);
    scene_close(&s);
}

/* Signalling takes nothing, and more comes at once than a journal's buffer holds: all of it is
 * recorded. 1,800 bytes: eight fill the buffer, and a batch holds 64. */
static void test_signalling_is_behind(void)
{
    enum { BURST = 90, SIZE = 1800 };
    struct scene s;
    struct recorder_ticket ticket;
    struct signalling_mail mail, filler = {.kind = SIGNALLING_DISK_FULL};
    scene_open(&s);
    if (!next_ticket(&s, &ticket))
        exit(1);
    open_recording(&s, 1, &ticket);
    while (io_mailbox_post(s.config.signalling, &filler))
        ;
    struct tick end = tick_add_ms(io_clock_tick(), WAIT_MS);
    talk(&ticket.bound, 0, 1, SIZE);
    while (atomic_load(&s.written) < SIZE && tick_before(io_clock_tick(), end))
        (void)poll(NULL, 0, 1);
    unsigned count = 1;
    for (unsigned round = 0; round < 8; round++, count += BURST) {
        talk(&ticket.bound, (uint16_t)count, BURST, SIZE);
        end = tick_add_ms(io_clock_tick(), WAIT_MS);
        uint64_t want = (uint64_t)SIZE * (count + BURST);
        while (atomic_load(&s.written) < want && tick_before(io_clock_tick(), end))
            (void)poll(NULL, 0, 1);
        if (!CHECK(atomic_load(&s.written) >= want))
            break;
    }
    command(&s, 1, (struct media_command){.kind = MEDIA_CLOSE});
    CHECK(next(&s, SIGNALLING_MEDIA, MEDIA_EVENT_FIRST, &mail));
    do {
        if (!next(&s, SIGNALLING_MEDIA, MEDIA_EVENT_COUNT, &mail))
            break;
    } while (mail.event.counters.packets < count);
    CHECK_INT(mail.event.counters.packets, count);
    scene_close(&s);
}

int main(void)
{
    RUN(test_a_port_is_closed_as_it_is_taken);
    RUN(test_signalling_is_behind);
    return tap_done();
}
