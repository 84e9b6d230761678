/* doctor: the questions, the firewall, the answer for people.
 * Not here: judging.
 * RFC: none. */
#include "tools/siprecctl/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/siprecctl/ruleset.h"
#include "tools/siprecctl/show.h"

/* ---- The firewall ---------------------------------------------------------------------------- */

#define SYSTEM_PATH "PATH=\"$PATH:/usr/sbin:/sbin\"; "

/* Of iptables' own matches and targets nft's JSON tells no more than the name, but its text has most of
 * them in nft's words. Read back in a network namespace of its own, where nothing goes through, that
 * is JSON. What has no such words may be or not: as a limit. */
static const char as_json[] = SYSTEM_PATH "nft -j list ruleset 2>/dev/null";
static const char by_way_of_text[] = SYSTEM_PATH
    "nft list ruleset 2>/dev/null |"
    "sed -E 's/xt match [^ ]+/limit rate 1\\/second/; s/xt target .*/limit rate 1\\/second drop/' |"
    "unshare -n sh -c 'nft -f - && nft -j list ruleset' 2>/dev/null";

static json_t *read_json(const char *command)
{
    FILE *output = popen(command, "r");
    json_t *json = output ? json_loadf(output, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    /* Without the right to see the rules nft prints nothing, or fails. */
    if (output && pclose(output) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static bool has_iptables_rules(const json_t *ruleset)
{
    size_t i, k;
    const json_t *item, *part;
    json_array_foreach(json_object_get(ruleset, "nftables"), i, item)
    {
        json_array_foreach(json_object_get(json_object_get(item, "rule"), "expr"), k, part)
        {
            if (json_object_get(part, "xt"))
                return true;
        }
    }
    return false;
}

/* The ruleset of the host that we run on; NULL: it may not be read, or there is no nft. */
static json_t *read_ruleset(void)
{
    json_t *ruleset = read_json(as_json), *translated;
    if (!ruleset || !has_iptables_rules(ruleset))
        return ruleset;
    translated = read_json(by_way_of_text);
    if (!translated)
        return ruleset;
    json_decref(ruleset);
    return translated;
}

static bool is_of_this_host(const char *url)
{
    return strstr(url, "//127.") || strstr(url, "//[::1]") || strstr(url, "//localhost");
}

static struct addr addr_in(const json_t *object, const char *key)
{
    struct addr a = {0};
    const char *text = json_string_value(json_object_get(object, key));
    if (!text || !addr_parse(view_of_string(text), 0, &a))
        return (struct addr){0};
    return a;
}

/* The old iptables has tables of its own, which nft does not show. */
static bool has_legacy_rules(void)
{
    static const char *const lists[] = {"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"};
    bool found = false;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        FILE *list = fopen(lists[i], "re");
        char table[64];
        while (list && fgets(table, sizeof table, list))
            found |= strcmp(table, "filter\n") == 0;
        if (list)
            fclose(list);
    }
    return found;
}

/* Where the SRC's media comes from, as far as that can be told before: behind a NAT of its own from
 * where its SIP comes. */
static struct addr source_of(const json_t *recording, const json_t *stream)
{
    struct addr offered = addr_in(stream, "offered"), signalled = addr_in(recording, "signalled");
    if (addr_is_private(&offered) && addr_is_set(&signalled) && !addr_is_private(&signalled))
        return addr_with_port(signalled, offered.port);
    return offered;
}

/* Rules that drop what begins a flow let in what answers us: from where we have sent to. */
static const char *look_at_stream(const json_t *ruleset, const struct ctl_datagram *d,
                                  struct ctl_chain *chain)
{
    struct ctl_datagram answer = *d;
    struct ctl_chain other;
    answer.is_known = true;
    switch (ctl_ruleset_drops(ruleset, d, chain)) {
    case PATH_YES:
        return ctl_ruleset_drops(ruleset, &answer, &other) == PATH_YES ? "closed" : "stateful";
    case PATH_NO:
        return has_legacy_rules() ? "unknown" : "open";
    case PATH_UNKNOWN:
        break;
    }
    return "unknown";
}

/* For a datagram as the SRC would send it to each of the call's ports: "open,closed". */
static char *look_at_streams(const json_t *ruleset, const json_t *recording,
                             struct ctl_chain *chain)
{
    char list[512] = "unknown";
    size_t i, len = 0;
    const json_t *stream;
    *chain = (struct ctl_chain){0};
    json_array_foreach(json_object_get(recording, "streams"), i, stream)
    {
        struct ctl_datagram d = {.from = source_of(recording, stream),
                                 .to = addr_in(stream, "bound")};
        struct ctl_chain dropping = {0};
        const char *word = "unknown";
        if (addr_is_set(&d.from) && addr_is_set(&d.to))
            word = look_at_stream(ruleset, &d, &dropping);
        if (dropping.name && !chain->name)
            *chain = dropping;
        int n = snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? "," : "", word);
        if (n < 0 || (size_t)n >= sizeof list - len)
            break;
        len += (size_t)n;
    }
    return strdup(list);
}

static char *recording_path(struct ctl_client *client, const struct ctl_options *options)
{
    char *call_id = options->call_id ? ctl_client_escape(client, options->call_id) : NULL;
    char *path = NULL;
    if (asprintf(&path, "/v1/recordings?limit=1%s%s", call_id ? "&call_id=" : "",
                 call_id ? call_id : "") < 0)
        path = NULL;
    free(call_id);
    return path;
}

/* What nft allows in quotes would have to be quoted in a rule, too. */
static bool is_plain(const char *name)
{
    return name && *name &&
           name[strspn(name,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] ==
               '\0' &&
           strlen(name) < 64;
}

/* *query: "firewall=...&chain=...", the caller's. *is_seen: the rules could be read. */
static enum ctl_answer look_at_firewall(struct ctl_client *client,
                                        const struct ctl_options *options, char **query,
                                        bool *is_seen)
{
    json_t *ruleset = is_of_this_host(options->url) ? read_ruleset() : NULL;
    json_t *page = NULL;
    struct ctl_chain chain = {0};
    enum ctl_answer answer = CTL_ANSWER_OK;
    char *words = NULL;
    *query = NULL;
    *is_seen = ruleset != NULL;
    if (ruleset) {
        char *path = recording_path(client, options);
        answer = path ? ctl_client_request(client, "GET", path, &page) : CTL_ANSWER_BAD;
        free(path);
    }
    if (answer == CTL_ANSWER_OK && ruleset)
        words = look_at_streams(ruleset, json_array_get(json_object_get(page, "recordings"), 0),
                                &chain);
    if (!is_plain(chain.family) || !is_plain(chain.table) || !is_plain(chain.name))
        chain = (struct ctl_chain){0};
    if (asprintf(query, "firewall=%s%s%s%s%s%s%s", words ? words : "unknown",
                 chain.name ? "&chain=" : "", chain.name ? chain.family : "", chain.name ? "/" : "",
                 chain.name ? chain.table : "", chain.name ? "/" : "",
                 chain.name ? chain.name : "") < 0)
        *query = NULL;
    free(words);
    json_decref(page);
    json_decref(ruleset);
    return answer;
}

/* ---- For people ------------------------------------------------------------------------------ */

static const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

enum { COLUMNS = 80 };

static size_t characters(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* Broken between words, the further lines indented as the first. */
static void put_text(size_t indent, const char *before, const char *text)
{
    char word[512];
    size_t column = indent + characters(before, strlen(before));
    bool is_first = true;
    printf("%*s%s", (int)indent, "", before);
    while (*text) {
        size_t len = strcspn(text, " ");
        snprintf(word, sizeof word, "%.*s", (int)len, text);
        size_t wide = characters(word, strlen(word));
        if (!is_first && column + 1 + wide > COLUMNS) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (!is_first) {
            putchar(' ');
            column++;
        }
        ctl_show_text(stdout, word);
        column += wide;
        is_first = false;
        text += len;
        text += strspn(text, " ");
    }
    putchar('\n');
}

/* Whole, however long: it is to be copied. */
static void put_command(const char *command)
{
    if (!*command)
        return;
    fputs("    ", stdout);
    ctl_show_text(stdout, command);
    putchar('\n');
}

static void show_finding(const json_t *finding, bool is_alone)
{
    /* What is certain and alone has been said. */
    if (!is_alone) {
        char before[32];
        snprintf(before, sizeof before, "%s: ", text_in(finding, "certainty"));
        putchar('\n');
        put_text(0, before, text_in(finding, "text"));
    }
    put_text(2, "", text_in(finding, "cure"));
    put_command(text_in(finding, "command"));
}

static void show(const json_t *report, bool is_firewall_unseen)
{
    const json_t *findings = json_object_get(report, "findings");
    const char *call_id = text_in(report, "call_id"), *decide = text_in(report, "decide");
    bool is_alone = json_array_size(findings) == 1 &&
                    strcmp(text_in(json_array_get(findings, 0), "certainty"), "certain") == 0;
    size_t i;
    const json_t *finding;
    if (*call_id)
        put_text(0, "Call ", call_id);
    put_text(0, "", text_in(report, "verdict"));
    json_array_foreach(findings, i, finding)
    {
        show_finding(finding, is_alone);
    }
    if (*decide) {
        puts("\nWhat decides:");
        put_command(decide);
        put_text(2, "", text_in(report, "decide_by"));
    }
    if (is_firewall_unseen && json_is_false(json_object_get(report, "healthy")))
        puts("\nThe firewall of siprecd's host was not looked at: run this there as root (it asks\n"
             "nft, of the package nftables).");
}

enum ctl_answer ctl_doctor(struct ctl_client *client, const struct ctl_options *options,
                           bool *is_healthy)
{
    char *firewall = NULL;
    bool is_seen;
    enum ctl_answer answer = look_at_firewall(client, options, &firewall, &is_seen);
    char *call_id = options->call_id ? ctl_client_escape(client, options->call_id) : NULL;
    char *path = NULL;
    json_t *report = NULL;
    if (firewall && asprintf(&path, "/v1/doctor?%s%s%s", firewall, call_id ? "&call_id=" : "",
                             call_id ? call_id : "") < 0)
        path = NULL;
    if (answer == CTL_ANSWER_OK)
        answer = path ? ctl_client_request(client, "GET", path, &report) : CTL_ANSWER_BAD;
    *is_healthy = json_is_true(json_object_get(report, "healthy"));
    if (answer == CTL_ANSWER_OK && options->json)
        ctl_show_json(stdout, report);
    else if (answer == CTL_ANSWER_OK)
        show(report, !is_seen);
    else if (answer == CTL_ANSWER_UNREACHABLE)
        fputs("Does it run? \"systemctl status siprecd\" and its log say.\n", stderr);
    json_decref(report);
    free(path);
    free(call_id);
    free(firewall);
    return answer;
}
