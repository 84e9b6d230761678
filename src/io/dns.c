/* dns: where a SIP URI leads: NAPTR, SRV and addresses, without waiting in one place.
 * Not here: names of STUN and TURN servers (resolve.h), connecting.
 * RFC 3263 §4, RFC 2782 (order of SRV records). */
#include "io/dns.h"

#include <ares.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

#include "base/writer.h"
#include "io/sockaddr.h"

enum {
    DNS_SEARCHES_MAX = 8,
    DNS_SOCKETS_MAX = 16,
    DNS_SERVICES_MAX = 8,
    DNS_TARGETS_MAX = 16,
    DNS_NAME_SIZE = 256,
    DNS_TIMEOUT_MS = 1500, /* of one query to one server; tried twice */
    DNS_CLASS_IN = 1,
    DNS_TYPE_SRV = 33,
    DNS_TYPE_NAPTR = 35,
};

static const int64_t dns_limit_ns = 10 * NS_PER_S;

/* A name to ask for SRV records. */
struct dns_service {
    char name[DNS_NAME_SIZE];
    enum io_dns_protocol protocol;
};

/* A host to ask for addresses. */
struct dns_target {
    char host[DNS_NAME_SIZE];
    enum io_dns_protocol protocol;
    uint16_t port;
    unsigned rank;
};

struct dns_search {
    struct io_dns *dns;
    uint64_t id; /* 0: free */
    ares_channel channel;
    int sockets[DNS_SOCKETS_MAX];
    char host[DNS_NAME_SIZE];
    bool secure;
    struct tick until;
    struct dns_service services[DNS_SERVICES_MAX];
    size_t services_count, services_next;
    struct dns_target targets[DNS_TARGETS_MAX];
    size_t targets_count, targets_next;
    unsigned rank;                 /* of the targets that are being added */
    enum io_dns_protocol protocol; /* where no record says which */
    struct io_dns_answer answer;
    bool step; /* the last query ended: the next is due */
    bool done;
};

struct io_dns {
    struct io_loop *loop;
    uint8_t tag;
    char *servers;
    struct rng rng;
    uint64_t last_id;
    struct dns_search searches[DNS_SEARCHES_MAX];
};

static uint16_t dns_standard_port(enum io_dns_protocol protocol)
{
    return protocol == IO_DNS_TLS ? 5061 : 5060;
}

/* ---- sockets of c-ares ---------------------------------------------------------------------- */

static uint64_t dns_token(const struct dns_search *search, int fd)
{
    return (uint64_t)search->dns->tag << 56 | (uint64_t)(search - search->dns->searches) << 32 |
           (uint32_t)fd;
}

static void dns_watch(void *context, ares_socket_t fd, int readable, int writable)
{
    struct dns_search *search = context;
    uint32_t what = (readable ? IO_READ : 0u) | (writable ? IO_WRITE : 0u);
    int free_slot = -1;
    for (int i = 0; i < DNS_SOCKETS_MAX; i++) {
        if (search->sockets[i] == fd && what == 0) {
            io_loop_remove(search->dns->loop, fd);
            search->sockets[i] = -1;
            return;
        }
        if (search->sockets[i] == fd) {
            io_loop_change(search->dns->loop, fd, what, dns_token(search, fd));
            return;
        }
        if (search->sockets[i] < 0)
            free_slot = i;
    }
    /* One too many is not heard; its query times out. */
    if (what != 0 && free_slot >= 0 &&
        io_loop_add(search->dns->loop, fd, what, dns_token(search, fd)) == 0)
        search->sockets[free_slot] = fd;
}

/* ---- what was found ------------------------------------------------------------------------- */

static void dns_add_place(struct dns_search *search, enum io_dns_protocol protocol,
                          const struct addr *addr, unsigned rank)
{
    struct io_dns_answer *answer = &search->answer;
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->list[i].protocol == protocol && addr_equal(&answer->list[i].addr, addr))
            return;
    }
    if (answer->count < IO_DNS_PLACES_MAX)
        answer->list[answer->count++] = (struct io_dns_place){protocol, *addr, rank};
}

static void dns_add_target(struct dns_search *search, const char *host,
                           enum io_dns_protocol protocol, uint16_t port)
{
    struct dns_target *target = &search->targets[search->targets_count];
    if (search->targets_count == DNS_TARGETS_MAX ||
        !view_copy(view_of_string(host), target->host, sizeof target->host))
        return;
    target->protocol = protocol;
    target->port = port;
    target->rank = search->rank;
    search->targets_count++;
}

static void dns_add_service(struct dns_search *search, const char *prefix, const char *name,
                            enum io_dns_protocol protocol)
{
    struct dns_service *service = &search->services[search->services_count];
    struct writer writer;
    if (search->services_count == DNS_SERVICES_MAX)
        return;
    writer = writer_of(service->name, sizeof service->name - 1);
    writer_string(&writer, prefix);
    writer_string(&writer, name);
    if (writer.failed)
        return;
    service->name[writer.len] = '\0';
    service->protocol = protocol;
    search->services_count++;
}

static void dns_take_addresses(void *context, int status, int timeouts, struct ares_addrinfo *info)
{
    struct dns_search *search = context;
    const struct dns_target *target = &search->targets[search->targets_next - 1];
    (void)timeouts;
    search->step = true;
    if (status != ARES_SUCCESS)
        return;
    for (struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        struct addr addr;
        if (node->ai_family != AF_INET && node->ai_family != AF_INET6)
            continue;
        addr = addr_with_port(io_sockaddr_to(node->ai_addr), target->port);
        dns_add_place(search, target->protocol, &addr, target->rank);
    }
    ares_freeaddrinfo(info);
}

/* RFC 2782: by priority, and among equals drawn by weight. Cuts the next record out of the list. */
static struct ares_srv_reply *dns_draw(struct rng *rng, struct ares_srv_reply **list)
{
    struct ares_srv_reply **best = NULL, **at, *drawn;
    uint32_t sum = 0, sought;
    unsigned least = UINT16_MAX;
    for (at = list; *at; at = &(*at)->next)
        least = (*at)->priority < least ? (*at)->priority : least;
    for (at = list; *at; at = &(*at)->next)
        sum += (*at)->priority == least ? (*at)->weight : 0u;
    sought = rng_below(rng, sum + 1);
    for (at = list, sum = 0; *at && !best; at = &(*at)->next) {
        if ((*at)->priority != least)
            continue;
        sum += (*at)->weight;
        best = sum >= sought ? at : NULL;
    }
    assert(best); /* the last of them brings the sum to what may be sought */
    drawn = *best;
    *best = drawn->next;
    return drawn;
}

static void dns_take_srv(void *context, int status, int timeouts, unsigned char *bytes, int len)
{
    struct dns_search *search = context;
    enum io_dns_protocol protocol = search->services[search->services_next - 1].protocol;
    struct ares_srv_reply *all = NULL, *kept = NULL;
    (void)timeouts;
    search->step = true;
    search->rank++; /* another protocol than the service before */
    if (status != ARES_SUCCESS || ares_parse_srv_reply(bytes, len, &all) != ARES_SUCCESS)
        return;
    while (all) {
        struct ares_srv_reply *one = dns_draw(&search->dns->rng, &all);
        search->rank += kept && kept->priority != one->priority;
        /* A target of "." says that there is no such service. */
        if (one->host[0] != '\0' && strcmp(one->host, ".") != 0)
            dns_add_target(search, one->host, protocol, one->port);
        one->next = kept;
        kept = one;
    }
    ares_free_data(kept);
}

/* RFC 3263 §4.1: the services that we know. */
static bool dns_naptr_service(const struct ares_naptr_reply *record, bool secure,
                              enum io_dns_protocol *protocol)
{
    const char *service = (const char *)record->service;
    if (strcasecmp((const char *)record->flags, "s") != 0)
        return false;
    if (strcasecmp(service, "SIPS+D2T") == 0)
        *protocol = IO_DNS_TLS;
    else if (!secure && strcasecmp(service, "SIP+D2T") == 0)
        *protocol = IO_DNS_TCP;
    else if (!secure && strcasecmp(service, "SIP+D2U") == 0)
        *protocol = IO_DNS_UDP;
    else
        return false;
    return true;
}

static void dns_take_naptr(void *context, int status, int timeouts, unsigned char *bytes, int len)
{
    struct dns_search *search = context;
    struct ares_naptr_reply *all = NULL;
    uint32_t last = 0;
    (void)timeouts;
    search->step = true;
    if (status == ARES_SUCCESS && ares_parse_naptr_reply(bytes, len, &all) == ARES_SUCCESS) {
        /* By order, then preference: each round takes the least that is more than the last. */
        for (bool more = true; more;) {
            uint32_t least = UINT32_MAX;
            for (struct ares_naptr_reply *one = all; one; one = one->next) {
                uint32_t rank = ((uint32_t)one->order << 16 | one->preference);
                least = rank >= last && rank < least ? rank : least;
            }
            more = least != UINT32_MAX;
            for (struct ares_naptr_reply *one = all; one && more; one = one->next) {
                enum io_dns_protocol protocol;
                if (((uint32_t)one->order << 16 | one->preference) == least &&
                    dns_naptr_service(one, search->secure, &protocol))
                    dns_add_service(search, "", one->replacement, protocol);
            }
            last = least + 1;
        }
        ares_free_data(all);
    }
    if (search->services_count > 0)
        return;
    /* §4.1: no NAPTR: each protocol's SRV in turn, the one we like best first. */
    dns_add_service(search, "_sips._tcp.", search->host, IO_DNS_TLS);
    if (!search->secure) {
        dns_add_service(search, "_sip._tcp.", search->host, IO_DNS_TCP);
        dns_add_service(search, "_sip._udp.", search->host, IO_DNS_UDP);
    }
}

/* ---- step by step --------------------------------------------------------------------------- */

static void dns_step(struct dns_search *search)
{
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    /* Answers that are at hand come from inside the call: hence a loop and no recursion. */
    while (search->step && !search->done) {
        search->step = false;
        if (search->services_next < search->services_count) {
            const struct dns_service *service = &search->services[search->services_next++];
            ares_query(search->channel, service->name, DNS_CLASS_IN, DNS_TYPE_SRV, dns_take_srv,
                       search);
            continue;
        }
        /* §4.2: no SRV either: the name itself. */
        if (search->targets_count == 0)
            dns_add_target(search, search->host, search->protocol,
                           dns_standard_port(search->protocol));
        if (search->targets_next < search->targets_count &&
            search->answer.count < IO_DNS_PLACES_MAX) {
            const struct dns_target *target = &search->targets[search->targets_next++];
            ares_getaddrinfo(search->channel, target->host, NULL, &hints, dns_take_addresses,
                             search);
            continue;
        }
        search->done = true;
    }
}

static bool dns_open(struct dns_search *search)
{
    struct ares_options options = {.timeout = DNS_TIMEOUT_MS,
                                   .tries = 2,
                                   .sock_state_cb = dns_watch,
                                   .sock_state_cb_data = search};
    if (ares_init_options(&search->channel, &options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) !=
        ARES_SUCCESS)
        return false;
    if (!search->dns->servers ||
        ares_set_servers_ports_csv(search->channel, search->dns->servers) == ARES_SUCCESS)
        return true;
    ares_destroy(search->channel);
    return false;
}

static void dns_free(struct dns_search *search)
{
    /* Not from inside its callbacks: c-ares calls those that are out with ARES_EDESTRUCTION. */
    if (search->channel)
        ares_destroy(search->channel);
    *search = (struct dns_search){.dns = search->dns};
}

/* §4.1, 4.2: what is known without asking, and the first question. */
static void dns_begin(struct dns_search *search, const struct io_dns_question *question)
{
    static const char *const prefixes[] = {"_sip._udp.", "_sip._tcp.", "_sips._tcp."};
    struct addr literal;
    search->protocol = question->protocol_given ? question->protocol
                       : question->secure       ? IO_DNS_TLS
                                                : IO_DNS_UDP;
    if (addr_parse_ip(view_of_string(question->host), &literal)) {
        literal.port = question->port ? question->port : dns_standard_port(search->protocol);
        dns_add_place(search, search->protocol, &literal, 0);
        search->done = true;
        return;
    }
    if (!dns_open(search)) {
        search->channel = NULL;
        search->done = true;
        return;
    }
    if (question->port != 0) {
        dns_add_target(search, search->host, search->protocol, question->port);
        search->step = true;
    } else if (question->protocol_given) {
        dns_add_service(search, prefixes[search->protocol], search->host, search->protocol);
        search->step = true;
    } else {
        ares_query(search->channel, search->host, DNS_CLASS_IN, DNS_TYPE_NAPTR, dns_take_naptr,
                   search);
    }
    dns_step(search);
}

uint64_t io_dns_ask(struct io_dns *dns, struct tick now, const struct io_dns_question *question)
{
    for (size_t i = 0; i < DNS_SEARCHES_MAX; i++) {
        struct dns_search *search = &dns->searches[i];
        if (search->id != 0)
            continue;
        if (!view_copy(view_of_string(question->host), search->host, sizeof search->host))
            return 0;
        search->id = ++dns->last_id;
        search->answer.id = search->id;
        search->secure = question->secure;
        search->until = tick_add_ns(now, dns_limit_ns);
        for (size_t s = 0; s < DNS_SOCKETS_MAX; s++)
            search->sockets[s] = -1;
        dns_begin(search, question);
        return search->id;
    }
    return 0;
}

void io_dns_ready(struct io_dns *dns, struct tick now, const struct io_ready *ready)
{
    struct dns_search *search = &dns->searches[ready->token >> 32 & (DNS_SEARCHES_MAX - 1)];
    int fd = (int)(uint32_t)ready->token;
    bool ours = false;
    (void)now;
    /* What was ready before the last one's callbacks may be closed by now. */
    for (size_t i = 0; i < DNS_SOCKETS_MAX; i++)
        ours = ours || search->sockets[i] == fd;
    if (search->id == 0 || !search->channel || !ours)
        return;
    ares_process_fd(search->channel,
                    (ready->what & (IO_READ | IO_FAIL)) != 0 ? fd : ARES_SOCKET_BAD,
                    (ready->what & IO_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    dns_step(search);
}

void io_dns_expire(struct io_dns *dns, struct tick now)
{
    for (size_t i = 0; i < DNS_SEARCHES_MAX; i++) {
        struct dns_search *search = &dns->searches[i];
        if (search->id == 0 || search->done)
            continue;
        ares_process_fd(search->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* its timeouts */
        dns_step(search);
        search->done = search->done || tick_due(search->until, now);
    }
}

struct tick io_dns_deadline(const struct io_dns *dns, struct tick now)
{
    struct tick deadline = TICK_NEVER;
    for (size_t i = 0; i < DNS_SEARCHES_MAX; i++) {
        const struct dns_search *search = &dns->searches[i];
        struct timeval left;
        if (search->id == 0 || search->done)
            continue;
        deadline = tick_min(deadline, search->until);
        if (ares_timeout(search->channel, NULL, &left))
            deadline = tick_min(
                deadline, tick_add_ns(now, left.tv_sec * NS_PER_S + left.tv_usec * NS_PER_US));
    }
    return deadline;
}

bool io_dns_answer(struct io_dns *dns, struct io_dns_answer *answer)
{
    for (size_t i = 0; i < DNS_SEARCHES_MAX; i++) {
        struct dns_search *search = &dns->searches[i];
        if (search->id == 0 || !search->done)
            continue;
        *answer = search->answer;
        dns_free(search);
        return true;
    }
    return false;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct io_dns *io_dns_create(struct io_loop *loop, uint8_t tag, const uint8_t seed[32],
                             const char *servers)
{
    struct io_dns *dns = calloc(1, sizeof *dns);
    if (!dns)
        return NULL;
    dns->loop = loop;
    dns->tag = tag;
    dns->servers = servers ? strdup(servers) : NULL;
    rng_init(&dns->rng, seed);
    for (size_t i = 0; i < DNS_SEARCHES_MAX; i++)
        dns->searches[i].dns = dns;
    if ((servers && !dns->servers) || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(dns->servers);
        free(dns);
        return NULL;
    }
    return dns;
}

void io_dns_destroy(struct io_dns *dns)
{
    if (!dns)
        return;
    for (size_t i = 0; i < DNS_SEARCHES_MAX; i++)
        dns_free(&dns->searches[i]);
    ares_library_cleanup();
    free(dns->servers);
    free(dns);
}
