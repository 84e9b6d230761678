/* show_nat: what is known of siprecd's network, as a report that is read at a glance.
 * Not here: asking.
 * RFC 4787 (the words for NATs). */
#include "tools/siprecctl/show_nat.h"

#include <stdarg.h>
#include <string.h>

#include "tools/siprecctl/show.h"

#define LABEL_WIDTH 11

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* Words of ours and texts of others', which cannot command the terminal. NULL ends them. */
static void put(FILE *out, ...) __attribute__((sentinel));
static void put(FILE *out, ...)
{
    const char *text;
    va_list texts;
    va_start(texts, out);
    while ((text = va_arg(texts, const char *)))
        ctl_show_text(out, text);
    va_end(texts);
}

static const char *or_dash(const char *text)
{
    return text && *text ? text : "-";
}

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void put_label(FILE *out, const char *label)
{
    ctl_show_cell(out, label, LABEL_WIDTH);
}

static const char *source_words(const char *source)
{
    static const char *const words[][2] = {{"setting", "by nat.external_ip"},
                                           {"metadata", "by the cloud's metadata"},
                                           {"stun", "by STUN"},
                                           {"gateway", "by the gateway"},
                                           {"service", "by a service on the web"}};
    for (size_t i = 0; source && i < sizeof words / sizeof *words; i++) {
        if (strcmp(source, words[i][0]) == 0)
            return words[i][1];
    }
    return "";
}

static void show_state(FILE *out, const json_t *nat)
{
    const char *state = text_of(nat, "state");
    const char *cloud = text_of(nat, "cloud");
    put_label(out, "Network");
    if (state && strcmp(state, "settling") == 0)
        fprintf(out, "being found out; calls wait for it, three seconds at most");
    else if (state && strcmp(state, "changed") == 0)
        fprintf(out, "has changed; what that means is being found out");
    else if (state && strcmp(state, "offline") == 0)
        fprintf(out, "OFFLINE: no interface has an address");
    else
        put(out, state ? state : "unknown", NULL);
    put(out, cloud ? ", in the cloud of " : "", cloud ? cloud : "", NULL);
    fputc('\n', out);
}

static void show_interfaces(FILE *out, const json_t *nat)
{
    const json_t *link, *address;
    const char *label = "Ours";
    size_t i, k;
    json_array_foreach(json_object_get(nat, "interfaces"), i, link)
    {
        const json_t *addresses = json_object_get(link, "addresses");
        const char *kind = text_of(link, "kind");
        if (!json_is_true(json_object_get(link, "up")) || json_array_size(addresses) == 0)
            continue;
        put_label(out, label);
        label = "";
        json_array_foreach(addresses, k, address)
            put(out, k > 0 ? ", " : "", or_dash(json_string_value(address)), NULL);
        put(out, " on ", or_dash(text_of(link, "name")), NULL);
        if (kind)
            put(out, " (", kind, ")", NULL);
        fprintf(out, "%s\n",
                json_is_true(json_object_get(link, "default")) ? ", the way to the world" : "");
    }
}

static void show_external(FILE *out, const json_t *nat)
{
    const json_t *list = json_object_get(nat, "external");
    const json_t *one;
    const char *label = "Outside";
    size_t i;
    json_array_foreach(list, i, one)
    {
        put_label(out, label);
        label = "";
        put(out, or_dash(text_of(one, "address")), " ", source_words(text_of(one, "source")), NULL);
        fprintf(out, ", %lld s ago\n", number_of(one, "age_s"));
    }
    if (json_array_size(list) == 0) {
        put_label(out, label);
        fprintf(out, "nobody has told: SRCs are given our own address\n");
    }
}

/* RFC 4787's words, and what they mean for a recorder. */
static const char *mapping_words(const char *mapping)
{
    static const char *const words[][2] = {
        {"none", "translates nothing"},
        {"endpoint-independent", "one port outside for all destinations"},
        {"address-dependent", "another port outside for each address"},
        {"address-and-port-dependent", "another port outside for each destination (symmetric)"},
        {"endpoint-dependent", "another port outside for other destinations (symmetric)"}};
    for (size_t i = 0; mapping && i < sizeof words / sizeof *words; i++) {
        if (strcmp(mapping, words[i][0]) == 0)
            return words[i][1];
    }
    return NULL;
}

static const char *filtering_words(const char *filtering)
{
    static const char *const words[][2] = {
        {"endpoint-independent", "lets anybody in"},
        {"address-dependent", "lets in the addresses we sent to"},
        {"address-and-port-dependent", "lets in the very ports we sent to"}};
    for (size_t i = 0; filtering && i < sizeof words / sizeof *words; i++) {
        if (strcmp(filtering, words[i][0]) == 0)
            return words[i][1];
    }
    return NULL;
}

static void show_family(FILE *out, const char *label, const json_t *family)
{
    const json_t *behind = json_object_get(family, "behind_nat");
    const char *mapping = text_of(family, "mapping"), *filtering = text_of(family, "filtering");
    const json_t *hairpin = json_object_get(family, "hairpin");
    long long levels = number_of(family, "levels"), lifetime = number_of(family, "lifetime_s"),
              forgotten = number_of(family, "forgotten_s");
    put_label(out, label);
    if (!json_is_boolean(behind))
        fprintf(out, "not known whether there is one\n");
    else if (json_is_false(behind))
        fprintf(out, "none\n");
    else
        fprintf(out, "%s\n", levels > 1 ? "two or more, one behind the other" : "yes");
    if (mapping_words(mapping))
        fprintf(out, "%*s%s (%s mapping)\n", LABEL_WIDTH, "", mapping_words(mapping), mapping);
    if (filtering_words(filtering))
        fprintf(out, "%*s%s (%s filtering)\n", LABEL_WIDTH, "", filtering_words(filtering),
                filtering);
    if (lifetime > 0)
        fprintf(out, "%*sa silent mapping lives for %lld s at least\n", LABEL_WIDTH, "", lifetime);
    if (forgotten > 0)
        fprintf(out, "%*sforgets what a call keeps open after %lld s without a packet of ours\n",
                LABEL_WIDTH, "", forgotten);
    if (json_is_boolean(hairpin) && json_is_true(behind))
        fprintf(out, "%*s%s\n", LABEL_WIDTH, "",
                json_is_true(hairpin) ? "reaches us from inside, too (hairpin)"
                                      : "does not lead back inside (no hairpin)");
}

static void show_gateway(FILE *out, const json_t *map)
{
    const char *protocol = text_of(map, "protocol"), *outside = text_of(map, "external");
    fprintf(out, "%lld of %lld ports mapped", number_of(map, "mapped"), number_of(map, "wanted"));
    if (protocol)
        put(out, " by ", protocol, NULL);
    put(out, " at ", text_of(map, "gateway") ? text_of(map, "gateway") : "no gateway", NULL);
    put(out, outside ? ", outside " : "", outside ? outside : "", NULL);
    fputc('\n', out);
}

static void show_portmap(FILE *out, const json_t *nat)
{
    const json_t *map = json_object_get(nat, "portmap");
    const json_t *holes = json_object_get(json_object_get(nat, "ipv6"), "portmap");
    put_label(out, "Mappings");
    if (json_is_object(map))
        show_gateway(out, map);
    else
        fprintf(out, "none needed, or switched off\n");
    if (json_is_object(holes) && text_of(holes, "protocol")) {
        put_label(out, "Pinholes");
        show_gateway(out, holes);
    }
}

static void show_servers(FILE *out, const json_t *nat)
{
    const json_t *server;
    const char *label = "STUN";
    size_t i;
    json_array_foreach(json_object_get(nat, "stun_servers"), i, server)
    {
        const json_t *rtt = json_object_get(server, "rtt_ms");
        put_label(out, label);
        label = "";
        put(out, or_dash(text_of(server, "server")), " ", NULL);
        if (!json_is_true(json_object_get(server, "answers")))
            fprintf(out, "does not answer\n");
        else
            fprintf(out, "answers in %lld ms\n", (long long)json_integer_value(rtt));
    }
    if (*label) {
        put_label(out, label);
        fprintf(out, "no servers\n");
    }
    label = "Not found";
    json_array_foreach(json_object_get(nat, "names_not_found"), i, server)
    {
        put_label(out, label);
        label = "";
        put(out, or_dash(json_string_value(server)), ", a name that leads nowhere", NULL);
        fputc('\n', out);
    }
}

static void show_relays(FILE *out, const json_t *nat)
{
    const json_t *relay;
    const char *label = "Relays";
    size_t i;
    json_array_foreach(json_object_get(nat, "relays"), i, relay)
    {
        const char *server = text_of(relay, "server"), *transport = text_of(relay, "transport");
        const char *state = text_of(relay, "state");
        put_label(out, label);
        label = "";
        put(out, or_dash(server), transport ? " over " : "", transport ? transport : "",
            state ? ": " : "", state ? state : "", NULL);
        fputc('\n', out);
    }
    if (*label) {
        put_label(out, label);
        fprintf(out, "none\n");
    }
}

static void show_registrations(FILE *out, const json_t *nat)
{
    const json_t *one;
    const char *label = "Registered";
    size_t i;
    json_array_foreach(json_object_get(nat, "registrations"), i, one)
    {
        const char *transport = text_of(one, "transport"), *proxy = text_of(one, "proxy");
        const char *state = text_of(one, "state"), *why = text_of(one, "why");
        bool stands = state && strcmp(state, "registered") == 0;
        put_label(out, label);
        label = "";
        put(out, or_dash(text_of(one, "uri")), ": ", stands ? "yes" : "no", NULL);
        if (stands && transport)
            put(out, ", over ", transport, NULL);
        if (stands && proxy)
            put(out, " through the proxy ", proxy, NULL);
        if (!stands && why && *why)
            put(out, ", ", why, NULL);
        fputc('\n', out);
    }
}

static void show_problems(FILE *out, const json_t *nat)
{
    const json_t *list = json_object_get(nat, "problems");
    const json_t *problem;
    size_t i;
    if (json_array_size(list) == 0) {
        put_label(out, "Problems");
        fprintf(out, "none\n");
        return;
    }
    fprintf(out, "Problems\n");
    json_array_foreach(list, i, problem)
    {
        put(out, "  ", or_dash(text_of(problem, "code")), ": ", or_dash(text_of(problem, "text")),
            NULL);
        fputc('\n', out);
        put(out, "    ", or_dash(text_of(problem, "cure")), NULL);
        fputc('\n', out);
    }
}

void ctl_show_nat(FILE *out, const json_t *nat)
{
    const json_t *stock = json_object_get(nat, "stock");
    show_state(out, nat);
    show_interfaces(out, nat);
    show_external(out, nat);
    show_family(out, "NAT", nat);
    if (json_is_object(json_object_get(nat, "ipv6")))
        show_family(out, "NAT (IPv6)", json_object_get(nat, "ipv6"));
    show_portmap(out, nat);
    show_servers(out, nat);
    show_relays(out, nat);
    show_registrations(out, nat);
    put_label(out, "Ports");
    fprintf(out, "%lld ready, %lld in use\n", number_of(stock, "ready"),
            number_of(stock, "streams"));
    show_problems(out, nat);
}
