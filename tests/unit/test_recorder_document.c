/* What a render adds to a recording's document; the expected texts are written by hand after the
 * API. */
#include "recorder/document.h"

#include <jansson.h>

#include "recorder/record.h"
#include "tap.h"

static const char document[] =
    "{\"id\":\"x\",\"state\":\"finishing\",\"duration_ms\":10,\"streams\":["
    "{\"label\":\"1\",\"packets\":4,\"lost\":0},{\"label\":\"2\",\"packets\":5,\"lost\":1}],"
    "\"warnings\":[{\"code\":\"a\",\"text\":\"b\",\"at\":\"c\"}],\"digits\":[],\"events\":[],"
    "\"channels\":[],\"audio\":null}";

static void check_json(char *got, const char *want)
{
    json_error_t error;
    json_t *a = got ? json_loads(got, 0, &error) : NULL, *b = json_loads(want, 0, &error);
    if (!CHECK(b != NULL && json_equal(a, b)))
        printf("# got  %s\n# want %s\n", got ? got : "NULL", want);
    json_decref(a);
    json_decref(b);
    free(got);
}

static void test_merge(void)
{
    char *got = recorder_document_merge(
        view_of_string(document),
        VIEW_LIT(
            "{\"duration_ms\":12,\"sample_rate\":8000,\"format\":\"wav\",\"layout\":\"stereo\","
            "\"frames\":96,\"files\":[\"/a/b.d/"
            "audio.wav.part-7\"],\"channels\":[{\"channel\":0,\"participant\":{\"id\":\"p\","
            "\"aor\":"
            "\"q\",\"name\":null},\"label\":\"1\",\"derived\":\"label\"}],\"streams\":["
            "{\"stream\":1,\"label\":\"2\",\"packets\":7,\"lost\":2}],\"digits\":[{\"digit\":"
            "\"5\"}],\"warnings\":[{\"code\":\"a\",\"text\":\"b\",\"at\":\"later\"},"
            "{\"code\":\"d\",\"text\":\"e\",\"at\":\"f\"}]}"));
    check_json(
        got,
        "{\"id\":\"x\",\"state\":\"finished\",\"duration_ms\":12,\"streams\":["
        "{\"label\":\"1\",\"packets\":4,\"lost\":0},{\"label\":\"2\",\"packets\":7,\"lost\":2}],"
        "\"warnings\":[{\"code\":\"a\",\"text\":\"b\",\"at\":\"c\"},{\"code\":\"d\",\"text\":"
        "\"e\",\"at\":\"f\"}],\"digits\":[{\"digit\":\"5\"}],\"events\":[],\"channels\":["
        "{\"channel\":0,\"participant\":\"p\",\"label\":\"1\",\"derived\":\"label\"}],"
        "\"audio\":{\"format\":\"wav\",\"layout\":\"stereo\",\"sample_rate\":8000,\"frames\":96,"
        "\"duration_ms\":12,\"files\":[\"audio.wav\"]}}");
}

static void test_merge_of_rubbish(void)
{
    static const char *const bad[] = {"", "null", "[]", "{\"duration_ms\":", "{}", "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(recorder_document_merge(view_of_string(document), view_of_string(bad[i])) == NULL);
        char *text =
            recorder_document_merge(view_of_string(bad[i]), VIEW_LIT("{\"duration_ms\":1}"));
        CHECK(text == NULL || i == 4); /* an empty object is an object */
        free(text);
    }
    CHECK(recorder_document_failed(VIEW_LIT("["), VIEW_LIT("x"), (struct wall){0}) == NULL);
}

static void test_a_failed_render_is_a_warning(void)
{
    char *got = recorder_document_failed(
        VIEW_LIT("{\"state\":\"finishing\",\"warnings\":[],\"audio\":null}"), VIEW_LIT("exit 1"),
        (struct wall){0});
    check_json(got, "{\"state\":\"finished\",\"warnings\":[{\"code\":\"render-failed\",\"text\":"
                    "\"exit 1\",\"at\":null}],\"audio\":null}");
}

/* Bytes of any kind in what a peer sent: valid JSON all the same. */
static void test_any_bytes_become_json(void)
{
    struct recorder_record record;
    struct uuid id = {.s = "019ca945-0de9-7455-a822-9e888de85bbd"};
    CHECK(recorder_record_init(&record, &id,
                               VIEW_LIT("a\xff\xc3\xa9\xed\xa0\x80\xf0\x9f\x98\x80\"\x01\xc3"),
                               (struct wall){NS_PER_S}));
    recorder_record_warn(&record, (struct wall){NS_PER_S}, "code", "%s", "\x80 text");
    recorder_record_warn(&record, (struct wall){2 * NS_PER_S}, "code", "%s", "\x80 text");
    char *text = recorder_document_print(&record);
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    CHECK_TEXT(json_string_value(json_object_get(json, "call_id")),
               "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x98\x80\"\x01"
               "\xef\xbf\xbd");
    CHECK_INT(json_array_size(json_object_get(json, "warnings")), 1); /* the same stands once */
    CHECK_TEXT(json_string_value(json_object_get(json, "started_at")), "1970-01-01T00:00:01.000Z");
    CHECK(json_is_null(json_object_get(json, "ended_at")));
    json_decref(json);
    free(text);
    recorder_record_finish(&record);
}

int main(void)
{
    RUN(test_merge);
    RUN(test_merge_of_rubbish);
    RUN(test_a_failed_render_is_a_warning);
    RUN(test_any_bytes_become_json);
    return tap_done();
}
