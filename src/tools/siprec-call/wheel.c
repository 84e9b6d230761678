/* wheel: alarms in buckets of one millisecond; see wheel.h.
 * Not here: what an alarm means.
 * RFC: none. */
#include "tools/siprec-call/wheel.h"

void call_wheel_init(struct call_wheel *wheel, struct tick now)
{
    for (size_t i = 0; i < CALL_WHEEL_SLOTS; i++)
        list_init(&wheel->slots[i]);
    wheel->at_ms = now.ns / NS_PER_MS;
}

void call_wheel_set(struct call_wheel *wheel, struct call_alarm *alarm, struct tick due)
{
    list_remove(&alarm->link);
    alarm->due = due;
    if (tick_is_never(due))
        return;
    int64_t ms = due.ns / NS_PER_MS;
    if (ms < wheel->at_ms)
        ms = wheel->at_ms;
    list_append(&wheel->slots[(size_t)ms % CALL_WHEEL_SLOTS], &alarm->link);
}

void call_wheel_advance(struct call_wheel *wheel, struct tick now, struct list *due)
{
    int64_t now_ms = now.ns / NS_PER_MS;
    /* After a long stall one turn sees every bucket: more turns would find nothing new. */
    if (now_ms - wheel->at_ms > CALL_WHEEL_SLOTS)
        wheel->at_ms = now_ms - CALL_WHEEL_SLOTS;
    for (; wheel->at_ms <= now_ms; wheel->at_ms++) {
        struct list *slot = &wheel->slots[(size_t)wheel->at_ms % CALL_WHEEL_SLOTS];
        list_each_safe (at, slot) {
            struct call_alarm *alarm = container_of(at, struct call_alarm, link);
            if (alarm->due.ns / NS_PER_MS > now_ms)
                continue;
            list_remove(at);
            list_append(due, at);
        }
    }
    /* The current millisecond is not over: alarms set for it must be seen by the next call. */
    wheel->at_ms = now_ms;
}

int call_wheel_wait_ms(const struct call_wheel *wheel, struct tick now, int limit_ms)
{
    for (int i = 0; i < limit_ms && i < CALL_WHEEL_SLOTS; i++) {
        if (!list_is_empty(&wheel->slots[(size_t)(wheel->at_ms + i) % CALL_WHEEL_SLOTS])) {
            int64_t wait = wheel->at_ms + i - now.ns / NS_PER_MS;
            return wait > 0 ? (int)wait : 1;
        }
    }
    return limit_ms;
}
