/* fuzz: any bytes as SDP. What was read must lie inside the text, within the capacities,
 * and be consistent. */
#include "sdp/session.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct view v, struct view text)
{
    assert(v.len == 0 || (v.at >= text.at && v.at + v.len <= text.at + text.len));
}

static void check_media(const struct sdp_session *s, const struct sdp_media *m)
{
    struct view rest = m->text, name, value;
    check_inside(m->text, s->text);
    check_inside(m->label, m->text);
    check_inside(m->formats_text, m->text);
    check_inside(m->mid, m->text);
    assert((size_t)m->format_first + m->format_count <= s->format_used);
    assert((size_t)m->candidate_first + m->candidate_count <= s->candidate_used);
    assert(m->port != 0 || !addr_is_set(&m->rtp));
    assert(!m->held || !addr_is_set(&m->rtp));
    for (size_t i = 0; i < m->format_count; i++) {
        const struct sdp_format *f = sdp_media_format(s, m, i);
        assert(f->payload_type < 128 && f->codec < SDP_CODEC_COUNT);
        assert(sdp_media_find_format(s, m, f->payload_type) == f);
    }
    while (sdp_attribute_next(&rest, &name, &value))
        check_inside(value, m->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sdp_session s;
    sdp_session_parse(&s, view_of(data, size));
    assert(s.media_count <= LIMIT_SDP_MEDIA && s.format_used <= SDP_FORMATS_POOL);
    assert(s.lost_media == 0 || s.media_count == LIMIT_SDP_MEDIA);
    check_inside(s.timing, s.text);
    for (size_t i = 0; i < s.media_count; i++) {
        check_media(&s, &s.media[i]);
        (void)sdp_media_label_repeats(&s, i);
    }
    return 0;
}
