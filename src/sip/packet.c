/* packet: the bytes of a message we send, shared by transaction, output queue and trace.
 * Not here: how they are composed (print.c).
 * RFC: none. */
#include "sip/packet.h"

#include <stdlib.h>
#include <string.h>

struct sip_packet *sip_packet_create(struct view bytes)
{
    struct sip_packet *packet = malloc(sizeof *packet + bytes.len);
    if (!packet)
        return NULL;
    packet->references = 1;
    packet->len = bytes.len;
    if (bytes.len > 0)
        memcpy(packet->bytes, bytes.at, bytes.len);
    return packet;
}

struct sip_packet *sip_packet_hold(struct sip_packet *packet)
{
    packet->references++;
    return packet;
}

void sip_packet_release(struct sip_packet *packet)
{
    if (packet && --packet->references == 0)
        free(packet);
}

void sip_packet_replace(struct sip_packet **slot, struct sip_packet *next)
{
    sip_packet_release(*slot);
    *slot = next;
}

struct view sip_packet_view(const struct sip_packet *packet)
{
    return packet ? view_of(packet->bytes, packet->len) : VIEW_NONE;
}

static struct view sip_text_copy(struct view text)
{
    char *copy = malloc(text.len + 1);
    if (!copy)
        return VIEW_NONE;
    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return view_of(copy, text.len);
}

void sip_text_free(struct view *text)
{
    free((char *)(uintptr_t)text->at); /* ours: it came from sip_text_copy */
    *text = VIEW_NONE;
}

bool sip_text_set(struct view *slot, struct view text)
{
    struct view copy = sip_text_copy(text);
    if (!copy.at)
        return false;
    sip_text_free(slot);
    *slot = copy;
    return true;
}
