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
        for (int j = 0; j < i; j++)
            CHECK(strcmp(metric_info((enum metric)j)->name, info->name) != 0);
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

int main(void)
{
    RUN(test_names_follow_the_rules);
    RUN(test_values);
    return tap_done();
}
