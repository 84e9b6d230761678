/* Tests of base/arena. */
#include "base/arena.h"

#include "tap.h"

static void test_limit_holds(void)
{
    struct arena *arena = arena_create(64, 256);
    if (!CHECK(arena != NULL))
        return;
    size_t taken = 0;
    char *at;
    while ((at = arena_take(arena, 32))) {
        CHECK((uintptr_t)at % 16 == 0);
        CHECK(at[0] == 0 && at[31] == 0);
        memset(at, 0xee, 32);
        taken += 32;
    }
    CHECK_INT(taken, 256);
    CHECK_INT(arena_used(arena), 256);
    arena_reset(arena);
    CHECK_INT(arena_used(arena), 0);
    at = arena_take(arena, 200);
    CHECK(!at); /* the first chunk is kept: 64 + 200 > 256 */
    at = arena_take(arena, 100);
    CHECK(at && at[0] == 0 && at[99] == 0);
    CHECK(!arena_take(arena, SIZE_MAX));
    arena_destroy(arena);
    arena_destroy(NULL);
}

static void test_copy_ends_with_nul(void)
{
    struct arena *arena = arena_create(64, 64);
    struct view copy = arena_copy(arena, VIEW_LIT("hello"));
    CHECK_VIEW(copy, "hello");
    CHECK_INT(copy.at[5], 0);
    CHECK(arena_copy(arena, VIEW_NONE).at != NULL);
    static const char big[64];
    CHECK(arena_copy(arena, view_of(big, sizeof big)).at == NULL);
    arena_destroy(arena);
}

int main(void)
{
    RUN(test_limit_holds);
    RUN(test_copy_ends_with_nul);
    return tap_done();
}
