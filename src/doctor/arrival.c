/* arrival: the rules, from what came and was counted.
 * Not here: words.
 * RFC 3261 §18.1.1. */
#include "doctor/arrival.h"

struct found {
    struct doctor_finding *list;
    size_t count;
};

static void put(struct found *found, enum doctor_cause cause, enum doctor_certainty certainty)
{
    found->list[found->count++] = (struct doctor_finding){.cause = cause, .certainty = certainty};
}

/* No call is known, none was refused, and no INVITE came cut short. */
static bool is_nobody(const struct doctor_evidence *e)
{
    return !e->has_call && e->refused_status == 0 && e->invites_truncated == 0;
}

static void judge_fragments(const struct doctor_evidence *e, struct found *found)
{
    if (e->reassembly_failures > 0)
        put(found, DOCTOR_INVITE_FRAGMENTS, e->invites == 0 ? DOCTOR_CERTAIN : DOCTOR_LIKELY);
    /* Other requests of somebody's arrive, which are shorter. */
    else if (e->sip_received > 0 && e->invites == 0)
        put(found, DOCTOR_INVITE_FRAGMENTS, DOCTOR_POSSIBLE);
}

static void judge_no_sip(const struct doctor_evidence *e, struct found *found)
{
    /* Of one that came nothing need be written down where the disk is full. */
    if (e->invites > 0 && (!e->was_asked || e->disk_is_full))
        return;
    if (e->reassembly_failures == 0)
        put(found, DOCTOR_NO_SIP,
            e->sip_received > 0 && e->invites == 0 ? DOCTOR_LIKELY : DOCTOR_CERTAIN);
    else if (e->invites > 0)
        put(found, DOCTOR_NO_SIP, DOCTOR_LIKELY);
}

static void judge_refused(const struct doctor_evidence *e, struct found *found)
{
    /* What was cut short cannot but be malformed, and a full disk refuses. */
    bool is_explained = (e->refused_status == 400 && e->invites_truncated > 0) ||
                        (e->refused_status == 503 && e->disk_is_full);
    if (e->refused_status == 488)
        put(found, DOCTOR_CODEC, DOCTOR_CERTAIN);
    else if (e->refused_status != 0 && !is_explained)
        put(found, DOCTOR_REFUSED, DOCTOR_CERTAIN);
}

size_t doctor_judge_arrival(const struct doctor_evidence *e,
                            struct doctor_finding list[DOCTOR_ARRIVAL])
{
    struct found found = {.list = list};
    if (e->disk_is_full)
        put(&found, DOCTOR_DISK_FULL, DOCTOR_CERTAIN);
    if (!e->has_call && e->invites_truncated > 0)
        put(&found, DOCTOR_INVITE_TRUNCATED, DOCTOR_CERTAIN);
    if (is_nobody(e)) {
        judge_fragments(e, &found);
        judge_no_sip(e, &found);
    }
    judge_refused(e, &found);
    return found.count;
}
