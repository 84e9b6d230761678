/* signalling: the thread that answers SIP and decides about calls: sip and recorder driven by
 * sockets, workers' mail and clocks.
 * Not here: packets and journals (worker), files and renders (keeper).
 * RFC 3261 section 18 (transport). */
#include "siprecd/signalling.h"
#include "siprecd/doctor.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/udp.h"
#include "sip/sip.h"
#include "siprecd/flows.h"
#include "siprecd/outbox.h"
#include "siprecd/survey_report.h"
#include "siprecd/surveyor.h"

enum {
    SIGNALLING_READY_MAX = 64,
    SIGNALLING_CONNECTIONS_MAX = 1024,
    SIGNALLING_RETRY_MS = 5,
    SIGNALLING_HEALTH_MS = 1000,
};

/* Tags of loop tokens. */
enum { TOKEN_UDP = 1, TOKEN_TCP, TOKEN_DNS, TOKEN_MAILBOX, TOKEN_BOARD, TOKEN_SURVEYOR };

struct signalling {
    struct signalling_config config;
    struct network network;
    struct surveyor *surveyor;
    bool settling; /* as recorder was told last */
    struct sip *sip;
    struct recorder *recorder;
    struct io_loop *loop;
    struct flows *flows;
    uint32_t network_change; /* what flows were made through (struct worker_network) */
    uint32_t addresses;      /* which of this host they are (struct worker_network) */
    struct outbox *outboxes[SIGNALLING_WORKERS_MAX];
    bool ports_gone[SIGNALLING_WORKERS_MAX][2];          /* IPv4, IPv6 */
    struct relay_report *relays[SIGNALLING_WORKERS_MAX]; /* the last of each; NULL: none yet */
    unsigned board_wants;
    bool draining;
    bool disk_full;
    bool stopping;
    bool started;
    struct tick health_at;
    pthread_t thread;
    _Atomic uint32_t calls;
    atomic_bool over;
};

static struct recorder_now signalling_now(void)
{
    struct moment now = io_clock_moment();
    return (struct recorder_now){.tick = now.tick, .wall = now.wall};
}

/* ---- recorder's wishes ---------------------------------------------------------------------- */

static void signalling_do(struct signalling *signalling, struct recorder_output *output)
{
    struct worker_mail mail = {.kind = WORKER_COMMAND};
    switch (output->kind) {
    case RECORDER_COMMAND:
        mail.command = output->command;
        outbox_post(signalling->outboxes[output->worker], &mail);
        break;
    case RECORDER_TICKET:
        mail.kind = WORKER_TICKET_BACK;
        mail.ticket = output->ticket;
        outbox_post(signalling->outboxes[output->ticket.worker], &mail);
        break;
    case RECORDER_DOCUMENT:
        if (catalog_put(signalling->config.catalog, output->document, output->metadata) != 0)
            LOG_ERROR("recorder", VIEW_NONE, "document not taken by the catalogue id=%s",
                      output->recording.s);
        break;
    case RECORDER_SRC:
        if (catalog_put_src(signalling->config.catalog, &output->src, view_of_string(output->key),
                            output->document, io_clock_wall()) != 0)
            LOG_WARN("recorder", VIEW_NONE, "SRC's profile not taken by the catalogue");
        break;
    case RECORDER_RENDER:
        keeper_render(signalling->config.keeper, &output->recording, output->directory,
                      output->document);
        break;
    }
}

/* Everything that follows from the last input, in the order that recorder.h and sip.h give: events,
 * then what recorder wants (streams are known to their worker before the answer leaves), then
 * packets. */
static void signalling_pump(struct signalling *signalling)
{
    struct recorder_now now = signalling_now();
    struct sip_event event;
    struct recorder_output wish;
    struct sip_output packet;
    bool moved = true;
    while (moved) {
        moved = false;
        while (sip_event(signalling->sip, &event)) {
            if (!flows_take_event(signalling->flows, now.tick, &event))
                recorder_input(signalling->recorder, now, &event);
            moved = true;
        }
        while (recorder_output(signalling->recorder, &wish)) {
            signalling_do(signalling, &wish);
            moved = true;
        }
        flows_work(signalling->flows, now.tick);
        while (sip_output(signalling->sip, &packet)) {
            flows_send(signalling->flows, now.tick, &packet);
            moved = true;
        }
    }
}

/* ---- the network we are in ------------------------------------------------------------------ */

static void signalling_tell_workers(struct signalling *signalling, struct tick now)
{
    struct worker_network *network = surveyor_worker_network(signalling->surveyor, now);
    if (network && network->change != signalling->network_change) {
        signalling->network_change = network->change;
        flows_renew(signalling->flows, now);
    }
    if (network && network->addresses != signalling->addresses) {
        signalling->addresses = network->addresses;
        signalling->health_at = (struct tick){0};
        flows_look(signalling->flows);
    }
    if (network) {
        doctor_know(signalling->config.doctor, network);
        /* Relays cost somebody money: none where calls get through without. */
        if (!network->wants_relays)
            network->turn_count = 0;
    }
    for (size_t i = 0; network && i < signalling->config.workers_count; i++) {
        struct worker_mail mail = {.kind = WORKER_NETWORK};
        mail.network = malloc(sizeof *mail.network);
        if (!mail.network)
            break; /* it comes again with the next change */
        *mail.network = *network;
        outbox_post(signalling->outboxes[i], &mail);
    }
    free(network);
}

/* Tells everybody what is new of the network. The calls that wait for it come last. */
static void signalling_publish(struct signalling *signalling, struct recorder_now now)
{
    struct surveyor_mapping mapping;
    size_t count;
    bool settling = surveyor_is_settling(signalling->surveyor, now.tick);
    bool moved = false;
    while (surveyor_mapping(signalling->surveyor, &mapping))
        moved |= recorder_ticket_mapped(signalling->recorder, now, &mapping.port, mapping.mapped);
    surveyor_disprove(signalling->surveyor, recorder_is_disproved(signalling->recorder, now.tick));
    if (surveyor_has_news(signalling->surveyor)) {
        surveyor_fill_network(signalling->surveyor, &signalling->network);
        signalling_tell_workers(signalling, now.tick);
        recorder_know(signalling->recorder, now, surveyor_profiles(signalling->surveyor));
        const struct addr *here = surveyor_addresses(signalling->surveyor, &count);
        recorder_here(signalling->recorder, now, here, count);
        moved = true;
    }
    if (settling != signalling->settling) {
        LOG_INFO("nat", VIEW_NONE, "%s",
                 settling ? "calls wait for the network" : "network settled");
        metric_set(METRIC_NETWORK_SETTLING, settling);
        signalling->settling = settling;
        recorder_refuse(signalling->recorder, RECORDER_SETTLING, settling);
        signalling->health_at = (struct tick){0};
        moved = true;
    }
    if (moved)
        signalling_pump(signalling);
}

/* Addresses that the settings have us listen at, and that this host has not got. */
static size_t signalling_missing(const struct signalling *signalling, struct addr *list)
{
    const struct recorder_settings *media = &signalling->config.settings.recorder;
    const struct values_listeners *sip = &signalling->network.listeners;
    const struct values_addresses *http = &signalling->config.http;
    size_t count = 0;
    for (size_t i = 0; i < sip->count; i++) {
        if (flows_waits(signalling->flows, i))
            list[count++] = sip->list[i].bind;
    }
    for (size_t i = 0; i < media->binds_count; i++) {
        if (!io_udp_is_here(&media->binds[i]))
            list[count++] = media->binds[i];
    }
    for (size_t i = 0; i < http->count; i++) {
        if (!io_udp_is_here(&http->list[i]))
            list[count++] = http->list[i];
    }
    return count;
}

/* Is there a listener whose address this host has? */
static bool signalling_listens(const struct signalling *signalling)
{
    bool any = signalling->network.listeners.count == 0;
    for (size_t i = 0; i < signalling->network.listeners.count; i++)
        any = any || !flows_waits(signalling->flows, i);
    return any;
}

static void signalling_report(struct signalling *signalling)
{
    struct recorder_usage usage = recorder_usage(signalling->recorder);
    struct surveyor_view view = surveyor_view(signalling->surveyor);
    char *registrations = flows_report(signalling->flows, io_clock_tick());
    struct addr missing[VALUES_LISTENERS_MAX + RECORDER_BINDS_MAX + VALUES_ADDRESSES_MAX];
    struct survey_sides sides = {.usage = &usage,
                                 .relays = (const struct relay_report *const *)signalling->relays,
                                 .workers = signalling->config.workers_count,
                                 .registrations = registrations,
                                 .missing = missing,
                                 .missing_count = signalling_missing(signalling, missing)};
    char *report = survey_report_print(&view, signalling_now(), &sides);
    free(registrations);
    if (!report || api_board_publish_nat(signalling->config.board, view_of_string(report)) != 0)
        LOG_WARN("api", VIEW_NONE, "network report not published");
    free(report);
}

/* ---- what comes in -------------------------------------------------------------------------- */

void signalling_name_listeners(struct recorder_settings *recorder,
                               const struct values_listeners *listeners)
{
    _Static_assert(RECORDER_LISTENERS_MAX >= (int)VALUES_LISTENERS_MAX, "one place each");
    memset(recorder->listeners, 0, sizeof recorder->listeners);
    for (size_t i = 0; i < listeners->count; i++)
        recorder->listeners[i] = (struct recorder_listener){
            listeners->list[i].protocol, listeners->list[i].bind, listeners->list[i].advertise};
}

static void signalling_reload(struct signalling *signalling, struct signalling_settings *settings)
{
    char error[512];
    settings->network.listeners = signalling->network.listeners; /* bound once, at start */
    signalling_name_listeners(&settings->recorder, &settings->network.listeners);
    recorder_configure(signalling->recorder, &settings->recorder);
    signalling->network = settings->network;
    if (!flows_configure(signalling->flows, &settings->flows, error, sizeof error))
        LOG_ERROR("sip", VIEW_NONE, "certificates not changed reason=\"%s\"", error);
    surveyor_configure(signalling->surveyor, signalling_now(), &settings->survey);
    surveyor_fill_network(signalling->surveyor, &signalling->network);
    free(settings);
}

static void signalling_drain(struct signalling *signalling)
{
    if (!signalling->draining)
        LOG_INFO("siprecd", VIEW_NONE, "draining calls=%u",
                 recorder_usage(signalling->recorder).recordings);
    signalling->draining = true;
    flows_stop(signalling->flows, io_clock_tick());
    recorder_refuse(signalling->recorder, RECORDER_DRAINING, true);
    signalling->health_at = (struct tick){0};
}

/* No worker has a port of the family left. */
static bool signalling_has_none(const struct signalling *signalling, bool v6)
{
    bool none = signalling->config.workers_count > 0;
    for (size_t i = 0; i < signalling->config.workers_count; i++)
        none = none && signalling->ports_gone[i][v6];
    return none;
}

static void signalling_take_ports(struct signalling *signalling, const struct signalling_mail *mail)
{
    bool none[2];
    memcpy(signalling->ports_gone[mail->worker], mail->ports.none, sizeof mail->ports.none);
    for (unsigned v6 = 0; v6 < 2; v6++)
        none[v6] = signalling_has_none(signalling, v6);
    for (unsigned v6 = 0; v6 < 2; v6++)
        recorder_exhausted(signalling->recorder, v6, none[v6]);
    recorder_refuse(signalling->recorder, RECORDER_NO_PORTS, none[0] && none[1]);
}

static void signalling_take_one(struct signalling *signalling, struct signalling_mail *mail)
{
    struct recorder_now now = signalling_now();
    switch (mail->kind) {
    case SIGNALLING_TICKET:
        recorder_ticket(signalling->recorder, now, &mail->ticket);
        surveyor_ticket(signalling->surveyor, now, &mail->ticket);
        break;
    case SIGNALLING_PORT_CLOSED:
        surveyor_port_closed(signalling->surveyor, now, &mail->port);
        recorder_port_closed(signalling->recorder, now, &mail->port);
        break;
    case SIGNALLING_RELAY:
        recorder_relay(signalling->recorder, now, &mail->relay);
        break;
    case SIGNALLING_RELAYS:
        free(signalling->relays[mail->worker]);
        signalling->relays[mail->worker] = mail->relays;
        surveyor_relays(signalling->surveyor, now.tick,
                        (const struct relay_report *const *)signalling->relays,
                        signalling->config.workers_count);
        break;
    case SIGNALLING_MEDIA:
        if (mail->event.kind == MEDIA_EVENT_FORGOTTEN)
            surveyor_forgotten(signalling->surveyor, now.tick, &mail->event);
        recorder_media(signalling->recorder, now, mail->worker, &mail->event);
        break;
    case SIGNALLING_PORTS:
        signalling_take_ports(signalling, mail);
        break;
    case SIGNALLING_DISK_FULL:
        keeper_disk_full(signalling->config.keeper, mail->on);
        signalling->disk_full = mail->on;
        recorder_refuse(signalling->recorder, RECORDER_DISK_FULL, mail->on);
        break;
    case SIGNALLING_RELOAD:
        signalling_reload(signalling, mail->settings);
        break;
    case SIGNALLING_DRAIN:
        signalling_drain(signalling);
        break;
    case SIGNALLING_HANG_UP:
        signalling_drain(signalling);
        recorder_hang_up(signalling->recorder, now);
        break;
    case SIGNALLING_STOP:
        signalling->stopping = true;
        break;
    }
    signalling_pump(signalling);
}

static void signalling_take_mail(struct signalling *signalling)
{
    struct signalling_mail mail;
    while (io_mailbox_take(signalling->config.mailbox, &mail))
        signalling_take_one(signalling, &mail);
}

static void signalling_board(struct signalling *signalling)
{
    unsigned wants = api_board_take(signalling->config.board);
    if ((wants & API_WANT_DRAIN) != 0)
        signalling_drain(signalling);
    struct uuid src;
    while ((wants & API_WANT_FORGET) != 0 && api_board_take_src(signalling->config.board, &src))
        recorder_forget_src(signalling->recorder, &src);
    if ((wants & API_WANT_NAT) != 0)
        signalling_report(signalling);
    if ((wants & API_WANT_SESSIONS) != 0) {
        char *sessions = recorder_sessions(signalling->recorder);
        if (sessions &&
            api_board_publish_sessions(signalling->config.board, view_of_string(sessions)) != 0)
            LOG_WARN("api", VIEW_NONE, "sessions not published");
        free(sessions);
    }
}

static void signalling_health(struct signalling *signalling, struct tick now)
{
    struct recorder_usage usage = recorder_usage(signalling->recorder);
    struct api_health health = {.answering = true,
                                .settling = signalling->settling,
                                .draining = signalling->draining,
                                .full = usage.recordings >=
                                        signalling->config.settings.recorder.recordings,
                                .disk_full = signalling->disk_full,
                                .no_address = !signalling_listens(signalling),
                                .sessions = usage.recordings,
                                .streams = usage.streams};
    health.full = health.full ||
                  (signalling_has_none(signalling, false) && signalling_has_none(signalling, true));
    api_board_set_health(signalling->config.board, &health);
    metric_set(METRIC_STREAMS_RELAYED, usage.relayed);
    metric_set(METRIC_SIP_DIALOGS, sip_dialog_count(signalling->sip));
    signalling->health_at = tick_add_ms(now, SIGNALLING_HEALTH_MS);
    atomic_store(&signalling->calls, usage.recordings);
    if (signalling->draining && usage.recordings == 0 && sip_dialog_count(signalling->sip) == 0 &&
        flows_is_stopped(signalling->flows))
        atomic_store(&signalling->over, true);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void signalling_handle(struct signalling *signalling, const struct io_ready *ready)
{
    switch (ready->token >> 56) {
    case TOKEN_UDP:
    case TOKEN_TCP:
    case TOKEN_DNS:
        flows_ready(signalling->flows, io_clock_tick(), ready);
        break;
    case TOKEN_BOARD:
        signalling_board(signalling);
        break;
    case TOKEN_SURVEYOR:
        surveyor_ready(signalling->surveyor, signalling_now(), ready->token);
        break;
    default: /* the mailbox: looked into on every round */
        break;
    }
}

static struct tick signalling_deadline(const struct signalling *signalling)
{
    struct tick deadline =
        tick_min(sip_deadline(signalling->sip), recorder_deadline(signalling->recorder));
    deadline = tick_min(deadline, flows_deadline(signalling->flows, io_clock_tick()));
    deadline = tick_min(deadline, signalling->health_at);
    deadline = tick_min(deadline, surveyor_deadline(signalling->surveyor));
    for (size_t i = 0; i < signalling->config.workers_count; i++) {
        if (outbox_waits(signalling->outboxes[i]))
            deadline = tick_min(deadline, tick_add_ms(io_clock_tick(), SIGNALLING_RETRY_MS));
    }
    return deadline;
}

static void signalling_expire(struct signalling *signalling)
{
    struct recorder_now now = signalling_now();
    if (tick_due(sip_deadline(signalling->sip), now.tick)) {
        sip_expire(signalling->sip, now.tick);
        signalling_pump(signalling);
    }
    if (tick_due(recorder_deadline(signalling->recorder), now.tick)) {
        recorder_expire(signalling->recorder, now);
        signalling_pump(signalling);
    }
    surveyor_expire(signalling->surveyor, now);
    signalling_publish(signalling, now);
    flows_expire(signalling->flows, now.tick);
    signalling_pump(signalling);
    for (size_t i = 0; i < signalling->config.workers_count; i++)
        outbox_retry(signalling->outboxes[i]);
    if (tick_due(signalling->health_at, now.tick) || signalling->draining)
        signalling_health(signalling, now.tick);
}

static void *signalling_run(void *argument)
{
    struct signalling *signalling = argument;
    struct io_ready ready[SIGNALLING_READY_MAX];
    (void)pthread_setname_np(pthread_self(), "signalling");
    signalling_pump(signalling);
    while (!signalling->stopping) {
        size_t count = 0;
        if (io_mailbox_sleep(signalling->config.mailbox)) {
            count = io_loop_wait(signalling->loop, signalling_deadline(signalling), ready,
                                 SIGNALLING_READY_MAX);
            io_mailbox_awake(signalling->config.mailbox);
        }
        /* Tickets first: the calls that wait in the sockets want them. */
        signalling_take_mail(signalling);
        for (size_t i = 0; i < count; i++)
            signalling_handle(signalling, &ready[i]);
        while (flows_next(signalling->flows))
            signalling_pump(signalling);
        signalling_expire(signalling);
    }
    atomic_store(&signalling->over, true);
    return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool signalling_make_engines(struct signalling *signalling)
{
    struct sip_config sip = {.dialogs_max = signalling->config.settings.recorder.recordings + 64,
                             .connections_max = SIGNALLING_CONNECTIONS_MAX,
                             .force_rport = signalling->config.force_rport,
                             .product = VIEW("siprecd/" SIPRECD_VERSION),
                             .contact_user = VIEW("siprecd"),
                             .contact_params = VIEW(";+sip.srs"),
                             .session_expires_s = 1800};
    uint8_t seed[32];
    io_clock_seed(sip.seed, sizeof sip.seed);
    io_clock_seed(seed, sizeof seed);
    signalling->loop = io_loop_create();
    signalling->sip = sip_create(&sip);
    if (!signalling->loop || !signalling->sip)
        return false;
    struct flows_config flows = {.loop = signalling->loop,
                                 .sip = signalling->sip,
                                 .network = &signalling->network,
                                 .tag_udp = TOKEN_UDP,
                                 .tag_tcp = TOKEN_TCP,
                                 .tag_dns = TOKEN_DNS,
                                 .outbound = &signalling->config.outbound,
                                 .connections_max = SIGNALLING_CONNECTIONS_MAX};
    signalling->flows = flows_create(&flows);
    signalling->recorder =
        recorder_create(&signalling->config.settings.recorder, signalling->sip, seed);
    if (!signalling->flows || !signalling->recorder)
        return false;
    for (size_t i = 0; i < signalling->config.workers_count; i++) {
        signalling->outboxes[i] = outbox_create(worker_mailbox(signalling->config.workers[i]));
        if (!signalling->outboxes[i])
            return false;
    }
    return io_loop_add(signalling->loop, io_mailbox_fd(signalling->config.mailbox), IO_READ,
                       (uint64_t)TOKEN_MAILBOX << 56) == 0 &&
           io_loop_add(signalling->loop, api_board_fd(signalling->config.board), IO_READ,
                       (uint64_t)TOKEN_BOARD << 56) == 0;
}

/* Last: from here on packets leave. */
static bool signalling_make_surveyor(struct signalling *signalling)
{
    struct surveyor_config config = {.loop = signalling->loop,
                                     .token = (uint64_t)TOKEN_SURVEYOR << 56,
                                     .settings = signalling->config.settings.survey,
                                     .directory = signalling->config.directory};
    signalling->surveyor = surveyor_create(&config, signalling_now());
    for (size_t i = 0; signalling->surveyor && i < signalling->network.listeners.count; i++) {
        struct addr bound = flows_bound(signalling->flows, i);
        surveyor_listener(signalling->surveyor, signalling_now(), i,
                          signalling->network.listeners.list[i].protocol != SIP_PROTOCOL_UDP,
                          &bound);
    }
    return signalling->surveyor;
}

struct signalling *signalling_create(const struct signalling_config *config, char *error,
                                     size_t error_size)
{
    struct signalling *signalling = calloc(1, sizeof *signalling);
    snprintf(error, error_size, "out of memory or descriptors");
    if (!signalling)
        return NULL;
    signalling->config = *config;
    signalling->network = config->settings.network;
    if (!signalling_make_engines(signalling) ||
        !flows_configure(signalling->flows, &config->settings.flows, error, error_size) ||
        !flows_listen(signalling->flows, error, error_size)) {
        signalling_destroy(signalling);
        return NULL;
    }
    if (!signalling_make_surveyor(signalling)) {
        snprintf(error, error_size, "out of memory or descriptors");
        signalling_destroy(signalling);
        return NULL;
    }
    return signalling;
}

struct addr signalling_bound(const struct signalling *signalling, size_t index)
{
    return flows_bound(signalling->flows, index);
}

void signalling_remember(struct signalling *signalling, const struct catalog_src *src)
{
    recorder_src(signalling->recorder, &src->id, view_of_string(src->key),
                 view_of_string(src->profile), io_clock_wall());
}

int signalling_start(struct signalling *signalling)
{
    int error = pthread_create(&signalling->thread, NULL, signalling_run, signalling);
    signalling->started = error == 0;
    return error;
}

bool signalling_is_over(const struct signalling *signalling)
{
    return atomic_load(&signalling->over);
}

uint32_t signalling_calls(const struct signalling *signalling)
{
    return atomic_load(&signalling->calls);
}

bool signalling_tell(struct signalling *signalling, enum signalling_mail_kind kind, bool on)
{
    struct signalling_mail mail = {.kind = kind, .on = on};
    return io_mailbox_post(signalling->config.mailbox, &mail);
}

void signalling_destroy(struct signalling *signalling)
{
    if (!signalling)
        return;
    if (signalling->started) {
        while (!signalling_tell(signalling, SIGNALLING_STOP, false))
            usleep(1000);
        pthread_join(signalling->thread, NULL);
    }
    surveyor_destroy(signalling->surveyor, signalling_now());
    recorder_destroy(signalling->recorder);
    sip_destroy(signalling->sip);
    flows_destroy(signalling->flows);
    for (size_t i = 0; i < signalling->config.workers_count; i++) {
        outbox_destroy(signalling->outboxes[i]);
        free(signalling->relays[i]);
    }
    io_loop_destroy(signalling->loop);
    free(signalling);
}
