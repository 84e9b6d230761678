/* daemon: the parts of siprecd, started in order, reloaded, drained, ended.
 * Not here: what each part does, the command line (main.c).
 * RFC: none. */
#include "siprecd/daemon.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/api.h"
#include "base/limits.h"
#include "base/log.h"
#include "catalog/reader.h"
#include "io/fetch.h"
#include "io/file.h"
#include "io/logger.h"
#include "io/sockaddr.h"
#include "io/udp.h"
#include "siprecd/doctor.h"
#include "siprecd/instance.h"
#include "siprecd/signalling.h"

enum {
    DAEMON_MAILS = 4096,
    DAEMON_WORKERS_MAX = 8,
    DAEMON_RETRY_AFTER_S = 5,
    /* Descriptors that are not calls': listeners, connections, ready ports, database, renders. */
    DAEMON_DESCRIPTORS_KEPT = 2048,
    /* A call of two streams: two pairs of sockets and a journal. */
    DAEMON_DESCRIPTORS_PER_CALL = 5,
    DAEMON_CATALOG_STOP_MS = 5000,
};

struct siprecd {
    const struct settings *settings;
    char *root;
    char render[PATH_MAX];
    int lock_fd;
    uint32_t recordings; /* at once */
    _Atomic uint64_t written;
    struct io_mailbox *mailbox; /* signalling's */
    struct catalog *catalog;
    struct keeper *keeper;
    struct worker *workers[DAEMON_WORKERS_MAX];
    size_t workers_count;
    struct api_board *board;
    struct doctor *doctor;
    struct api *api;
    struct signalling *signalling;
};

static bool daemon_fail(char *error, size_t error_size, const char *format, ...) PRINTF_LIKE(3, 4);

/* Always false. */
static bool daemon_fail(char *error, size_t error_size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, error_size, format, args);
    va_end(args);
    return false;
}

/* ---- where we are --------------------------------------------------------------------------- */

/* The address by which others on the network reach a listener on all addresses: the one towards the
 * default route (192.0.2.1 and 2001:db8::1 stand for anywhere), or loopback. */
static struct addr daemon_reachable(const struct addr *bound)
{
    struct addr anywhere = addr_v4(192, 0, 2, 1, 9);
    struct addr loopback = addr_v4(127, 0, 0, 1, 0);
    struct addr local;
    if (!addr_is_unspecified(bound))
        return *bound;
    if (bound->family == ADDR_V6) {
        anywhere = (struct addr){.family = ADDR_V6, .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
        loopback = (struct addr){.family = ADDR_V6, .ip = {[15] = 1}};
    }
    if (!io_sockaddr_local_for(&anywhere, &local))
        local = loopback;
    return addr_with_port(local, bound->port);
}

/* ---- settings to parts' settings ------------------------------------------------------------ */

static void daemon_take_network(struct recorder_settings *recorder, const struct settings *settings,
                                const struct network *network)
{
    static const enum path_answer behind_nat[] = {PATH_UNKNOWN, PATH_NO, PATH_YES};
    _Static_assert(RECORDER_PREFIXES_MAX >= (int)VALUES_PREFIXES_MAX, "one place each");
    recorder->behind_nat = behind_nat[settings_number(settings, SETTING_NAT_BEHIND_NAT) + 1];
    memcpy(recorder->external, network->external, sizeof recorder->external);
    memcpy(recorder->internal, network->internal, sizeof recorder->internal);
    recorder->local_by_kind = network->local_by_kind;
    recorder->has_relays = settings_text(settings, SETTING_NAT_TURN_SERVERS)[0] != 0;
    recorder->inactive_first = settings_number(settings, SETTING_NAT_INACTIVE_FIRST) != 0;
    for (size_t i = 0; i < network->local.count; i++)
        recorder->local.list[recorder->local.count++] = network->local.list[i];
    signalling_name_listeners(recorder, &network->listeners);
}

static struct flows_settings daemon_flows_settings(const struct settings *settings)
{
    struct flows_settings made = {0};
    /* Paths longer than that were refused when they were read. */
    (void)view_copy(view_of_string(settings_text(settings, SETTING_SIP_TLS_CERTIFICATE)),
                    made.certificate, sizeof made.certificate);
    (void)view_copy(view_of_string(settings_text(settings, SETTING_SIP_TLS_KEY)), made.key,
                    sizeof made.key);
    (void)view_copy(view_of_string(settings_text(settings, SETTING_SIP_TLS_CA)), made.ca,
                    sizeof made.ca);
    return made;
}

static struct outbound_settings daemon_outbound_settings(const struct siprecd *daemon)
{
    const struct settings *settings = daemon->settings;
    struct outbound_settings made = {
        .expires_s = (uint32_t)settings_number(settings, SETTING_SIP_REGISTER_EXPIRES)};
    if (!settings_is_set(settings, SETTING_SIP_REGISTER))
        return made;
    if (!view_copy(view_of_string(settings_text(settings, SETTING_SIP_REGISTER)), made.uris,
                   sizeof made.uris) ||
        !view_copy(view_of_string(settings_text(settings, SETTING_SIP_REGISTER_USERNAME)),
                   made.username, sizeof made.username) ||
        !view_copy(view_of_string(settings_text(settings, SETTING_SIP_REGISTER_PASSWORD)),
                   made.password, sizeof made.password))
        LOG_ERROR("siprecd", VIEW_NONE, "sip.register, its user name or password is too long");
    (void)io_proxy_of_setting(settings_text(settings, SETTING_NAT_PROXY), &made.proxy);
    if (!instance_load(daemon->root, made.instance, sizeof made.instance))
        LOG_ERROR("siprecd", VIEW_NONE, "our instance id cannot be kept: %s", strerror(errno));
    return made;
}

/* rtp.bind, or all of the machine: IPv6 only where the kernel has it. */
static size_t daemon_binds(const struct settings *settings, struct addr binds[WORKER_BINDS_MAX])
{
    const struct values_addresses *chosen =
        &settings_meaning(settings, SETTING_RTP_BIND)->addresses;
    struct addr any_v6 = {.family = ADDR_V6};
    struct io_udp_options options = {0};
    int probe;
    if (chosen->count > 0) {
        memcpy(binds, chosen->list, sizeof chosen->list);
        return chosen->count;
    }
    binds[0] = addr_v4(0, 0, 0, 0, 0);
    binds[1] = any_v6;
    probe = io_udp_open(&any_v6, &options, NULL);
    if (probe < 0)
        return 1;
    close(probe);
    return 2;
}

static struct signalling_settings daemon_signalling_settings(const struct siprecd *daemon,
                                                             const struct settings *settings)
{
    const struct values_prefixes *allow = &settings_meaning(settings, SETTING_SIP_ALLOW)->prefixes;
    struct signalling_settings made = {.network = network_of(settings)};
    struct recorder_settings *recorder = &made.recorder;
    made.flows = daemon_flows_settings(settings);
    survey_settings_of(settings, &made.survey);
    recorder->recordings = daemon->recordings;
    recorder->retry_after_s = DAEMON_RETRY_AFTER_S;
    for (size_t i = 0; i < allow->count && i < RECORDER_PREFIXES_MAX; i++)
        recorder->allow.list[recorder->allow.count++] = allow->list[i];
    recorder->mux_port = (uint16_t)settings_number(settings, SETTING_RTP_MUX_PORT);
    recorder->tcp_port = (uint16_t)settings_number(settings, SETTING_RTP_TCP_PORT);
    recorder->binds_count = daemon_binds(settings, recorder->binds);
    daemon_take_network(recorder, settings, &made.network);
    for (int v6 = 0; v6 < 2; v6++) {
        struct addr any = {.family = v6 ? ADDR_V6 : ADDR_V4};
        struct addr own = addr_is_set(&made.network.internal[v6]) ? made.network.internal[v6]
                                                                  : daemon_reachable(&any);
        if (!addr_is_loopback(&own))
            recorder->own[v6] = own;
    }
    return made;
}

static struct keeper_settings daemon_keeper_settings(const struct settings *settings)
{
    struct keeper_settings made = {
        .sync_interval_ms = settings_number(settings, SETTING_RECORDINGS_SYNC_INTERVAL),
        .min_free = settings_meaning(settings, SETTING_RECORDINGS_MIN_FREE)->space,
    };

    (void)view_copy(view_of_string(settings_text(settings, SETTING_RECORDINGS_FORMAT)), made.format,
                    sizeof made.format);
    return made;
}

/* The catalogue counts in percent of the disk. */
static double daemon_min_free_percent(const struct siprecd *daemon, const struct settings *settings)
{
    const struct values_space *min_free =
        &settings_meaning(settings, SETTING_RECORDINGS_MIN_FREE)->space;
    struct io_room room;
    if (min_free->is_percent)
        return (double)min_free->amount / 100;
    if (io_file_room(daemon->root, &room) != 0 || room.total_bytes == 0)
        return 0;
    return (double)min_free->amount * 100 / (double)room.total_bytes;
}

static enum io_logger_format daemon_log_format(const struct settings *settings)
{
    return settings_number(settings, SETTING_LOG_FORMAT) == 1 ? IO_LOGGER_JSON : IO_LOGGER_TEXT;
}

static void daemon_log_level(const struct settings *settings)
{
    enum log_level level = LOG_LEVEL_INFO;
    if (!log_level_parse(view_of_string(settings_text(settings, SETTING_LOG_LEVEL)), &level))
        level = LOG_LEVEL_INFO;
    log_set_level(level);
}

static void daemon_say_unused(const struct settings *settings)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = setting_info((enum setting)i);
        const char *text = settings_text(settings, (enum setting)i);
        bool turned_off = strcmp(text, "none") == 0 || strcmp(text, "false") == 0;
        if (info->later && !turned_off &&
            settings_origin(settings, (enum setting)i) != SETTINGS_DEFAULT)
            LOG_WARN("siprecd", VIEW_NONE, "setting has no effect in this version: %s.%s",
                     info->section, info->key);
    }
    for (size_t i = 0; i < settings_remarks(settings); i++)
        LOG_WARN("siprecd", VIEW_NONE, "%s", settings_remark(settings, i));
}

/* ---- the start, part by part ---------------------------------------------------------------- */

/* As many calls as descriptors allow, up to what the pools are made for. */
static void daemon_size(struct siprecd *daemon)
{
    struct rlimit limit = {0};
    rlim_t calls;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit.rlim_cur = 1024;
    calls = limit.rlim_cur > 2 * DAEMON_DESCRIPTORS_KEPT
                ? (limit.rlim_cur - DAEMON_DESCRIPTORS_KEPT) / DAEMON_DESCRIPTORS_PER_CALL
                : limit.rlim_cur / 2 / DAEMON_DESCRIPTORS_PER_CALL;
    daemon->recordings = calls < LIMIT_RECORDINGS ? (uint32_t)calls : LIMIT_RECORDINGS;
    LOG_INFO("siprecd", VIEW_NONE, "sized calls_max=%u descriptors=%llu", daemon->recordings,
             (unsigned long long)limit.rlim_cur);
}

static bool daemon_find_render(struct siprecd *daemon)
{
    static const char name[] = "siprecd-render";
    ssize_t len = readlink("/proc/self/exe", daemon->render, sizeof daemon->render - sizeof name);
    while (len > 0 && daemon->render[len - 1] != '/')
        len--;
    if (len <= 0)
        return false;
    memcpy(daemon->render + len, name, sizeof name);
    return access(daemon->render, X_OK) == 0;
}

static bool daemon_take_directory(struct siprecd *daemon, char *error, size_t error_size)
{
    const char *wanted = settings_text(daemon->settings, SETTING_RECORDINGS_DIRECTORY);
    char path[PATH_MAX];
    int failed = io_file_make_directory(wanted);
    if (failed != 0)
        return daemon_fail(error, error_size, "recordings.directory: cannot make %s: %s", wanted,
                           strerror(failed));
    daemon->root = realpath(wanted, NULL);
    if (!daemon->root || access(daemon->root, R_OK | W_OK | X_OK) != 0)
        return daemon_fail(error, error_size, "recordings.directory: cannot write to %s: %s",
                           wanted, strerror(errno));
    if (strlen(daemon->root) > PATH_MAX - 256)
        return daemon_fail(error, error_size, "recordings.directory: the path is too long");
    snprintf(path, sizeof path, "%s/.lock", daemon->root);
    daemon->lock_fd = io_file_lock_or_create(path);
    if (daemon->lock_fd < 0 && errno == EWOULDBLOCK)
        return daemon_fail(error, error_size,
                           "recordings.directory: another siprecd keeps its recordings in %s",
                           daemon->root);
    if (daemon->lock_fd < 0)
        return daemon_fail(error, error_size, "recordings.directory: cannot write to %s: %s",
                           daemon->root, strerror(errno));
    return true;
}

static bool daemon_start_disk(struct siprecd *daemon, char *error, size_t error_size)
{
    struct catalog_options catalog = {
        .root = daemon->root,
        .keep_days = (unsigned)settings_number(daemon->settings, SETTING_RECORDINGS_KEEP_DAYS),
        .min_free_percent = daemon_min_free_percent(daemon, daemon->settings)};
    struct keeper_config keeper = {.settings = daemon_keeper_settings(daemon->settings),
                                   .root = daemon->root,
                                   .render = daemon->render,
                                   .written = &daemon->written};

    daemon->mailbox = io_mailbox_create(sizeof(struct signalling_mail), DAEMON_MAILS);
    const struct values_listeners *listeners =
        &settings_meaning(daemon->settings, SETTING_SIP_LISTEN)->listeners;
    if (!daemon->mailbox)
        return daemon_fail(error, error_size, "mailbox: %s", strerror(errno));
    daemon->catalog = catalog_create(&catalog);
    if (!daemon->catalog)
        return daemon_fail(error, error_size, "catalogue in %s: %s", daemon->root, strerror(errno));
    keeper.catalog = daemon->catalog;
    keeper.signalling = daemon->mailbox;
    daemon->doctor = doctor_create(
        daemon->root, (uint16_t)settings_number(daemon->settings, SETTING_RTP_PORT_MIN),
        (uint16_t)settings_number(daemon->settings, SETTING_RTP_PORT_MAX),
        listeners->count ? listeners->list[0].bind.port : 0);
    if (!daemon->doctor)
        return daemon_fail(error, error_size, "no memory");
    keeper.doctor = daemon->doctor;
    daemon->keeper = keeper_create(&keeper);
    if (!daemon->keeper)
        return daemon_fail(error, error_size, "disk threads: %s", strerror(errno));
    return true;
}

/* One for every four cores: a worker does some 8,000 streams, and two that share sockets' caches
 * cost more a packet than one (measured: 2.9 against 2.3 us). The other cores are for what the
 * kernel does with each packet before, for signalling and for renders. */
static uint32_t daemon_workers(void)
{
    cpu_set_t cores;
    int workers = 1;

    if (sched_getaffinity(0, sizeof cores, &cores) == 0)
        workers = CPU_COUNT(&cores) / 4;
    return workers < 1 ? 1 : workers > DAEMON_WORKERS_MAX ? DAEMON_WORKERS_MAX : (uint32_t)workers;
}

static bool daemon_start_workers(struct siprecd *daemon, char *error, size_t error_size)
{
    const struct recorder_settings size = {.recordings = daemon->recordings};
    struct worker_config config = {
        .workers = daemon_workers(),
        .root = daemon->root,
        .port_min = (uint16_t)settings_number(daemon->settings, SETTING_RTP_PORT_MIN),
        .port_max = (uint16_t)settings_number(daemon->settings, SETTING_RTP_PORT_MAX),
        .mux_port = (uint16_t)settings_number(daemon->settings, SETTING_RTP_MUX_PORT),
        .tcp_port = (uint16_t)settings_number(daemon->settings, SETTING_RTP_TCP_PORT),
        .recordings = recorder_slots(&size),
        .streams = daemon->recordings * 2,
        .tls_ca = settings_text(daemon->settings, SETTING_SIP_TLS_CA),
        .ready = settings_number(daemon->settings, SETTING_NAT_READY),
        .signalling = daemon->mailbox,
        .written = &daemon->written};
    uint32_t pairs = ((uint32_t)config.port_max - config.port_min + 1) / 2;

    /* Each worker needs ports for the calls of two streams at least. */
    if (config.workers > 1 && pairs / config.workers < 4)
        config.workers = pairs / 4 > 1 ? pairs / 4 : 1;
    config.binds_count = daemon_binds(daemon->settings, config.binds);
    for (config.index = 0; config.index < config.workers; config.index++) {
        struct worker *worker = worker_create(&config);
        if (!worker)
            return daemon_fail(error, error_size, "media worker: %s", strerror(errno));
        daemon->workers[daemon->workers_count++] = worker;
    }
    return true;
}

static bool daemon_start_http(struct siprecd *daemon, char *error, size_t error_size)
{
    const struct values_addresses *listen =
        &settings_meaning(daemon->settings, SETTING_HTTP_LISTEN)->addresses;
    struct api_options options = {
        .listen = listen->list,
        .listen_count = listen->count,
        .hostnames = settings_is_set(daemon->settings, SETTING_HTTP_HOSTNAMES)
                         ? settings_text(daemon->settings, SETTING_HTTP_HOSTNAMES)
                         : NULL,
        .root = daemon->root,
        .format = settings_text(daemon->settings, SETTING_RECORDINGS_FORMAT),
        .render = daemon->render,
        .catalog = daemon->catalog,
        .board = daemon->board,
        .examine = doctor_examine,
        .doctor = daemon->doctor};
    char why[256];

    daemon->api = api_create(&options, why, sizeof why);
    if (!daemon->api)
        return daemon_fail(error, error_size, "http.listen: %s", why);
    return true;
}

/* Without a database, or with one that cannot be read now, it is all learned again. */
static void daemon_load_srcs(const struct siprecd *daemon)
{
    struct catalog_reader *reader = catalog_reader_create(daemon->root, daemon->catalog);
    struct catalog_srcs srcs;
    struct uuid last;
    const struct uuid *after = NULL;
    size_t count = 0;
    while (reader && catalog_reader_srcs(reader, after, CATALOG_PAGE_MAX, &srcs) == CATALOG_OK) {
        for (size_t i = 0; i < srcs.count; i++)
            signalling_remember(daemon->signalling, &srcs.list[i]);
        count += srcs.count;
        if (srcs.count > 0)
            last = srcs.list[srcs.count - 1].id;
        after = srcs.more ? &last : NULL;
        catalog_srcs_finish(&srcs);
        if (!after)
            break;
    }
    catalog_reader_destroy(reader);
    LOG_INFO("siprecd", VIEW_NONE, "profiles of SRCs loaded count=%zu", count);
}

static bool daemon_make_signalling(struct siprecd *daemon, char *error, size_t error_size)
{
    static const enum sip_force_rport rport[] = {SIP_FORCE_RPORT_AUTO, SIP_FORCE_RPORT_FALSE,
                                                 SIP_FORCE_RPORT_TRUE};
    struct signalling_config config = {
        .settings = daemon_signalling_settings(daemon, daemon->settings),
        .force_rport = rport[settings_number(daemon->settings, SETTING_SIP_FORCE_RPORT) + 1],
        .outbound = daemon_outbound_settings(daemon),
        .http = settings_meaning(daemon->settings, SETTING_HTTP_LISTEN)->addresses,
        .mailbox = daemon->mailbox,
        .workers_count = daemon->workers_count,
        .directory = daemon->root,
        .board = daemon->board,
        .catalog = daemon->catalog,
        .keeper = daemon->keeper,
        .doctor = daemon->doctor};

    memcpy(config.workers, daemon->workers, sizeof daemon->workers);
    daemon->signalling = signalling_create(&config, error, error_size);
    if (!daemon->signalling)
        return false;
    daemon_load_srcs(daemon);
    return true;
}

/* ---- what we say ---------------------------------------------------------------------------- */

void daemon_announce(const struct siprecd *daemon)
{
    const struct values_listeners *listeners =
        &settings_meaning(daemon->settings, SETTING_SIP_LISTEN)->listeners;
    const struct values_addresses *http =
        &settings_meaning(daemon->settings, SETTING_HTTP_LISTEN)->addresses;
    fprintf(stderr, "siprecd %s\n", SIPRECD_VERSION);
    for (size_t i = 0; i < listeners->count; i++) {
        const struct values_listener *listener = &listeners->list[i];
        struct addr bound = signalling_bound(daemon->signalling, i);
        struct addr at = daemon_reachable(&bound);
        if (addr_is_set(&listener->advertise))
            at = addr_with_port(listener->advertise, listener->advertise.port != 0
                                                         ? listener->advertise.port
                                                         : bound.port);
        fprintf(stderr, "  point your SBC at  sip:%s;transport=%s\n", addr_print(&at).s,
                values_protocol_name(listener->protocol));
    }
    fprintf(stderr, "  recordings go to   %s\n", daemon->root);
    for (size_t i = 0; i < http->count; i++) {
        struct addr at = addr_with_port(http->list[i], api_port(daemon->api, i));
        at = daemon_reachable(&at);
        fprintf(stderr, "  the API is at      http://%s/v1/recordings\n", addr_print(&at).s);
        if (!io_udp_is_here(&http->list[i]))
            LOG_WARN("http", VIEW_NONE,
                     "http.listen waits for its address, which is not on this host: %s",
                     addr_print(&at).s);
    }
    if (!settings_is_set(daemon->settings, SETTING_SIP_ALLOW))
        LOG_WARN("siprecd", VIEW_NONE,
                 "sip.allow is empty: anybody who reaches this machine can have calls recorded");
}

/* ---- life ----------------------------------------------------------------------------------- */

struct siprecd *daemon_create(const struct settings *settings, char *error, size_t error_size)
{
    struct siprecd *daemon = calloc(1, sizeof *daemon);
    if (!daemon) {
        (void)daemon_fail(error, error_size, "out of memory");
        return NULL;
    }
    daemon->settings = settings;
    daemon->lock_fd = -1;
    daemon_log_level(settings);
    io_logger_install(STDERR_FILENO, daemon_log_format(settings));
    daemon_say_unused(settings);
    io_fetch_prepare();
    daemon_size(daemon);
    if (!daemon_find_render(daemon))
        LOG_ERROR("siprecd", VIEW_NONE,
                  "no siprecd-render beside siprecd: journals only, no audio");
    daemon->board = api_board_create();
    if (!daemon->board) {
        (void)daemon_fail(error, error_size, "out of memory");
        goto fail;
    }
    if (!daemon_take_directory(daemon, error, error_size) ||
        !daemon_start_disk(daemon, error, error_size) ||
        !daemon_start_workers(daemon, error, error_size) ||
        !daemon_start_http(daemon, error, error_size) ||
        !daemon_make_signalling(daemon, error, error_size))
        goto fail;
    return daemon;
fail:
    daemon_stop(daemon);
    return NULL;
}

bool daemon_start(struct siprecd *daemon, char *error, size_t error_size)
{
    int failed = signalling_start(daemon->signalling);
    if (failed != 0)
        return daemon_fail(error, error_size, "signalling thread: %s", strerror(failed));
    return true;
}

void daemon_reload(struct siprecd *daemon, const struct settings *settings)
{
    struct signalling_mail mail = {.kind = SIGNALLING_RELOAD};
    struct keeper_settings keeper = daemon_keeper_settings(settings);
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = setting_info((enum setting)i);
        if (!info->reloadable && strcmp(settings_text(settings, (enum setting)i),
                                        settings_text(daemon->settings, (enum setting)i)) != 0)
            LOG_WARN("siprecd", VIEW_NONE, "setting needs a restart: %s.%s", info->section,
                     info->key);
    }
    daemon_log_level(settings);
    io_logger_set_format(daemon_log_format(settings));
    keeper_configure(daemon->keeper, &keeper);
    catalog_set_retention(daemon->catalog,
                          (unsigned)settings_number(settings, SETTING_RECORDINGS_KEEP_DAYS),
                          daemon_min_free_percent(daemon, settings));
    mail.settings = malloc(sizeof *mail.settings);
    if (mail.settings) {
        *mail.settings = daemon_signalling_settings(daemon, settings);
        if (!io_mailbox_post(daemon->mailbox, &mail))
            free(mail.settings);
    }
    daemon->settings = settings;
    LOG_INFO("siprecd", VIEW_NONE, "settings read again");
}

void daemon_drain(struct siprecd *daemon)
{
    if (!signalling_tell(daemon->signalling, SIGNALLING_DRAIN, true))
        LOG_ERROR("siprecd", VIEW_NONE, "signalling does not keep up");
}

void daemon_hang_up(struct siprecd *daemon)
{
    if (!signalling_tell(daemon->signalling, SIGNALLING_HANG_UP, true))
        LOG_ERROR("siprecd", VIEW_NONE, "signalling does not keep up");
}

bool daemon_is_over(const struct siprecd *daemon)
{
    return signalling_is_over(daemon->signalling);
}

uint32_t daemon_calls(const struct siprecd *daemon)
{
    return signalling_calls(daemon->signalling);
}

size_t daemon_renders(const struct siprecd *daemon)
{
    return keeper_renders(daemon->keeper);
}

void daemon_stop(struct siprecd *daemon)
{
    struct worker_mail stop = {.kind = WORKER_STOP};
    struct signalling_mail mail;
    if (!daemon)
        return;
    /* Backwards: nobody is left who could post to what is freed. */
    signalling_destroy(daemon->signalling);
    api_destroy(daemon->api);
    for (size_t i = 0; i < daemon->workers_count; i++) {
        while (!io_mailbox_post(worker_mailbox(daemon->workers[i]), &stop))
            usleep(1000);
    }
    for (size_t i = 0; i < daemon->workers_count; i++)
        worker_destroy(daemon->workers[i]);
    keeper_destroy(daemon->keeper);
    doctor_destroy(daemon->doctor);
    catalog_destroy(daemon->catalog, DAEMON_CATALOG_STOP_MS);
    api_board_destroy(daemon->board);
    while (daemon->mailbox && io_mailbox_take(daemon->mailbox, &mail)) {
        if (mail.kind == SIGNALLING_RELOAD)
            free(mail.settings);
        else if (mail.kind == SIGNALLING_RELAYS)
            free(mail.relays);
    }
    io_mailbox_destroy(daemon->mailbox);
    if (daemon->lock_fd >= 0)
        close(daemon->lock_fd);
    free(daemon->root);
    free(daemon);
}
