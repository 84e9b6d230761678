/* plaincall: the inside of plainside, its calls: shared by plainside.c and plaincall.c.
 * Not here: what a play may call (plainside.h).
 * RFC: none. */
#ifndef NATSIM_PLAINCALL_H
#define NATSIM_PLAINCALL_H

#include "natsim/plainside.h"

void plaincall_run(struct plainside *side);
struct tick plaincall_deadline(const struct plainside *side);
void plaincall_hear(struct plainside *side, const struct addr *from, bool relayed,
                    struct view bytes);
void plaincall_refused(struct plainside *side, const struct addr *to);
void plaincall_mapped(struct plainside *side);
void plaincall_gateway_mapped(struct plainside *side);
void plaincall_permitted(struct plainside *side, const struct addr *peer, bool allowed);
void plaincall_relay_lost(struct plainside *side);
void plaincall_network_changed(struct plainside *side);

/* plainside.c */
void plainside_ask_stun(struct plainside *side);
/* Nothing arrives: is the port still mapped? */
void plainside_doubt_gateway(struct plainside *side);
bool plainside_send_relayed(struct plainside *side, const struct addr *peer, struct view data);

#endif
