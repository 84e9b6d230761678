/* client: one request, one answer.
 * Not here: pages.
 * RFC 9110, RFC 9457. */
#include "tools/siprecctl/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/siprecctl/show.h"

/* A page of a thousand recordings is some megabytes. */
#define ANSWER_MAX (256 * 1024 * 1024)

struct ctl_client {
    CURL *curl;
    const char *url;
    struct curl_slist *fields;
    char *answer;
    size_t len;
    char error[CURL_ERROR_SIZE];
};

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct ctl_client *client = context;
    size_t n = size * count;
    char *more = client->len + n < ANSWER_MAX ? realloc(client->answer, client->len + n + 1) : NULL;
    if (!more)
        return 0;
    memcpy(more + client->len, bytes, n);
    client->answer = more;
    client->len += n;
    return n;
}

struct ctl_client *ctl_client_create(const char *url)
{
    struct ctl_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->url = url;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(client->curl = curl_easy_init())) {
        free(client);
        return NULL;
    }
    client->fields = curl_slist_append(NULL, "Content-Type: application/json");
    return client;
}

void ctl_client_destroy(struct ctl_client *client)
{
    if (!client)
        return;
    curl_slist_free_all(client->fields);
    curl_easy_cleanup(client->curl);
    curl_global_cleanup();
    free(client->answer);
    free(client);
}

char *ctl_client_escape(struct ctl_client *client, const char *text)
{
    char *escaped = curl_easy_escape(client->curl, text, 0);
    char *copy = escaped ? strdup(escaped) : NULL;
    curl_free(escaped);
    return copy;
}

/* A proxy of the environment would not find this host's own loopback. */
static const char *no_proxy(void)
{
    static char list[1024];
    const char *have = getenv("no_proxy");
    snprintf(list, sizeof list, "localhost,127.0.0.1,::1%s%s", have && *have ? "," : "",
             have ? have : "");
    return list;
}

static CURLcode perform(struct ctl_client *client, const char *method, const char *url)
{
    CURL *curl = client->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, no_proxy());
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "siprecctl/" SIPRECD_VERSION);
    if (strcmp(method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, strcmp(method, "POST") == 0 ? "{}" : "");
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->fields);
    }
    free(client->answer);
    client->answer = NULL;
    client->len = 0;
    client->error[0] = '\0';
    return curl_easy_perform(curl);
}

static enum ctl_answer refused(long status, const json_t *problem)
{
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *title = json_string_value(json_object_get(problem, "title"));
    if (!title && !detail) {
        fprintf(stderr, "siprecctl: status %ld, and no reason: is that siprecd?\n", status);
        return CTL_ANSWER_UNREACHABLE;
    }
    fputs("siprecctl: ", stderr);
    ctl_show_text(stderr, detail ? detail : title);
    fputc('\n', stderr);
    return CTL_ANSWER_BAD;
}

enum ctl_answer ctl_client_request(struct ctl_client *client, const char *method, const char *path,
                                   json_t **body)
{
    long status = 0;
    size_t size = strlen(client->url) + strlen(path) + 1;
    char *url = malloc(size);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    *body = NULL;
    if (url) {
        snprintf(url, size, "%s%s", client->url, path);
        code = perform(client, method, url);
    }
    free(url);
    if (code != CURLE_OK) {
        fprintf(stderr, "siprecctl: cannot reach siprecd at %s: %s\n", client->url,
                client->error[0] ? client->error : curl_easy_strerror(code));
        return CTL_ANSWER_UNREACHABLE;
    }
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *json =
        client->len ? json_loadb(client->answer, client->len, JSON_ALLOW_NUL, NULL) : NULL;
    if (status / 100 != 2) {
        enum ctl_answer answer = refused(status, json);
        json_decref(json);
        return answer;
    }
    if (client->len > 0 && !json) {
        fprintf(stderr, "siprecctl: what answers at %s is not siprecd\n", client->url);
        return CTL_ANSWER_UNREACHABLE;
    }
    *body = json;
    return CTL_ANSWER_OK;
}
