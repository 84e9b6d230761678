/* igd: port mappings at a gateway that speaks UPnP.
 * Not here: when (siprecd/mapper.h), threads: every call here waits for the gateway.
 * UPnP WANIPConnection:1 and :2, by miniupnpc. */
#include "io/igd.h"

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/fetch.h"

enum {
    IGD_CONFLICT = 718, /* ConflictInMappingEntry: somebody else's, or a fixed one */
    IGD_TRIES = 4,
    IGD_FETCH_MS = 3000,
};

struct io_igd {
    struct UPNPUrls urls;
    struct IGDdatas data;
    char local[ADDR_TEXT_SIZE];
};

/* http://GATEWAY[:port]/...: the only place that may be asked. */
static bool igd_is_at(const char *url, const struct addr *gateway)
{
    struct view rest = view_of_string(url ? url : "");
    struct addr host;
    size_t end;
    if (!view_starts_with_nocase(rest, VIEW_LIT("http://")))
        return false;
    rest = view_skip(rest, sizeof "http://" - 1);
    end = view_find_char(rest, '/');
    return end < rest.len && addr_parse(view_take(rest, end), 80, &host) &&
           addr_equal_ip(&host, gateway);
}

/* Which of a gateway's services is the way out: some have one for PPP and one for IP, and the
 * first may be the one that is not in use. One that says so of all may be wrong; and what a second
 * NAT behind it does is for others to judge. */
static bool igd_choose(struct io_igd *igd, const char *described_at, const struct addr *gateway)
{
    for (int tried = 0; tried < 2; tried++) {
        struct IGDdatas_service other = igd->data.second;
        GetUPNPUrls(&igd->urls, &igd->data, described_at, 0);
        if (!igd_is_at(igd->urls.controlURL, gateway))
            return false;
        if (tried == 1 || other.servicetype[0] == '\0' ||
            UPNPIGD_IsConnected(&igd->urls, &igd->data))
            return true;
        igd->data.second = igd->data.first;
        igd->data.first = other;
        FreeUPNPUrls(&igd->urls);
    }
    return false;
}

/* Reads its description; false: it is no gateway's. */
static bool igd_take(struct io_igd *igd, const char *described_at, const struct addr *gateway)
{
    struct io_fetch_request request = {
        .url = described_at, .family = gateway->family, .timeout_ms = IGD_FETCH_MS};
    struct io_fetch_answer *got = malloc(sizeof *got);
    bool good = got && io_fetch(&request, got) && got->status == 200;
    memset(&igd->data, 0, sizeof igd->data);
    if (good)
        parserootdesc(got->body, (int)got->len, &igd->data);
    free(got);
    if (!good || igd->data.first.servicetype[0] == '\0')
        return false;
    if (igd_choose(igd, described_at, gateway))
        return true;
    FreeUPNPUrls(&igd->urls);
    return false;
}

struct io_igd *io_igd_find(const struct addr *local, const struct addr *gateway, int wait_ms)
{
    struct io_igd *igd = calloc(1, sizeof *igd);
    struct addr_text from = addr_print_ip(local);
    struct UPNPDev *devices;
    bool found = false;
    int error = 0;
    if (!igd)
        return NULL;
    (void)view_copy(view_of_string(from.s), igd->local, sizeof igd->local);
    devices = upnpDiscover(wait_ms, from.s, NULL, UPNP_LOCAL_PORT_ANY, local->family == ADDR_V6, 2,
                           &error);
    for (const struct UPNPDev *at = devices; at && !found; at = at->pNext)
        found = igd_is_at(at->descURL, gateway) && igd_take(igd, at->descURL, gateway);
    if (devices)
        freeUPNPDevlist(devices);
    if (found)
        return igd;
    free(igd);
    return NULL;
}

void io_igd_destroy(struct io_igd *igd)
{
    if (!igd)
        return;
    FreeUPNPUrls(&igd->urls);
    free(igd);
}

bool io_igd_external(const struct io_igd *igd, struct addr *external)
{
    char text[64] = "";
    return UPNP_GetExternalIPAddress(igd->urls.controlURL, igd->data.first.servicetype, text) ==
               UPNPCOMMAND_SUCCESS &&
           addr_parse_ip(view_of_string(text), external);
}

bool io_igd_map(const struct io_igd *igd, bool is_tcp, uint16_t internal_port, uint32_t lease_s,
                uint16_t *external_port, int *error)
{
    char inside[8], outside[8], lease[16];
    uint16_t wanted = *external_port ? *external_port : internal_port;
    snprintf(inside, sizeof inside, "%u", internal_port);
    snprintf(lease, sizeof lease, "%u", lease_s);
    for (int tried = 0; tried < IGD_TRIES; tried++) {
        snprintf(outside, sizeof outside, "%u", wanted);
        *error =
            UPNP_AddPortMapping(igd->urls.controlURL, igd->data.first.servicetype, outside, inside,
                                igd->local, "siprecd", is_tcp ? "TCP" : "UDP", NULL, lease);
        if (*error == UPNPCOMMAND_SUCCESS) {
            *external_port = wanted;
            return true;
        }
        if (*error != IGD_CONFLICT)
            return false;
        /* Far from where the next of our own ports will ask for the same as inside. */
        wanted = (uint16_t)(49152 + (wanted + 4099u * (unsigned)(tried + 1)) % 16384);
    }
    return false;
}

bool io_igd_unmap(const struct io_igd *igd, bool is_tcp, uint16_t external_port)
{
    char outside[8];
    snprintf(outside, sizeof outside, "%u", external_port);
    return UPNP_DeletePortMapping(igd->urls.controlURL, igd->data.first.servicetype, outside,
                                  is_tcp ? "TCP" : "UDP", NULL) >= 0;
}

bool io_igd_has(const struct io_igd *igd, bool is_tcp, uint16_t internal_port,
                uint16_t external_port)
{
    char inside[8], outside[8];
    /* Sizes that miniupnpc prescribes. */
    char client[16] = "", port[6] = "", description[80] = "", enabled[4] = "", lease[16] = "";
    snprintf(inside, sizeof inside, "%u", internal_port);
    snprintf(outside, sizeof outside, "%u", external_port);
    return UPNP_GetSpecificPortMappingEntry(igd->urls.controlURL, igd->data.first.servicetype,
                                            outside, is_tcp ? "TCP" : "UDP", NULL, client, port,
                                            description, enabled, lease) == UPNPCOMMAND_SUCCESS &&
           strcmp(client, igd->local) == 0 && strcmp(port, inside) == 0 &&
           strcmp(enabled, "0") != 0;
}
