/* session_timer: whether a dialog expires, who refreshes it, and when.
 * Not here: the refresh request and the BYE (engine).
 * RFC 4028. */
#include "sip/session_timer.h"

/* §10: BYE this long before the end, or a third of the interval if that is less. */
#define BYE_MARGIN_S 32
/* A refresh that was refused for the moment (491, 500) is tried again after this. */
#define RETRY_MS 10000

bool sip_session_timer_answer(const struct sip_message *request, uint32_t min_se_s, uint32_t want_s,
                              struct sip_session_terms *terms)
{
    bool supported = sip_message_lists(request, VIEW_LIT("Supported"), VIEW_LIT("timer")) ||
                     sip_message_lists(request, VIEW_LIT("Require"), VIEW_LIT("timer")) ||
                     view_equal_nocase(request->refresher, VIEW_LIT("uac"));
    *terms = (struct sip_session_terms){0};
    if (request->session_expires_s == 0) {
        if (supported && want_s > 0)
            *terms = (struct sip_session_terms){
                .interval_s = want_s > request->min_se_s ? want_s : request->min_se_s,
                .require = true};
        return true;
    }
    /* Only who knows the extension understands a 422 (§8.1). */
    if (request->session_expires_s < min_se_s && supported)
        return false;
    terms->interval_s = request->session_expires_s;
    terms->refresher_uac = supported && !view_equal_nocase(request->refresher, VIEW_LIT("uas"));
    terms->require = supported;
    return true;
}

void sip_session_timer_start(struct sip_session_timer *timer, uint32_t interval_s, bool we_refresh,
                             struct tick now)
{
    *timer = (struct sip_session_timer){
        .interval_s = interval_s, .refresh_at = TICK_NEVER, .expire_at = TICK_NEVER};
    if (interval_s == 0)
        return;
    int64_t interval_ms = (int64_t)interval_s * 1000;
    int64_t margin_ms = interval_ms / 3;
    if (margin_ms > BYE_MARGIN_S * 1000)
        margin_ms = BYE_MARGIN_S * 1000;
    timer->we_refresh = we_refresh;
    timer->expire_at = tick_add_ms(now, interval_ms - margin_ms);
    if (we_refresh)
        timer->refresh_at = tick_add_ms(now, interval_ms / 2); /* §7.2 */
}

void sip_session_timer_refreshing(struct sip_session_timer *timer, struct tick now)
{
    timer->refresh_at = tick_add_ms(now, RETRY_MS);
}

struct tick sip_session_timer_deadline(const struct sip_session_timer *timer)
{
    if (timer->interval_s == 0)
        return TICK_NEVER;
    return tick_min(timer->refresh_at, timer->expire_at);
}
