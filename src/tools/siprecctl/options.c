/* options: reading siprecctl's command line.
 * Not here: doing what it says.
 * RFC: none. */
#include "tools/siprecctl/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"

#define URL_DEFAULT   "http://127.0.0.1:8080"
#define LIMIT_DEFAULT 20
#define LIMIT_MAX     1000000

static const char help_general[] =
    "Usage: siprecctl [--url URL] [--json] COMMAND [OPTION...]\n"
    "\n"
    "Asks a running siprecd over its HTTP API.\n"
    "\n"
    "  recordings   what has been recorded; one in full; delete one\n"
    "  sessions     what is being recorded now\n"
    "  srcs         what is known of the SRCs; forget one\n"
    "  nat          the network it is in: addresses, NATs, what is wrong\n"
    "  doctor       why is there no media? of the latest call, or of one\n"
    "  drain        take no more calls, end when the last is over\n"
    "\n"
    "  --url URL    where siprecd's API is (" URL_DEFAULT ", or $SIPRECCTL_URL)\n"
    "  --json       the answer as JSON, for programs\n"
    "  --help       this, or a command's own help: siprecctl COMMAND --help\n"
    "  --version    the version\n"
    "\n"
    "Exit status: 0 done; 1 done, and the answer is bad (no such recording, refused);\n"
    "2 wrong usage; 3 siprecd could not be reached.\n";

static const char help_recordings[] =
    "Usage: siprecctl recordings [--call-id CALL-ID] [--state STATE] [--limit N] [--json]\n"
    "       siprecctl recordings ID [--json]\n"
    "       siprecctl recordings ID --delete [--json]\n"
    "\n"
    "The recordings, newest first; with an ID that one in full.\n"
    "\n"
    "  --call-id X  only those of this SIP Call-ID\n"
    "  --state S    only those that are active, finishing, finished or failed\n"
    "  --limit N    at most N (20)\n"
    "  --delete     delete it: its files, then its entry\n";

static const char help_sessions[] =
    "Usage: siprecctl sessions [--json]\n"
    "\n"
    "The calls that are being recorded now, with the counts of this moment.\n";

static const char help_srcs[] =
    "Usage: siprecctl srcs [--json]\n"
    "       siprecctl srcs forget ID [--json]\n"
    "\n"
    "What earlier calls have taught about each SRC, and so how its next call is answered; or\n"
    "forgets it.\n";
static const char help_nat[] =
    "Usage: siprecctl nat [--json]\n"
    "\n"
    "What siprecd knows of the network it is in: its own addresses and the one outside, who says\n"
    "so, what the NATs between do, mappings at the gateway, servers, and what to change.\n";

static const char help_doctor[] =
    "Usage: siprecctl doctor [CALL-ID] [--json]\n"
    "\n"
    "Why is there no media? One sentence, then what to change and where. Looks at the latest\n"
    "call, or at that one. On siprecd's own host as root it also reads the firewall's rules.\n"
    "Exit status 0: nothing is wrong; 1: something is.\n";

static const char help_drain[] =
    "Usage: siprecctl drain [--json]\n"
    "\n"
    "Tells siprecd to take no more calls (new ones are answered 503) and to end when the last\n"
    "is over. There is no way back but starting it again.\n";

static const struct {
    const char *name;
    enum ctl_command command;
    const char *help;
} commands[] = {
    {"recordings", CTL_RECORDINGS, help_recordings},
    {"sessions", CTL_SESSIONS, help_sessions},
    {"srcs", CTL_SRCS, help_srcs},
    {"nat", CTL_NAT, help_nat},
    {"doctor", CTL_DOCTOR, help_doctor},
    {"drain", CTL_DRAIN, help_drain},
};
#define COMMANDS (sizeof commands / sizeof *commands)

enum {
    OPTION_URL = 1000,
    OPTION_JSON,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_CALL_ID,
    OPTION_STATE,
    OPTION_LIMIT,
    OPTION_DELETE,
};

static const struct option long_options[] = {
    {"url", required_argument, NULL, OPTION_URL},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"call-id", required_argument, NULL, OPTION_CALL_ID},
    {"state", required_argument, NULL, OPTION_STATE},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"delete", no_argument, NULL, OPTION_DELETE},
    {NULL, 0, NULL, 0},
};

static enum ctl_usage bad(const char *what, const char *which)
{
    fprintf(stderr, "siprecctl: %s%s%s\nTry: siprecctl --help\n", what, which ? ": " : "",
            which ? which : "");
    return CTL_USAGE_BAD;
}

static bool set_url(struct ctl_options *out, const char *url)
{
    struct view v = view_of_string(url);
    while (v.len > 0 && v.at[v.len - 1] == '/')
        v.len--;
    out->url = out->url_text;
    return (view_starts_with_nocase(v, VIEW_LIT("http://")) ||
            view_starts_with_nocase(v, VIEW_LIT("https://"))) &&
           view_copy(v, out->url_text, sizeof out->url_text);
}

static enum ctl_usage take_option(struct ctl_options *out, int option, const char **url)
{
    uint32_t limit;
    switch (option) {
    case OPTION_URL:
        *url = optarg;
        return CTL_USAGE_RUN;
    case OPTION_JSON:
        out->json = true;
        return CTL_USAGE_RUN;
    case OPTION_CALL_ID:
        out->call_id = optarg;
        return *optarg ? CTL_USAGE_RUN : bad("--call-id must not be empty", NULL);
    case OPTION_STATE:
        out->state = optarg;
        if (strcmp(optarg, "active") == 0 || strcmp(optarg, "finishing") == 0 ||
            strcmp(optarg, "finished") == 0 || strcmp(optarg, "failed") == 0)
            return CTL_USAGE_RUN;
        return bad("--state is active, finishing, finished or failed, not", optarg);
    case OPTION_LIMIT:
        if (!view_parse_u32(view_of_string(optarg), &limit) || limit < 1 || limit > LIMIT_MAX)
            return bad("--limit is a number from 1 on, not", optarg);
        out->limit = limit;
        return CTL_USAGE_RUN;
    case OPTION_DELETE:
        out->delete_it = true;
        return CTL_USAGE_RUN;
    default:
        /* getopt has said what it is. */
        fprintf(stderr, "Try: siprecctl --help\n");
        return CTL_USAGE_BAD;
    }
}

static enum ctl_usage find_command(struct ctl_options *out, const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            out->command = commands[i].command;
            return CTL_USAGE_RUN;
        }
    }
    return bad("no such command", name);
}

static enum ctl_usage check_recordings(struct ctl_options *out, const char *id, bool listing)
{
    struct uuid uuid;
    out->id = id;
    if (id && !uuid_parse(view_of_string(id), &uuid))
        return bad("an ID looks like 0195a3c4-1b2d-7e5f-8a9b-0c1d2e3f4a5b, not like", id);
    if (id && listing)
        return bad("--call-id, --state and --limit are for the list, not for one recording", NULL);
    if (!id && out->delete_it)
        return bad("--delete needs the ID of a recording", NULL);
    return CTL_USAGE_RUN;
}

static enum ctl_usage check_srcs(struct ctl_options *out, int count, char **arguments)
{
    struct uuid uuid;
    if (count == 1)
        return CTL_USAGE_RUN;
    if (strcmp(arguments[1], "forget") != 0)
        return bad("srcs knows no such word", arguments[1]);
    if (count == 2)
        return bad("srcs forget needs the ID of an SRC", NULL);
    if (!uuid_parse(view_of_string(arguments[2]), &uuid))
        return bad("an ID looks like 0195a3c4-1b2d-7e5f-8a9b-0c1d2e3f4a5b, not like", arguments[2]);
    out->id = arguments[2];
    out->delete_it = true;
    return CTL_USAGE_RUN;
}

static enum ctl_usage check_arguments(struct ctl_options *out, int count, char **arguments)
{
    bool listing = out->call_id || out->state || out->limit;
    if (count == 0)
        return bad("a command is missing", NULL);
    enum ctl_usage usage = find_command(out, arguments[0]);
    if (usage != CTL_USAGE_RUN)
        return usage;
    static const int most[] = {[CTL_RECORDINGS] = 2, [CTL_SESSIONS] = 1, [CTL_SRCS] = 3,
                               [CTL_NAT] = 1,        [CTL_DOCTOR] = 2,   [CTL_DRAIN] = 1};
    if (count > most[out->command])
        return bad("one argument too many", arguments[count - 1]);
    if (out->command == CTL_RECORDINGS)
        return check_recordings(out, count == 2 ? arguments[1] : NULL, listing);
    if (listing || out->delete_it)
        return bad("--call-id, --state, --limit and --delete belong to recordings, not to",
                   arguments[0]);
    if (out->command == CTL_SRCS)
        return check_srcs(out, count, arguments);
    if (out->command == CTL_DOCTOR && count == 2)
        out->call_id = arguments[1];
    return CTL_USAGE_RUN;
}

static enum ctl_usage print_help(const char *command)
{
    for (size_t i = 0; command && i < COMMANDS; i++) {
        if (strcmp(command, commands[i].name) == 0) {
            fputs(commands[i].help, stdout);
            return CTL_USAGE_DONE;
        }
    }
    struct ctl_options unused;
    if (command)
        return find_command(&unused, command);
    fputs(help_general, stdout);
    return CTL_USAGE_DONE;
}

enum ctl_usage ctl_options_parse(struct ctl_options *out, int argc, char **argv)
{
    const char *url = getenv("SIPRECCTL_URL");
    bool help = false;
    int option;
    *out = (struct ctl_options){0};
    if (!url || !*url)
        url = URL_DEFAULT;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == OPTION_VERSION) {
            puts("siprecctl " SIPRECD_VERSION);
            return CTL_USAGE_DONE;
        }
        help = help || option == OPTION_HELP;
        if (option == OPTION_HELP)
            continue;
        enum ctl_usage usage = take_option(out, option, &url);
        if (usage != CTL_USAGE_RUN)
            return usage;
    }
    if (help)
        return print_help(optind < argc ? argv[optind] : NULL);
    if (!set_url(out, url))
        return bad("--url is http://HOST:PORT or https://HOST:PORT, not", url);
    enum ctl_usage usage = check_arguments(out, argc - optind, argv + optind);
    if (usage == CTL_USAGE_RUN && !out->limit)
        out->limit = LIMIT_DEFAULT;
    return usage;
}
