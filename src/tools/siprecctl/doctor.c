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

/* The ruleset of the host that we run on; NULL: it may not be read, or there is no nft. */
static json_t *read_ruleset(void)
{
    FILE *nft = popen("PATH=\"$PATH:/usr/sbin:/sbin\" nft -j list ruleset 2>/dev/null", "r");
    json_t *ruleset = nft ? json_loadf(nft, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    /* Without the right to see it nft prints nothing, or fails. */
    if (nft && pclose(nft) != 0) {
        json_decref(ruleset);
        return NULL;
    }
    return ruleset;
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

/* For a datagram as the SRC would send it to any of the call's ports. A wildcard stands for the
 * address that was advertised, of which nothing in a ruleset for this host can be known behind a
 * NAT. */
static enum path_answer is_closed(const json_t *ruleset, const json_t *recording)
{
    size_t i;
    const json_t *stream;
    enum path_answer result = PATH_NO;
    json_array_foreach(json_object_get(recording, "streams"), i, stream)
    {
        struct ctl_datagram d = {.from = addr_in(stream, "offered"),
                                 .to = addr_in(stream, "bound")};
        if (!addr_is_set(&d.from) || !addr_is_set(&d.to))
            continue;
        enum path_answer drops = ctl_ruleset_drops(ruleset, &d);
        if (drops == PATH_YES)
            return PATH_YES;
        if (drops == PATH_UNKNOWN)
            result = PATH_UNKNOWN;
    }
    return result;
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

static enum ctl_answer look_at_firewall(struct ctl_client *client,
                                        const struct ctl_options *options, const char **word)
{
    json_t *ruleset = is_of_this_host(options->url) ? read_ruleset() : NULL;
    json_t *page = NULL;
    enum ctl_answer answer = CTL_ANSWER_OK;
    *word = "unknown";
    if (ruleset) {
        char *path = recording_path(client, options);
        answer = path ? ctl_client_request(client, "GET", path, &page) : CTL_ANSWER_BAD;
        free(path);
    }
    if (answer == CTL_ANSWER_OK && ruleset) {
        static const char *const words[] = {
            [PATH_UNKNOWN] = "unknown", [PATH_YES] = "closed", [PATH_NO] = "open"};
        *word = words[is_closed(ruleset, json_array_get(json_object_get(page, "recordings"), 0))];
    }
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

static void put_line(const char *before, const char *text)
{
    fputs(before, stdout);
    ctl_show_text(stdout, text);
    fputc('\n', stdout);
}

static void show_finding(const json_t *finding, bool is_alone)
{
    /* What is certain and alone has been said. */
    if (!is_alone) {
        printf("\n%s: ", text_in(finding, "certainty"));
        put_line("", text_in(finding, "text"));
    }
    put_line("  ", text_in(finding, "cure"));
}

static void show(const json_t *report, const char *firewall)
{
    const json_t *findings = json_object_get(report, "findings");
    const char *call_id = text_in(report, "call_id"), *decide = text_in(report, "decide");
    bool is_alone = json_array_size(findings) == 1 &&
                    strcmp(text_in(json_array_get(findings, 0), "certainty"), "certain") == 0;
    size_t i;
    const json_t *finding;
    if (*call_id)
        put_line("Call ", call_id);
    put_line("", text_in(report, "verdict"));
    json_array_foreach(findings, i, finding)
    {
        show_finding(finding, is_alone);
    }
    if (*decide)
        put_line("\nWhat decides: ", decide);
    if (strcmp(firewall, "unknown") == 0 && json_is_false(json_object_get(report, "healthy")))
        puts("\nThe firewall of siprecd's host was not looked at: run this there as root.");
}

enum ctl_answer ctl_doctor(struct ctl_client *client, const struct ctl_options *options,
                           bool *is_healthy)
{
    const char *firewall;
    enum ctl_answer answer = look_at_firewall(client, options, &firewall);
    char *call_id = options->call_id ? ctl_client_escape(client, options->call_id) : NULL;
    char *path = NULL;
    json_t *report = NULL;
    if (asprintf(&path, "/v1/doctor?firewall=%s%s%s", firewall, call_id ? "&call_id=" : "",
                 call_id ? call_id : "") < 0)
        path = NULL;
    if (answer == CTL_ANSWER_OK)
        answer = path ? ctl_client_request(client, "GET", path, &report) : CTL_ANSWER_BAD;
    *is_healthy = json_is_true(json_object_get(report, "healthy"));
    if (answer == CTL_ANSWER_OK && options->json) {
        ctl_show_json(stdout, report);
    } else if (answer == CTL_ANSWER_OK) {
        show(report, firewall);
    }
    json_decref(report);
    free(path);
    free(call_id);
    return answer;
}
