/* Fuzz target: one SIP message as a datagram, whole and cut; every view must lie in its memory. */
#include "sip/message.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct sip_message *m)
{
    struct sip_header at = {0};
    while (sip_message_header_next(m, &at)) {
        assert(at.raw.at >= m->head_raw.at &&
               at.raw.at + at.raw.len <= m->head_raw.at + m->head_raw.len);
        assert(at.value.len <= at.raw.len);
    }
    assert(m->body.len <= m->bytes.len);
    (void)sip_message_has_sdp(m);
    (void)sip_message_lists(m, VIEW_LIT("Require"), VIEW_LIT("siprec"));
    assert(m->fault_status == 0 || m->fault_reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct view bytes = view_of(data + 1, size - 1);
    struct sip_message *m = sip_message_parse(bytes, (enum sip_message_source)(data[0] % 4));
    if (!m)
        return 0;
    walk(m);
    sip_message_release(sip_message_hold(m));
    sip_message_release(m);
    return 0;
}
