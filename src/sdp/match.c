/* match: labels first, then positions.
 * Not here: streams themselves.
 * RFC 3264 §8, 4574. */
#include "sdp/match.h"

static bool known_is_taken(const int found[], size_t count, size_t known)
{
    for (size_t i = 0; i < count; i++) {
        if (found[i] == (int)known)
            return true;
    }
    return false;
}

/* The stream with this label, if there is exactly one. */
static int find_label(const struct sdp_known *known, size_t known_count, struct view label)
{
    int hit = SDP_MATCH_NEW;
    for (size_t i = 0; i < known_count; i++) {
        if (known[i].gone || !view_equal(known[i].label, label))
            continue;
        if (hit != SDP_MATCH_NEW)
            return SDP_MATCH_NEW;
        hit = (int)i;
    }
    return hit;
}

static int find_position(const struct sdp_known *known, size_t known_count, size_t line)
{
    for (size_t i = 0; i < known_count; i++) {
        if (!known[i].gone && known[i].line == line)
            return (int)i;
    }
    return SDP_MATCH_NEW;
}

void sdp_match(const struct sdp_session *offer, const struct sdp_known *known, size_t known_count,
               int found[])
{
    for (size_t i = 0; i < offer->media_count; i++) {
        const struct sdp_media *media = &offer->media[i];
        found[i] = SDP_MATCH_NEW;
        if (media->label.len == 0 || sdp_media_label_repeats(offer, i))
            continue;
        int hit = find_label(known, known_count, media->label);
        if (hit != SDP_MATCH_NEW && known[hit].kind == media->kind)
            found[i] = hit;
    }
    for (size_t i = 0; i < offer->media_count; i++) {
        if (found[i] != SDP_MATCH_NEW)
            continue;
        /* RFC 3264 §8: the i-th stream of the last description is the i-th of this one. A slot
         * whose stream was taken elsewhere by its label, or had ended,
         * is free for something new. */
        int hit = find_position(known, known_count, i);
        if (hit != SDP_MATCH_NEW && known[hit].kind == offer->media[i].kind &&
            !known_is_taken(found, offer->media_count, (size_t)hit))
            found[i] = hit;
    }
}
