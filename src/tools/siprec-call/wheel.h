/* wheel: alarms in buckets of one millisecond, so that thousands of 20 ms packet clocks cost a list
 * operation each.
 * Not here: what an alarm means (world.c).
 * RFC: none. */
#ifndef TOOLS_SIPREC_CALL_WHEEL_H
#define TOOLS_SIPREC_CALL_WHEEL_H

#include "base/list.h"
#include "base/tick.h"

/* One turn: longer waits stay in their bucket for further turns. A packet clock always fits in one.
 * */
#define CALL_WHEEL_SLOTS 1024

enum call_alarm_kind {
    CALL_ALARM_START,   /* the next call of a load run is due */
    CALL_ALARM_SIP,     /* a retransmission or a timeout of a call's requests */
    CALL_ALARM_SCRIPT,  /* a call's script goes on, or its time is over */
    CALL_ALARM_MEDIA,   /* a stream's next packet */
    CALL_ALARM_CONTROL, /* a stream's next RTCP report */
    CALL_ALARM_ICE      /* a stream's agent has something to do */
};

struct call_alarm {
    struct list link;
    struct tick due;
    enum call_alarm_kind kind;
    void *owner; /* borrowed */
};

struct call_wheel {
    struct list slots[CALL_WHEEL_SLOTS];
    int64_t at_ms; /* the bucket to look at next */
};

void call_wheel_init(struct call_wheel *wheel, struct tick now);
/* Sets or moves an alarm; TICK_NEVER stops it. */
void call_wheel_set(struct call_wheel *wheel, struct call_alarm *alarm, struct tick due);
/* Moves every alarm that is due to *due (an initialised list), in order of their milliseconds. */
void call_wheel_advance(struct call_wheel *wheel, struct tick now, struct list *due);
/* Milliseconds until there may be something to do, at most limit_ms. */
int call_wheel_wait_ms(const struct call_wheel *wheel, struct tick now, int limit_ms);

#endif
