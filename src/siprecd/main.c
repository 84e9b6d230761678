/* main: siprecd's command line and its signals.
 * Not here: the parts (daemon.c), the settings (settings.c).
 * RFC: none. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/logger.h"
#include "io/tls.h"
#include "siprecd/daemon.h"
#include "siprecd/notify.h"
#include "siprecd/settings.h"

#define MAIN_DEFAULT_FILE "/etc/siprecd/siprecd.conf"

enum {
    MAIN_DONE = 0,
    MAIN_BAD_SETTINGS = 1,
    MAIN_USAGE = 2,
    MAIN_CANNOT_START = 3,

    MAIN_FILE_MAX = 1024 * 1024,
    MAIN_LOOK_MS = 50,
    /* Calls may go on this long after SIGTERM; then they are ended by BYE. Below the 90 s that
     * service managers wait, with room for the BYEs and the renders. */
    MAIN_DRAIN_MS = 30000,
    /* An SRC that does not answer our BYE is not waited for longer than this. */
    MAIN_BYE_MS = 5000,
    /* Renders that take longer are done at the next start. */
    MAIN_RENDER_MS = 30000,
};

extern char **environ;

struct main_options {
    const char *file; /* -c */
    bool check;       /* -t */
    bool print;       /* --print-config */
    char **settings;  /* --section.key=value, NULL at the end */
    size_t settings_count;
};

static void main_usage(FILE *out)
{
    fprintf(out,
            "usage: siprecd [-c FILE] [-t] [--print-config] [--version] [--section.key=value ...]\n"
            "  -c FILE         settings file (else " MAIN_DEFAULT_FILE " if it is there)\n"
            "  -t              check the settings and exit: 0 good, 1 bad\n"
            "  --print-config  print every setting with its origin and exit\n"
            "  --version       print the version and exit\n");
}

/* ---- settings ------------------------------------------------------------------------------- */

struct main_settings {
    struct settings *settings;
    char *file_text; /* kept as long as they are */
};

static void main_settings_finish(struct main_settings *read)
{
    settings_destroy(read->settings);
    free(read->file_text);
    *read = (struct main_settings){0};
}

/* Reads all sources; false when the file cannot be read, or memory is out: said on stderr. */
static bool main_settings_read(const struct main_options *options, struct main_settings *read)
{
    struct settings_source source = {.environment = (const char *const *)environ,
                                     .arguments = (const char *const *)options->settings};
    const char *file = options->file ? options->file : MAIN_DEFAULT_FILE;
    size_t len = 0;
    int error = io_file_read(file, MAIN_FILE_MAX, &read->file_text, &len);
    if (error == 0) {
        source.file = file;
        source.file_text = view_of(read->file_text, len);
    } else if (options->file || (error != ENOENT && error != ENOTDIR)) {
        fprintf(stderr, "%s: %s\n", file, strerror(error));
        return false;
    }
    read->settings = settings_read(&source);
    if (!read->settings)
        fprintf(stderr, "out of memory\n");
    return read->settings;
}

static void main_print_errors(const struct settings *settings)
{
    for (size_t i = 0; i < settings_errors(settings); i++)
        fprintf(stderr, "%s\n", settings_error(settings, i));
}

/* -t: the files that the settings name, too. Said on stderr. */
static bool main_check_files(const struct settings *settings)
{
    char error[512];
    struct io_tls_files files = {.certificate =
                                     settings_text(settings, SETTING_SIP_TLS_CERTIFICATE),
                                 .key = settings_text(settings, SETTING_SIP_TLS_KEY),
                                 .ca = settings_text(settings, SETTING_SIP_TLS_CA)};
    if (io_tls_check(&files, error, sizeof error))
        return true;
    fprintf(stderr, "siprecd: %s\n", error);
    return false;
}

/* ---- arguments ------------------------------------------------------------------------------ */

/* Exit code, or -1 to go on. */
static int main_parse(int argc, char **argv, struct main_options *options)
{
    options->settings = calloc((size_t)argc + 1, sizeof *options->settings);
    if (!options->settings)
        return MAIN_CANNOT_START;
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (strcmp(argument, "-c") == 0 && i + 1 < argc) {
            options->file = argv[++i];
        } else if (strcmp(argument, "-t") == 0) {
            options->check = true;
        } else if (strcmp(argument, "--print-config") == 0) {
            options->print = true;
        } else if (strcmp(argument, "--version") == 0) {
            printf("siprecd %s\n", SIPRECD_VERSION);
            return MAIN_DONE;
        } else if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) {
            main_usage(stdout);
            return MAIN_DONE;
        } else if (strncmp(argument, "--", 2) == 0 && strchr(argument, '.')) {
            options->settings[options->settings_count++] = argv[i];
        } else {
            fprintf(stderr, "siprecd: \"%s\" is not understood\n", argument);
            main_usage(stderr);
            return MAIN_USAGE;
        }
    }
    return -1;
}

/* ---- signals -------------------------------------------------------------------------------- */

/* SIGHUP. The old settings stay where the new ones are wrong. */
static void main_reload(const struct main_options *options, struct siprecd *daemon,
                        struct main_settings *current)
{
    struct main_settings read = {0};
    notify_reloading();
    if (!main_settings_read(options, &read) || settings_errors(read.settings) > 0) {
        for (size_t i = 0; read.settings != NULL && i < settings_errors(read.settings); i++)
            LOG_ERROR("siprecd", VIEW_NONE, "%s", settings_error(read.settings, i));
        LOG_ERROR("siprecd", VIEW_NONE, "settings not read again: the old ones stay");
        main_settings_finish(&read);
    } else {
        daemon_reload(daemon, read.settings);
        main_settings_finish(current);
        *current = read;
    }
    notify_send("READY=1");
}

struct main_ending {
    bool draining; /* by SIGTERM: bounded */
    bool now;
    struct tick hang_up_at;
    struct tick give_up_at;
};

static void main_terminate(struct siprecd *daemon, struct main_ending *ending, struct tick now)
{
    if (ending->draining) {
        LOG_WARN("siprecd", VIEW_NONE, "second signal: ending now calls=%u", daemon_calls(daemon));
        ending->now = true;
        return;
    }
    ending->draining = true;
    ending->hang_up_at = tick_add_ms(now, MAIN_DRAIN_MS);
    notify_send("STOPPING=1\nSTATUS=draining");
    daemon_drain(daemon);
}

/* True when it is time to stop. */
static bool main_is_over(struct siprecd *daemon, struct main_ending *ending, struct tick now)
{
    if (ending->now || daemon_is_over(daemon))
        return true;
    if (ending->draining && tick_due(ending->hang_up_at, now)) {
        LOG_WARN("siprecd", VIEW_NONE, "drained long enough, ending calls=%u",
                 daemon_calls(daemon));
        daemon_hang_up(daemon);
        ending->hang_up_at = TICK_NEVER;
        ending->give_up_at = tick_add_ms(now, MAIN_BYE_MS);
    }
    return tick_due(ending->give_up_at, now);
}

/* Waits for signals until all is over. */
static struct main_ending main_wait(const struct main_options *options, struct siprecd *daemon,
                                    struct main_settings *current, const sigset_t *signals)
{
    struct main_ending ending = {.hang_up_at = TICK_NEVER, .give_up_at = TICK_NEVER};
    struct timespec look = {.tv_nsec = MAIN_LOOK_MS * NS_PER_MS};
    struct timespec idle = {.tv_sec = 1};
    for (;;) {
        int got = sigtimedwait(signals, NULL, ending.draining ? &look : &idle);
        struct tick now = io_clock_tick();
        if (got == SIGHUP)
            main_reload(options, daemon, current);
        else if (got == SIGTERM || got == SIGINT)
            main_terminate(daemon, &ending, now);
        if (main_is_over(daemon, &ending, now))
            return ending;
    }
}

/* After the last call: its audio, unless somebody is in a hurry. */
static void main_wait_for_renders(struct siprecd *daemon, const sigset_t *signals)
{
    struct tick until = tick_add_ms(io_clock_tick(), MAIN_RENDER_MS);
    struct timespec look = {.tv_nsec = MAIN_LOOK_MS * NS_PER_MS};
    while (daemon_renders(daemon) > 0 && !tick_due(until, io_clock_tick())) {
        int got = sigtimedwait(signals, NULL, &look);
        if (got == SIGTERM || got == SIGINT)
            return;
    }
}

/* ---- all together --------------------------------------------------------------------------- */

static int main_run(const struct main_options *options, struct main_settings *current)
{
    struct siprecd *daemon;
    struct main_ending ending;
    sigset_t signals;
    char error[512];

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    /* Before the first thread, so that none of them is ever interrupted. */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    umask(027);

    /* No line is held any more when calls are answered and /health/ready says so: whoever sees that
     * finds in the log what led to it. */
    io_logger_hold();
    daemon = daemon_create(current->settings, error, sizeof error);
    if (daemon)
        daemon_announce(daemon);
    io_logger_release();
    if (!daemon || !daemon_start(daemon, error, sizeof error)) {
        fprintf(stderr, "siprecd: %s\n", error);
        daemon_stop(daemon);
        return MAIN_CANNOT_START;
    }
    notify_send("READY=1");
    ending = main_wait(options, daemon, current, &signals);
    if (!ending.now)
        main_wait_for_renders(daemon, &signals);
    daemon_stop(daemon);
    return MAIN_DONE;
}

int main(int argc, char **argv)
{
    struct main_options options = {0};
    struct main_settings current = {0};
    int code = main_parse(argc, argv, &options);
    if (code < 0 && !main_settings_read(&options, &current))
        code = MAIN_BAD_SETTINGS;
    if (code < 0) {
        main_print_errors(current.settings);
        if (settings_errors(current.settings) > 0)
            code = MAIN_BAD_SETTINGS;
        else if (options.check)
            code = main_check_files(current.settings) ? MAIN_DONE : MAIN_BAD_SETTINGS;
    }
    if (options.print && current.settings) {
        settings_print(current.settings, stdout);
        code = code < 0 ? MAIN_DONE : code;
    } else if (options.check && code == MAIN_DONE) {
        fprintf(stderr, "siprecd: the settings are good\n");
    }
    if (code < 0)
        code = main_run(&options, &current);
    main_settings_finish(&current);
    free(options.settings);
    return code;
}
