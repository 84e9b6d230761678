/* access: who may talk to a server that trusts whoever reaches it: a page in somebody's browser may
 * not. The Host must be one that no foreign DNS name can point here with (DNS rebinding), and a
 * request that changes something must be of a kind that a form cannot send.
 * Not here: passwords.
 * RFC 9110 §7.2, §7.4. */
#ifndef HTTP_ACCESS_H
#define HTTP_ACCESS_H

#include "base/view.h"

/* host: the Host field (or the authority of an absolute request target), perhaps with a port.
 * hostnames: the setting, names separated by commas or blanks. True for an IPv4 or bracketed IPv6
 * literal, for localhost and for the names listed, in any case. */
bool http_access_host(struct view host, struct view hostnames);

/* True for application/json, in any case, with or without parameters. */
bool http_access_json(struct view content_type);

#endif
