/* rules: evidence, selection, refusal.
 * Not here: MIME (body.c).
 * RFC 7866 §6.2, 5621 §8.1, §8.3, 3959 (early-session). */
#include "siprec/rules.h"

#include <string.h>

static bool list_has(struct view list, struct view wanted)
{
    struct view rest = list, item;
    while (view_cut(&rest, ',', &item)) {
        if (view_equal_nocase(view_trim(item), wanted))
            return true;
    }
    return false;
}

/* A parameter of this name stands somewhere behind a ";", inside the brackets too (Avaya). */
static bool has_parameter(struct view contact, struct view wanted)
{
    struct view rest = contact, item, name;
    bool first = true;
    while (view_cut(&rest, ';', &item)) {
        size_t end = 0;
        name = view_trim(item);
        while (end < name.len && name.at[end] && !strchr("=>, \t\r\n", name.at[end]))
            end++;
        name = view_take(name, end);
        if (!first && view_equal_nocase(name, wanted))
            return true;
        first = false;
    }
    return false;
}

enum siprec_evidence siprec_rules_classify(struct view contact, struct view require,
                                           const struct siprec_body *body)
{
    /* "+sip-src" is NG911's, "src" BroadWorks' and Webex's spelling. */
    bool by_contact = has_parameter(contact, VIEW_LIT("+sip.src"));
    bool by_require = list_has(require, VIEW_LIT("siprec"));
    if (by_contact && by_require)
        return SIPREC_EVIDENCE_FULL;
    bool loose = by_contact || by_require || has_parameter(contact, VIEW_LIT("+sip-src")) ||
                 has_parameter(contact, VIEW_LIT("src"));
    for (size_t i = 0; i < body->count; i++)
        loose |= body->parts[i].kind == SIPREC_PART_METADATA;
    return loose ? SIPREC_EVIDENCE_LOOSE : SIPREC_EVIDENCE_NONE;
}

/* RFC 3264's session, not RFC 3959's early media or anything else that SDP may describe. */
static bool describes_session(const struct siprec_part *part)
{
    return part->disposition.len == 0 || view_equal_nocase(part->disposition, VIEW_LIT("session"));
}

static const struct siprec_part *choose_sdp(const struct siprec_body *body,
                                            struct siprec_warnings *warnings)
{
    const struct siprec_part *chosen = NULL;
    for (size_t i = 0; i < body->count; i++) {
        const struct siprec_part *part = &body->parts[i];
        if (part->kind != SIPREC_PART_SDP || view_trim(part->body).len == 0)
            continue;
        /* RFC 2046 §5.1.4: of alternatives the last is the richest. */
        bool alternative = chosen && part->alternative && part->alternative == chosen->alternative;
        if (chosen && !alternative)
            siprec_warn(warnings, SIPREC_WARN_SDP_PARTS, "%s", "");
        if (!chosen || alternative || (!describes_session(chosen) && describes_session(part)))
            chosen = part;
    }
    return chosen;
}

void siprec_rules_select(struct siprec_content *content, const struct siprec_body *body,
                         struct siprec_warnings *warnings)
{
    *content = (struct siprec_content){0};
    const struct siprec_part *sdp = choose_sdp(body, warnings);
    if (sdp) {
        content->has_sdp = true;
        content->sdp = sdp->body;
    }
    bool unknown_required = false;
    for (size_t i = 0; i < body->count; i++) {
        const struct siprec_part *part = &body->parts[i];
        if (part->kind == SIPREC_PART_OTHER) {
            siprec_warn(warnings, SIPREC_WARN_BODY_PART_IGNORED, VIEW_FMT, VIEW_ARG(part->type));
            /* RFC 5621 §8.3: within alternatives handling says nothing. */
            unknown_required |= !part->optional && part->alternative == 0;
        } else if (part->kind == SIPREC_PART_METADATA &&
                   content->metadata_count < SIPREC_METADATA_PARTS_MAX) {
            content->metadata[content->metadata_count++] = part->body;
        }
    }
    if (content->metadata_count > 1)
        siprec_warn(warnings, SIPREC_WARN_METADATA_PARTS, "%zu", content->metadata_count);
    if (unknown_required && !content->has_sdp)
        content->refusal = 415;
}

void siprec_rules_check(const struct siprec_content *content, const struct sdp_session *sdp,
                        bool expect_metadata, struct siprec_warnings *warnings)
{
    if (expect_metadata && content->metadata_count == 0)
        siprec_warn(warnings, SIPREC_WARN_METADATA_MISSING, "%s", "");
    for (size_t i = 0; i < sdp->media_count; i++) {
        const struct sdp_media *media = &sdp->media[i];
        if (media->kind == SDP_KIND_AUDIO && media->port && media->label.len == 0)
            siprec_warn(warnings, SIPREC_WARN_SDP_LABEL_MISSING, "m-line %zu", i + 1);
        if (sdp_media_label_repeats(sdp, i))
            siprec_warn(warnings, SIPREC_WARN_SDP_LABEL_REPEATED, VIEW_FMT, VIEW_ARG(media->label));
    }
    if (sdp->lost_media || sdp->lost_formats || sdp->lost_candidates)
        siprec_warn(warnings, SIPREC_WARN_SDP_LIMIT, "%zu m-lines, %zu formats, %zu candidates",
                    sdp->lost_media, sdp->lost_formats, sdp->lost_candidates);
}
