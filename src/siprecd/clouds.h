/* clouds: which cloud a machine is in, what to ask its metadata service, what the answers say.
 * Not here: asking (asker.c), reading the firmware's words (io/dmi.h).
 * RFC: none; each provider's documentation, and cloud-init's way to tell them apart. */
#ifndef SIPRECD_CLOUDS_H
#define SIPRECD_CLOUDS_H

#include <stddef.h>

#include "base/addr.h"
#include "io/dmi.h"

enum cloud {
    CLOUD_NONE,
    CLOUD_GCP,
    CLOUD_AWS,
    CLOUD_AZURE,
    CLOUD_OCI,
    CLOUD_DIGITALOCEAN,
    CLOUD_HETZNER,
};
const char *cloud_name(enum cloud cloud);

/* Told by the firmware alone, before anything is sent: several services answer each other's
 * questions (OCI speaks AWS's, too). */
enum cloud cloud_recognise(const struct io_dmi *dmi);

/* One request at http://169.254.169.254. */
struct cloud_request {
    const char *method; /* NULL: GET */
    const char *path;
    const char *header;       /* "Name: value"; NULL: none */
    bool gives_token;         /* the answer stands in the requests that follow, in token_header */
    const char *token_header; /* "Name: "; NULL: needs none */
};

/* The requests of a cloud, to be made in turn until one gives an address; CLOUD_NONE has none. */
const struct cloud_request *cloud_requests(enum cloud cloud, size_t *count);

/* The public IPv4 address in an answer's body: plain text, or JSON in which it stands under one of
 * the names that providers use. False: none, such as an empty answer of a machine without one. IPv6
 * is not asked for: clouds do not translate it. */
WARN_UNUSED bool cloud_parse(struct view body, struct addr *out);

/* An address as a service on the web tells it: nothing but one address of that family, one that can
 * be reached from outside. */
WARN_UNUSED bool cloud_parse_service(struct view body, enum addr_family family, struct addr *out);

#endif
