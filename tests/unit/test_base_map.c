/* Tests of base/map: SipHash against the vectors of its paper's reference code. */
#include "base/map.h"

#include "base/list.h"
#include "tap.h"

static void test_siphash_vectors(void)
{
    /* Key 00..0f, messages 00..(n-1): the paper's appendix A gives a129ca6149be45e5 for n = 15. */
    uint8_t key[16], message[15];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        message[i] = i;
    CHECK(map_siphash(key, view_of(message, 15)) == 0xa129ca6149be45e5);
}

struct item {
    struct map_node node;
    char name[8];
};

static void test_insert_find_remove(void)
{
    static struct item items[1000];
    struct rng rng;
    struct map map;
    rng_init_number(&rng, 3);
    CHECK(map_init(&map, 100, &rng));
    for (int i = 0; i < 1000; i++) {
        snprintf(items[i].name, sizeof items[i].name, "%d", i);
        map_insert(&map, &items[i].node, view_of_string(items[i].name));
    }
    CHECK_INT(map.count, 1000);
    for (int i = 0; i < 1000; i += 2)
        map_remove(&map, &items[i].node);
    map_remove(&map, &items[0].node); /* twice does no harm */
    CHECK_INT(map.count, 500);
    for (int i = 0; i < 1000; i++) {
        struct map_node *found = map_find(&map, view_of_string(items[i].name));
        CHECK(found == (i % 2 ? &items[i].node : NULL));
    }
    map_finish(&map);
}

static void test_equal_keys_stand_side_by_side(void)
{
    struct item a = {.name = "x"}, b = {.name = "x"};
    struct rng rng;
    struct map map;
    rng_init_number(&rng, 3);
    CHECK(map_init(&map, 1, &rng));
    map_insert(&map, &a.node, VIEW_LIT("x"));
    map_insert(&map, &b.node, VIEW_LIT("x"));
    struct map_node *first = map_find(&map, VIEW_LIT("x"));
    CHECK(first == &b.node);
    CHECK(map_find_next(first) == &a.node);
    CHECK(map_find_next(&a.node) == NULL);
    map_finish(&map);
}

struct link {
    int value;
    struct list link;
};

static void test_list(void)
{
    struct list head;
    struct link links[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    int sum = 0;
    list_init(&head);
    CHECK(list_first(&head) == NULL);
    list_append(&head, &links[1].link);
    list_append(&head, &links[2].link);
    list_prepend(&head, &links[0].link);
    list_each (at, &head)
        sum = sum * 10 + container_of(at, struct link, link)->value;
    CHECK_INT(sum, 123);
    list_each_safe (at, &head)
        list_remove(at);
    CHECK(list_is_empty(&head));
    CHECK(!list_is_linked(&links[0].link));
    list_remove(&links[0].link); /* twice does no harm */
}

int main(void)
{
    RUN(test_siphash_vectors);
    RUN(test_insert_find_remove);
    RUN(test_equal_keys_stand_side_by_side);
    RUN(test_list);
    return tap_done();
}
