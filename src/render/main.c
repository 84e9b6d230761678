/* main: the program siprecd-render: options, files, and a child in a sandbox that does the work.
 * Not here: the work (render.c).
 * RFC: none. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libavutil/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "render/render.h"
#include "render/sandbox.h"

enum {
    EXIT_DONE = 0,
    EXIT_BAD = 1,
    EXIT_USAGE = 2,
    EXIT_START = 3,
};

#define RESULT_MAX  ((size_t)16 << 20)
#define MEMORY_MORE ((uint64_t)2 << 30) /* address space beside the journal's mapping */

struct options {
    const char *journal, *output;
    enum render_format format;
    enum render_layout layout;
    bool format_given;
};

/* What is written first, and where it goes in the end. */
struct target {
    char *name, *part; /* part NULL: name is no regular file and is written directly */
    int fd;
};

struct targets {
    struct target list[RENDER_CHANNELS_MAX];
    size_t count;
};

static const char USAGE[] =
    "usage: siprecd-render JOURNAL [--format wav|flac|opus|mp3] [--layout stereo|mono|each] -o "
    "FILE\n"
    "\n"
    "Renders a journal (journal.pcapng, also of a call that goes on) into audio and prints one "
    "line\n"
    "of JSON that says what came of it.\n"
    "  --format   default: what FILE's ending says, else wav\n"
    "  --layout   stereo: one channel a participant (default); mono: everybody in one;\n"
    "             each: one file a participant, FILE-1.wav, FILE-2.wav, ...\n"
    "Exit: 0 done; 1 the journal could not be rendered; 2 wrong usage; 3 a file cannot be "
    "opened.\n";

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
    stopped = number;
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("siprecd-render: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static bool layout_parse(const char *text, enum render_layout *layout)
{
    static const char *const names[] = {"stereo", "mono", "each"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *layout = (enum render_layout)i;
            return true;
        }
    }
    return false;
}

static enum render_format format_of_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *slash = strrchr(name, '/');
    if (!dot || (slash && dot < slash))
        return RENDER_FORMAT_WAV;
    enum render_format format = render_format_find(view_of_string(dot + 1));
    return format == RENDER_FORMAT_UNKNOWN ? RENDER_FORMAT_WAV : format;
}

/* False: say nothing more, exit with *code. */
static bool options_parse(struct options *options, int argc, char **argv, int *code)
{
    static const struct option known[] = {
        {"format", required_argument, NULL, 'f'}, {"layout", required_argument, NULL, 'l'},
        {"output", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0},
    };
    *code = EXIT_USAGE;
    for (int c; (c = getopt_long(argc, argv, "f:l:o:h", known, NULL)) != -1;) {
        switch (c) {
        case 'f':
            options->format = render_format_find(view_of_string(optarg));
            options->format_given = true;
            if (options->format == RENDER_FORMAT_UNKNOWN) {
                say("--format %s: not one of wav, flac, opus, mp3", optarg);
                return false;
            }
            break;
        case 'l':
            if (!layout_parse(optarg, &options->layout)) {
                say("--layout %s: not one of stereo, mono, each", optarg);
                return false;
            }
            break;
        case 'o':
            options->output = optarg;
            break;
        case 'h':
        case 'V':
            fputs(c == 'h' ? USAGE : "siprecd-render " SIPRECD_VERSION "\n", stdout);
            *code = EXIT_DONE;
            return false;
        default:
            fputs(USAGE, stderr);
            return false;
        }
    }
    if (optind + 1 != argc || !options->output || options->output[0] == '\0') {
        fputs(USAGE, stderr);
        return false;
    }
    options->journal = argv[optind];
    if (!options->format_given)
        options->format = format_of_name(options->output);
    return true;
}

/* "dir/call.wav" and 2 become "dir/call-2.wav". */
static char *name_numbered(const char *name, size_t number)
{
    const char *dot = strrchr(name, '.');
    const char *slash = strrchr(name, '/');
    size_t stem = strlen(name);
    if (dot && dot != name && (!slash || dot > slash + 1))
        stem = (size_t)(dot - name);
    char *text = NULL;
    if (asprintf(&text, "%.*s-%zu%s", (int)stem, name, number, name + stem) < 0)
        return NULL;
    return text;
}

static bool target_open(struct target *target)
{
    struct stat info;
    if (!target->name)
        return false;
    if (stat(target->name, &info) == 0 && !S_ISREG(info.st_mode)) {
        if (S_ISDIR(info.st_mode)) {
            errno = EISDIR;
            return false;
        }
        target->fd = open(target->name, O_WRONLY | O_CLOEXEC);
        return target->fd >= 0;
    }
    if (asprintf(&target->part, "%s.part-%ld", target->name, (long)getpid()) < 0) {
        target->part = NULL;
        return false;
    }
    target->fd = open(target->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return target->fd >= 0;
}

static bool targets_open(struct targets *targets, const struct options *options)
{
    bool each = options->layout == RENDER_LAYOUT_EACH;
    size_t wanted = each ? RENDER_CHANNELS_MAX : 1;
    for (; targets->count < wanted; targets->count++) {
        struct target *target = &targets->list[targets->count];
        target->fd = -1;
        target->name =
            each ? name_numbered(options->output, targets->count + 1) : strdup(options->output);
        if (!target_open(target)) {
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): targets_close frees the names */
            say("%s: %s", target->name ? target->name : options->output, strerror(errno));
            targets->count++;
            return false;
        }
    }
    return true;
}

/* Puts the first `keep` files in their places and takes the others away. */
static bool targets_close(struct targets *targets, size_t keep)
{
    bool ok = true;
    for (size_t i = 0; i < targets->count; i++) {
        struct target *target = &targets->list[i];
        if (target->fd >= 0 && close(target->fd) != 0 && i < keep) {
            say("%s: %s", target->name, strerror(errno));
            ok = false;
        }
        if (target->part && target->fd >= 0) {
            if (i >= keep) {
                (void)unlink(target->part);
            } else if (rename(target->part, target->name) != 0) {
                say("%s: %s", target->name, strerror(errno));
                (void)unlink(target->part);
                ok = false;
            }
        }
        free(target->name);
        free(target->part);
    }
    return ok;
}

static bool journal_open(const char *name, struct view *file)
{
    struct stat info;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        say("%s: %s", name, strerror(errno));
        return false;
    }
    if (!S_ISREG(info.st_mode)) {
        say("%s: not a regular file", name);
        (void)close(fd);
        return false;
    }
    *file = VIEW_NONE;
    if (info.st_size > 0) {
        void *at = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) {
            say("%s: %s", name, strerror(errno));
            (void)close(fd);
            return false;
        }
        (void)madvise(at, (size_t)info.st_size, MADV_SEQUENTIAL);
        *file = view_of(at, (size_t)info.st_size);
    }
    (void)close(fd);
    return true;
}

static bool write_all(int fd, const void *bytes, size_t count)
{
    for (const char *at = bytes; count > 0;) {
        ssize_t n = write(fd, at, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        count -= (size_t)n;
    }
    return true;
}

/* The child: one byte, how many files there are, then the line of JSON. */
static int work(const struct options *options, const struct targets *targets, struct view file,
                int report)
{
    int files[RENDER_CHANNELS_MAX];
    const char *names[RENDER_CHANNELS_MAX];
    for (size_t i = 0; i < targets->count; i++) {
        files[i] = targets->list[i].fd;
        names[i] = targets->list[i].name;
    }
    av_log_set_level(AV_LOG_QUIET);
    const char *missing = render_sandbox_enter(file.len + MEMORY_MORE);
    if (missing)
        say("not fully sandboxed: %s", missing);
    struct render_job job = {
        .journal = file,
        .mapped = true,
        .format = options->format,
        .layout = options->layout,
        .files = files,
        .names = names,
        .file_count = targets->count,
    };
    char *result = NULL;
    const char *error = NULL;
    uint8_t used = 0;
    enum render_end end = render_journal(&job, &result, &used, &error);
    if (end != RENDER_DONE) {
        say("%s: %s%s%s", options->journal, error, end == RENDER_FAILED ? ": " : "",
            end == RENDER_FAILED ? strerror(errno) : "");
        return EXIT_BAD;
    }
    bool ok = write_all(report, &used, 1) && write_all(report, result, strlen(result));
    free(result);
    return ok ? EXIT_DONE : EXIT_BAD;
}

/* Reads what the child reports until it has no more. malloc'ed, NUL-terminated. */
static char *report_read(int fd, size_t *count)
{
    size_t room = 65536;
    char *text = malloc(room);
    *count = 0;
    while (text) {
        ssize_t n = read(fd, text + *count, room - *count - 1);
        if (n < 0 && errno == EINTR && !stopped)
            continue;
        if (n <= 0)
            break;
        *count += (size_t)n;
        if (*count + 1 < room)
            continue;
        char *more = room < RESULT_MAX ? realloc(text, room * 2) : NULL;
        if (!more)
            break;
        text = more;
        room *= 2;
    }
    if (text)
        text[*count] = '\0';
    return text;
}

static int outcome(const struct options *options, int status)
{
    if (stopped) {
        say("%s: stopped", options->journal);
        return EXIT_BAD;
    }
    if (WIFSIGNALED(status)) {
        say("%s: the renderer was killed by signal %d (%s)", options->journal, WTERMSIG(status),
            strsignal(WTERMSIG(status)));
        return EXIT_BAD;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE ? EXIT_DONE : EXIT_BAD;
}

static int supervise(const struct options *options, struct targets *targets, pid_t child,
                     int report)
{
    size_t count = 0;
    int status = 0;
    char *text = report_read(report, &count);
    if (stopped)
        (void)kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        if (stopped)
            (void)kill(child, SIGKILL);
    int code = outcome(options, status);
    size_t keep = code == EXIT_DONE && count > 1 ? (uint8_t)text[0] : 0;
    if (code == EXIT_DONE && (keep == 0 || keep > targets->count)) {
        say("%s: the renderer gave no result", options->journal);
        code = EXIT_BAD;
        keep = 0;
    }
    if (!targets_close(targets, keep))
        code = EXIT_BAD;
    if (code == EXIT_DONE && (puts(text + 1) < 0 || fflush(stdout) != 0))
        code = EXIT_BAD;
    free(text);
    return code;
}

int main(int argc, char **argv)
{
    struct options options = {.layout = RENDER_LAYOUT_STEREO};
    struct targets targets = {.count = 0};
    struct view file;
    int code, report[2];
    if (!options_parse(&options, argc, argv, &code))
        return code;
    if (!journal_open(options.journal, &file))
        return EXIT_START;
    struct sigaction stop = {.sa_handler = on_stop};
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGHUP, &stop, NULL);
    if (!targets_open(&targets, &options) || pipe2(report, O_CLOEXEC) != 0) {
        (void)targets_close(&targets, 0); /* NOLINT(clang-analyzer-unix.Malloc): frees the names */
        return EXIT_START;
    }
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        (void)signal(SIGTERM, SIG_DFL);
        (void)signal(SIGINT, SIG_IGN); /* the parent takes care of it */
        (void)close(report[0]);
        _exit(getppid() == parent ? work(&options, &targets, file, report[1]) : EXIT_BAD);
    }
    (void)close(report[1]);
    if (child < 0) {
        say("fork: %s", strerror(errno));
        (void)targets_close(&targets, 0);
        return EXIT_START;
    }
    return supervise(&options, &targets, child, report[0]);
}
