/* Fuzz target: what metadata services and web services answer when they are asked for our address. */
#include "siprecd/clouds.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct addr *addr, enum addr_family family)
{
    assert(addr->family == family && addr->port == 0);
    assert(!addr_is_unspecified(addr) && !addr_is_loopback(addr) && !addr_is_link_local(addr) &&
           !addr_is_private(addr) && !addr_is_multicast(addr) && !addr_is_reserved(addr));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view body = view_of(data, size);
    struct addr addr;
    if (cloud_parse(body, &addr))
        check(&addr, ADDR_V4);
    if (cloud_parse_service(body, ADDR_V4, &addr))
        check(&addr, ADDR_V4);
    if (cloud_parse_service(body, ADDR_V6, &addr))
        check(&addr, ADDR_V6);
    return 0;
}
