/* packet: the bytes of a message we send, shared by transaction, output queue and trace.
 * Not here: how they are composed (print.h).
 * RFC: none. */
#ifndef SIP_PACKET_H
#define SIP_PACKET_H

#include "base/view.h"

struct sip_packet {
    unsigned references;
    size_t len;
    char bytes[];
};

/* A copy with one reference; NULL when memory is out. */
WARN_UNUSED struct sip_packet *sip_packet_create(struct view bytes);
struct sip_packet *sip_packet_hold(struct sip_packet *packet);
/* Gives one reference back; NULL is harmless. */
void sip_packet_release(struct sip_packet *packet);
/* Puts a held packet in the place of another, which is released. Takes next. */
void sip_packet_replace(struct sip_packet **slot, struct sip_packet *next);
struct view sip_packet_view(const struct sip_packet *packet);

/* Texts on the heap, for objects that keep them: frees one, and replaces one by a copy (false, *slot
 * untouched, when memory is out). */
void sip_text_free(struct view *text);
WARN_UNUSED bool sip_text_set(struct view *slot, struct view text);

#endif
