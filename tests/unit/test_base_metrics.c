/* Tests of base/metrics: Prometheus' naming rules over the whole table. */
#include "base/metrics.h"

#include "tap.h"

static void test_names_follow_the_rules(void)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_info *info = metric_info((enum metric)i);
        if (!CHECK(info->name && info->help)) {
            printf("# series %d has no name or help\n", i);
            continue;
        }
        size_t len = strlen(info->name);
        bool total = len > 6 && strcmp(info->name + len - 6, "_total") == 0;
        CHECK(strncmp(info->name, "siprecd_", 8) == 0);
        CHECK(total == (info->kind == METRIC_COUNTER));
        CHECK(strspn(info->name, "abcdefghijklmnopqrstuvwxyz_0123456789") == len);
        /* A name's series stand side by side, and differ in labels or suffix. */
        for (int j = 0; j < i; j++) {
            const struct metric_info *other = metric_info((enum metric)j);
            if (strcmp(other->name, info->name) != 0)
                continue;
            CHECK_TEXT(metric_info((enum metric)(i - 1))->name, info->name);
            CHECK(strcmp(other->labels ? other->labels : "", info->labels ? info->labels : "") ||
                  strcmp(other->suffix ? other->suffix : "", info->suffix ? info->suffix : ""));
        }
    }
}

static void test_values(void)
{
    metric_add(METRIC_RTP_PACKETS_RECEIVED, 5);
    metric_add(METRIC_RTP_PACKETS_RECEIVED, 2);
    CHECK_INT(metric_value(METRIC_RTP_PACKETS_RECEIVED), 7);
    metric_set(METRIC_DISK_FREE_BYTES, 99);
    CHECK_INT(metric_value(METRIC_DISK_FREE_BYTES), 99);
}

/* Buckets are cumulative, and the last holds all (Prometheus, histogram). */
static void test_a_histogram(void)
{
    metric_observe_ms(METRIC_FIRST_PACKET, 15);
    metric_observe_ms(METRIC_FIRST_PACKET, 20);
    metric_observe_ms(METRIC_FIRST_PACKET, 21);
    metric_observe_ms(METRIC_FIRST_PACKET, 99999);
    CHECK_INT(metric_value(METRIC_FIRST_PACKET), 2);
    CHECK_INT(metric_value(METRIC_FIRST_PACKET + 1), 3);
    CHECK_INT(metric_value(METRIC_FIRST_PACKET + 8), 3);
    CHECK_INT(metric_value(METRIC_FIRST_PACKET + 9), 4);
    CHECK_TEXT(metric_info(METRIC_FIRST_PACKET + 9)->labels, "le=\"+Inf\"");
    CHECK_INT(metric_value(METRIC_FIRST_PACKET + 10), 15 + 20 + 21 + 99999);
    CHECK_INT(metric_value(METRIC_FIRST_PACKET_END), 4);
    CHECK_TEXT(metric_info(METRIC_FIRST_PACKET_END)->suffix, "_count");
}

int main(void)
{
    RUN(test_names_follow_the_rules);
    RUN(test_values);
    RUN(test_a_histogram);
    return tap_done();
}
