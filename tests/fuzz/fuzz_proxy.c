/* Fuzz target: what HTTP proxies answer to CONNECT, and URLs of proxies. */
#include "io/proxy.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* However it comes in pieces, the answer ends at the same place and says the same. */
static void read_answer(struct view bytes)
{
    size_t len = 0, shorter = 0;
    unsigned status = 0, early = 0;
    enum io_proxy_answer answer = io_proxy_read(bytes, &len, &status);
    assert(len <= bytes.len);
    if (answer != IO_PROXY_GRANTED && answer != IO_PROXY_REFUSED)
        return;
    assert(status >= 200 && (status < 300) == (answer == IO_PROXY_GRANTED));
    assert(io_proxy_read(view_take(bytes, len), &shorter, &early) == answer);
    assert(shorter == len && early == status);
    assert(io_proxy_read(view_take(bytes, len - 1), &shorter, &early) != answer);
}

/* What CONNECT says of it is one request, with no line more than it should have. */
static void read_url(struct view url)
{
    char out[2048];
    struct writer w = writer_of(out, sizeof out);
    struct io_proxy proxy;
    size_t lines = 0;
    if (!io_proxy_parse(url, &proxy))
        return;
    assert(proxy.host[0] != '\0' && proxy.port != 0);
    assert(memchr(proxy.authorization, '\0', sizeof proxy.authorization));
    io_proxy_print(&w, &proxy, VIEW_LIT("host:443"));
    assert(!w.failed);
    for (size_t i = 0; i < w.len; i++)
        lines += out[i] == '\n';
    assert(lines == (proxy.authorization[0] ? 4 : 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view bytes = view_of(data, size);
    read_answer(bytes);
    read_url(bytes);
    return 0;
}
