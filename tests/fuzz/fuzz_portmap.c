/* Fuzz target: answers of gateways in PCP and NAT-PMP. */
#include "nat/portmap.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct portmap_response r;
    if (!portmap_read(view_of(data, size), &r))
        return 0;
    assert(size >= 4 && size <= PORTMAP_MESSAGE_MAX);
    /* RFC 6886 §3.5: what NAT-PMP refuses comes back with opcode 0, or 128. */
    assert(data[1] & 0x80 || (size == 8 && data[0] == 0 && data[1] == 0));
    assert(r.kind <= PORTMAP_NATPMP_ADDRESS && portmap_result_name(r.result)[0]);
    /* RFC 6887 §11.3: an address of another kind than it says is none. */
    assert(r.external.family == ADDR_NONE || r.external.family == ADDR_V4 ||
           r.external.family == ADDR_V6);
    return 0;
}
