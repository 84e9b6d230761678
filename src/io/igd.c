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

enum {
    IGD_CONFLICT = 718, /* ConflictInMappingEntry: somebody else's, or a fixed one */
    IGD_TRIES = 4,
};

struct io_igd {
    struct UPNPUrls urls;
    struct IGDdatas data;
    char local[ADDR_TEXT_SIZE];
};

struct io_igd *io_igd_find(const struct addr *local, int wait_ms)
{
    struct io_igd *igd = calloc(1, sizeof *igd);
    struct addr_text from = addr_print_ip(local);
    struct UPNPDev *devices;
    int error = 0;
    int found;
    if (!igd)
        return NULL;
    devices = upnpDiscover(wait_ms, from.s, NULL, UPNP_LOCAL_PORT_ANY, local->family == ADDR_V6, 2,
                           &error);
    found = devices ? UPNP_GetValidIGD(devices, &igd->urls, &igd->data, igd->local,
                                       (int)sizeof igd->local)
                    : 0;
    if (devices)
        freeUPNPDevlist(devices);
    /* 2: it says that it is not connected, or its address outside is a private one. Some say so
     * wrongly; and what a second NAT behind it does is for others to judge. */
    if (found == 1 || found == 2)
        return igd;
    if (found != 0)
        FreeUPNPUrls(&igd->urls);
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

void io_igd_unmap(const struct io_igd *igd, bool is_tcp, uint16_t external_port)
{
    char outside[8];
    snprintf(outside, sizeof outside, "%u", external_port);
    (void)UPNP_DeletePortMapping(igd->urls.controlURL, igd->data.first.servicetype, outside,
                                 is_tcp ? "TCP" : "UDP", NULL);
}
