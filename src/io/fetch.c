/* fetch: one small HTTP request and its small answer.
 * Not here: threads (it waits), what the answer means.
 * RFC 9110, by libcurl. */
#include "io/fetch.h"

#include <curl/curl.h>
#include <string.h>

void io_fetch_prepare(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t fetch_take(char *bytes, size_t size, size_t count, void *context)
{
    struct io_fetch_answer *answer = context;
    size_t len = size * count;
    if (len > IO_FETCH_BODY_MAX - answer->len)
        return 0; /* libcurl ends the transfer */
    memcpy(answer->body + answer->len, bytes, len);
    answer->len += len;
    answer->body[answer->len] = '\0';
    return len;
}

static void fetch_set(CURL *curl, const struct io_fetch_request *request,
                      struct io_fetch_answer *answer)
{
    (void)curl_easy_setopt(curl, CURLOPT_URL, request->url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "siprecd/" SIPRECD_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, request->proxy ? request->proxy : "");
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, fetch_take);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (request->method)
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    /* Through a proxy our family is the one towards the proxy. */
    if (request->family != ADDR_NONE && !request->proxy)
        (void)curl_easy_setopt(curl, CURLOPT_IPRESOLVE,
                               request->family == ADDR_V6 ? (long)CURL_IPRESOLVE_V6
                                                          : (long)CURL_IPRESOLVE_V4);
}

bool io_fetch(const struct io_fetch_request *request, struct io_fetch_answer *answer)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = NULL;
    CURLcode result;
    answer->status = 0;
    answer->len = 0;
    answer->body[0] = answer->why[0] = '\0';
    if (!curl)
        return false;
    fetch_set(curl, request, answer);
    for (size_t i = 0; i < sizeof request->headers / sizeof *request->headers; i++) {
        if (request->headers[i])
            headers = curl_slist_append(headers, request->headers[i]);
    }
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    result = curl_easy_perform(curl);
    if (result == CURLE_OK)
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    else
        (void)view_copy(view_of_string(curl_easy_strerror(result)), answer->why,
                        sizeof answer->why);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return result == CURLE_OK;
}
