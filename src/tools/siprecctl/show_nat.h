/* show_nat: what is known of siprecd's network, as a report that is read at a glance.
 * Not here: asking.
 * RFC 4787 (the words for NATs). */
#ifndef SIPRECCTL_SHOW_NAT_H
#define SIPRECCTL_SHOW_NAT_H

#include <jansson.h>
#include <stdio.h>

/* nat: the API's /v1/nat. */
void ctl_show_nat(FILE *out, const json_t *nat);

#endif
