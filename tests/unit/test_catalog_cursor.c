/* Tests of catalog/cursor: base64url (RFC 4648 §5) of time and id, and nothing else is one. */
#include "catalog/cursor.h"

#include "tap.h"

static void test_known(void)
{
    /* What coreutils say:
     * printf '0000019c58f2d600017f22e279b07cc398c4dc0c0c07398f' | xxd -r -p | basenc --base64url */
    struct catalog_cursor cursor = {.started_ms = INT64_C(0x19c58f2d600)}, back;
    CHECK(uuid_parse(VIEW_LIT("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"), &cursor.id));
    CHECK_TEXT(catalog_cursor_print(&cursor).s, "AAABnFjy1gABfyLiebB8w5jE3AwMBzmP");
    CHECK(catalog_cursor_parse(VIEW_LIT("AAABnFjy1gABfyLiebB8w5jE3AwMBzmP"), &back));
    CHECK_INT(back.started_ms, cursor.started_ms);
    CHECK(uuid_equal(&back.id, &cursor.id));
}

static void test_round_trip(void)
{
    struct rng rng;
    rng_init_number(&rng, 7);
    for (int i = 0; i < 1000; i++) {
        int64_t ms = (int64_t)(rng_u64(&rng) % 9223372036854U);
        struct catalog_cursor cursor = {ms, uuid_make((struct wall){0}, &rng)}, back;
        struct catalog_cursor_text text = catalog_cursor_print(&cursor);
        if (!CHECK(catalog_cursor_parse(view_of_string(text.s), &back)) ||
            !CHECK(back.started_ms == ms && uuid_equal(&back.id, &cursor.id)))
            return;
    }
}

static void test_refused(void)
{
    static const char *const texts[] = {
        "",
        "AAABnFjy1gABfyLiebB8w5jE3AwMBzm",
        "AAABnFjy1gABfyLiebB8w5jE3AwMBzmPA",
        "AAABnFjy1gABfyLiebB8w5jE3AwMBzm=",
        "AAABnFjy1gABfyLiebB8w5jE3AwMBzm+",
        "AAABnFjy1gABfyLiebB8w5jE3AwM zmP",
        "________________________________",
        "' OR 1=1; --                    ",
    };
    struct catalog_cursor out;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!CHECK(!catalog_cursor_parse(view_of_string(texts[i]), &out)))
            printf("# %s\n", texts[i]);
    }
    CHECK(!catalog_cursor_parse(view_of("AAABnFjy1gABfyLiebB8w5jE3Aw\0BzmP", 32), &out));
}

int main(void)
{
    RUN(test_known);
    RUN(test_round_trip);
    RUN(test_refused);
    return tap_done();
}
