/* fuzz: the first line is a Content-Type, the rest a body. Parts must lie inside the body,
 * or in the arena. */
#include "siprec/rules.h"

#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct siprec_body body;
    static struct siprec_content content;
    static struct siprec_warnings warnings;
    static struct arena *arena;
    struct view bytes = view_of(data, size);
    struct siprec_body_headers headers = {0};
    if (!arena)
        arena = arena_create(65536, LIMIT_METADATA_SCRATCH);
    if (!arena)
        return 0;
    arena_reset(arena);
    memset(&warnings, 0, sizeof warnings);
    (void)view_cut_line(&bytes, &headers.content_type);
    siprec_body_parse(&body, &headers, bytes, arena, &warnings);
    assert(body.count <= SIPREC_PARTS_MAX);
    size_t sum = 0;
    for (size_t i = 0; i < body.count; i++) {
        assert(body.parts[i].body.len <= bytes.len);
        sum += body.parts[i].body.len;
    }
    assert(sum <= bytes.len); /* no byte is in two parts */
    siprec_rules_select(&content, &body, &warnings);
    assert(content.refusal == 0 || content.refusal == 415);
    assert(!content.has_sdp || content.refusal == 0);
    (void)siprec_rules_classify(headers.content_type, bytes, &body);
    return 0;
}
