/* Tests of http/range: the examples of RFC 9110 §14.1.2, whose representation has 10000 bytes,
 * and §13. */
#include "http/range.h"

#include "tap.h"

#define SIZE 10000

static void check(const char *field, uint64_t size, enum http_range_result want, uint64_t first,
                  uint64_t last)
{
    struct http_range range;
    enum http_range_result got = http_range_parse(view_of_string(field), size, &range);
    bool ok = got == want;
    if (ok && want == HTTP_RANGE_PART)
        ok = range.first == first && range.first + range.len - 1 == last;
    if (ok && want == HTTP_RANGE_WHOLE)
        ok = range.first == 0 && range.len == size;
    if (!CHECK(ok))
        printf("# \"%s\" of %" PRIu64 "\n", field, size);
}

static void test_rfc9110_examples(void)
{
    check("bytes=0-499", SIZE, HTTP_RANGE_PART, 0, 499);
    check("bytes=500-999", SIZE, HTTP_RANGE_PART, 500, 999);
    check("bytes=-500", SIZE, HTTP_RANGE_PART, 9500, 9999);
    check("bytes=9500-", SIZE, HTTP_RANGE_PART, 9500, 9999);
    check("bytes=-1", SIZE, HTTP_RANGE_PART, 9999, 9999);
    check("bytes=0-0", SIZE, HTTP_RANGE_PART, 0, 0);
    /* "The first, middle, and last 1000 bytes": several, which may be answered with the whole. */
    check("bytes= 0-999, 4500-5499, -1000", SIZE, HTTP_RANGE_WHOLE, 0, 0);
    check("bytes=500-600,601-999", SIZE, HTTP_RANGE_WHOLE, 0, 0);
}

static void test_ends(void)
{
    /* "If the value is greater than or equal to the current length,
     * the byte range is the remainder". */
    check("bytes=9999-20000", SIZE, HTTP_RANGE_PART, 9999, 9999);
    check("bytes=0-", SIZE, HTTP_RANGE_PART, 0, 9999);
    check("bytes=0-9999", SIZE, HTTP_RANGE_PART, 0, 9999);
    check("bytes=0-10000", SIZE, HTTP_RANGE_PART, 0, 9999);
    check("bytes=0-99999999999999999999999999", SIZE, HTTP_RANGE_PART, 0, 9999);
    check("bytes=10000-", SIZE, HTTP_RANGE_UNSATISFIABLE, 0, 0);
    check("bytes=10000-10001", SIZE, HTTP_RANGE_UNSATISFIABLE, 0, 0);
    check("bytes=99999999999999999999999999-", SIZE, HTTP_RANGE_UNSATISFIABLE, 0, 0);
    /* "If the representation is shorter than the suffix-length,
     * the entire representation is used." */
    check("bytes=-20000", SIZE, HTTP_RANGE_PART, 0, 9999);
    /* "a non-zero suffix-length" is what makes a suffix-range satisfiable. */
    check("bytes=-0", SIZE, HTTP_RANGE_UNSATISFIABLE, 0, 0);
    check("bytes=0-", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0);
    check("bytes=-5", 0, HTTP_RANGE_WHOLE, 0, 0);
    check("bytes=18446744073709551614-", UINT64_MAX, HTTP_RANGE_PART, UINT64_MAX - 1,
          UINT64_MAX - 1);
}

static void test_invalid_is_ignored(void)
{
    static const char *const fields[] = {
        "",          "bytes",       "bytes=",      "bytes=-",    "bytes=a-b",  "bytes=5",
        "bytes=,",   "bytes=1-0",   "bytes=0x1-2", "bytes=1--2", "bytes=+1-2", "bytes=1-2-3",
        "lines=0-1", "bytes 0-499", "seconds=1-2", "=0-1",       "bytes=1 -2", "bytes==0-1",
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        check(fields[i], SIZE, HTTP_RANGE_WHOLE, 0, 0);
    /* Range units are case-insensitive (§14.1); lists may have empty elements (§5.6.1.2). */
    check("BYTES=0-1", SIZE, HTTP_RANGE_PART, 0, 1);
    check(" bytes=, 0-1 ,\t", SIZE, HTTP_RANGE_PART, 0, 1);
}

static void test_if_range(void)
{
    struct http_validators now = {VIEW("\"xyzzy\""), VIEW("Sat, 29 Oct 1994 19:43:31 GMT")};
    CHECK(http_range_if(VIEW_NONE, &now));
    CHECK(http_range_if(VIEW_LIT("\"xyzzy\""), &now));
    CHECK(http_range_if(VIEW_LIT("Sat, 29 Oct 1994 19:43:31 GMT"), &now));
    CHECK(!http_range_if(VIEW_LIT("\"other\""), &now));
    CHECK(!http_range_if(VIEW_LIT("W/\"xyzzy\""), &now));
    CHECK(!http_range_if(VIEW_LIT("Sat, 29 Oct 1994 19:43:32 GMT"), &now));
}

static void test_none_match(void)
{
    /* The examples of §13.1.1 and §13.1.2. */
    struct http_validators now = {VIEW("\"xyzzy\""), VIEW_NONE};
    CHECK(http_range_match(VIEW_LIT("\"xyzzy\""), &now, false));
    CHECK(http_range_match(VIEW_LIT("W/\"xyzzy\""), &now, false));
    CHECK(!http_range_match(VIEW_LIT("W/\"xyzzy\""), &now, true));
    CHECK(http_range_match(VIEW_LIT("\"r2d2xxxx\", \"xyzzy\", \"c3piozzzz\""), &now, true));
    CHECK(http_range_match(VIEW_LIT("W/\"r2d2xxxx\", W/\"xyzzy\""), &now, false));
    CHECK(http_range_match(VIEW_LIT("*"), &now, true));
    CHECK(!http_range_match(VIEW_LIT("\"r2d2xxxx\", \"c3piozzzz\""), &now, false));
    CHECK(!http_range_match(VIEW_LIT("\"xyzzy"), &now, false));
    CHECK(!http_range_match(VIEW_LIT("xyzzy"), &now, false));
    CHECK(!http_range_match(VIEW_LIT(""), &now, false));
}

int main(void)
{
    RUN(test_rfc9110_examples);
    RUN(test_ends);
    RUN(test_invalid_is_ignored);
    RUN(test_if_range);
    RUN(test_none_match);
    return tap_done();
}
