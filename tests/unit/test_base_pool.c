/* Tests of base/pool. */
#include "base/pool.h"

#include "tap.h"

static void test_stale_ids_find_nothing(void)
{
    struct pool *pool = pool_create(sizeof(int), 2);
    struct pool_id a, b, c;
    int *one = pool_take(pool, &a), *two = pool_take(pool, &b);
    CHECK(one && two && one != two);
    CHECK(!pool_take(pool, &c));
    CHECK(!pool_id_is_set(c));
    *one = 7;
    pool_give(pool, a);
    CHECK(!pool_find(pool, a));
    pool_give(pool, a); /* twice does no harm */
    CHECK_INT(pool_count(pool), 1);
    int *again = pool_take(pool, &c);
    CHECK(again == one && *again == 0);
    CHECK(!pool_find(pool, a));
    CHECK(pool_find(pool, c) == again);
    CHECK(!pool_find(pool, POOL_ID_NONE));
    CHECK(!pool_find(pool, (struct pool_id){UINT64_MAX}));
    pool_destroy(pool);
    pool_destroy(NULL);
}

static void test_oldest_is_used_first(void)
{
    struct pool *pool = pool_create(1, 3);
    struct pool_id ids[3], again;
    for (size_t i = 0; i < 3; i++)
        CHECK(pool_take(pool, &ids[i]));
    pool_give(pool, ids[2]);
    pool_give(pool, ids[0]);
    CHECK(pool_take(pool, &again));
    CHECK_INT((uint32_t)again.value, (uint32_t)ids[2].value);
    CHECK(pool_take(pool, &again));
    CHECK_INT((uint32_t)again.value, (uint32_t)ids[0].value);
    pool_destroy(pool);
}

static void test_walk_while_giving_back(void)
{
    struct pool *pool = pool_create(1, 5);
    struct pool_id id;
    for (size_t i = 0; i < 5; i++)
        CHECK(pool_take(pool, &id));
    uint32_t index = 0, seen = 0;
    while (pool_next(pool, &index, &id)) {
        seen++;
        pool_give(pool, id);
    }
    CHECK_INT(seen, 5);
    CHECK_INT(pool_count(pool), 0);
    pool_destroy(pool);
}

int main(void)
{
    RUN(test_stale_ids_find_nothing);
    RUN(test_oldest_is_used_first);
    RUN(test_walk_while_giving_back);
    return tap_done();
}
