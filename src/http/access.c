/* access: the Host and Content-Type rules.
 * Not here: answering.
 * RFC 9110 §7.2, §8.3. */
#include "http/access.h"

#include "base/addr.h"

static bool is_port(struct view v)
{
    for (size_t i = 0; i < v.len; i++) {
        if (v.at[i] < '0' || v.at[i] > '9')
            return false;
    }
    return v.len <= 5;
}

/* uri-host [ ":" port ]: cuts the port off; false when there is something else behind. */
static bool cut_port(struct view host, struct view *name)
{
    size_t end = view_find_char(host, ':');
    if (host.len > 0 && host.at[0] == '[') {
        end = view_find_char(host, ']') + 1;
        if (end > host.len)
            return false;
    }
    *name = view_take(host, end);
    host = view_skip(host, end);
    return host.len == 0 || (host.at[0] == ':' && is_port(view_skip(host, 1)));
}

bool http_access_host(struct view host, struct view hostnames)
{
    struct view name, rest = hostnames;
    struct addr addr;
    if (!cut_port(view_trim(host), &name) || name.len == 0)
        return false;
    if (name.at[0] == '[')
        return addr_parse_ip(name, &addr) && addr.family == ADDR_V6;
    if (addr_parse_ip(name, &addr))
        return addr.family == ADDR_V4;
    if (view_equal_nocase(name, VIEW_LIT("localhost")))
        return true;
    while (rest.len > 0) {
        size_t n = 0;
        while (n < rest.len && rest.at[n] != ',' && rest.at[n] != ' ' && rest.at[n] != '\t')
            n++;
        if (n > 0 && view_equal_nocase(view_take(rest, n), name))
            return true;
        rest = view_skip(rest, n + 1);
    }
    return false;
}

bool http_access_json(struct view content_type)
{
    struct view type = view_take(content_type, view_find_char(content_type, ';'));
    return view_equal_nocase(view_trim(type), VIEW_LIT("application/json"));
}
